//! Bands, their spelling and order; tiles and their conversions.

use shared::bands::{Band, Bands, BandsError};
use shared::tile::{Tile, TileError};

#[test]
fn every_spelling_of_a_band_is_understood() {
    for (text, band) in [
        ("B04", Band::B04),
        ("B4", Band::B04),
        ("b4", Band::B04),
        ("B10", Band::B10),
        ("B1", Band::B01),
        ("B8A", Band::B8A),
        ("b8a", Band::B8A),
        ("B8", Band::B08),
        ("NIR-2", Band::Other("NIR-2".into())),
        ("B13", Band::Other("B13".into())),
    ] {
        assert_eq!(text.parse(), Ok(band.clone()), "{text}");
        assert_eq!(band.to_string().parse(), Ok(band));
    }
    for text in ["", "B 4", "é", &"x".repeat(33)] {
        assert!(matches!(text.parse::<Band>(), Err(BandsError::InvalidName(_))), "{text}");
    }
}

#[test]
fn band_sets_are_ordered_and_without_duplicates() {
    assert_eq!(Bands::new(vec![]), Err(BandsError::Empty));
    assert_eq!(Bands::new(vec![Band::B02, Band::B03, Band::B02]), Err(BandsError::Duplicate(Band::B02)));
    let rgb = Bands::rgb();
    assert_eq!(rgb.to_string(), "B04 B03 B02");
    assert!(rgb.is_rgb() && !Bands::new(vec![Band::B02, Band::B03, Band::B04]).unwrap().is_rgb());
    let all = Bands::sentinel_2_l1c();
    assert_eq!((all.len(), Bands::sentinel_2_l2a().len()), (13, 12));
    assert_eq!(all.positions(&rgb), Some(vec![3, 2, 1]));
    assert_eq!(rgb.positions(&all), None);
}

#[test]
fn band_sets_are_lists_of_strings_in_files() {
    assert_eq!(serde_json::to_string(&Bands::rgb()).unwrap(), r#"["B04","B03","B02"]"#);
    assert_eq!(serde_json::from_str::<Bands>(r#"["B4","B3","B2"]"#).unwrap(), Bands::rgb());
    assert!(serde_json::from_str::<Bands>("[]").is_err());
    assert!(serde_json::from_str::<Bands>(r#"["B4","B04"]"#).is_err());
}

#[test]
fn a_tile_cannot_have_the_wrong_length() {
    assert!(Tile::new(2, 3, 4, vec![0.0; 24]).is_ok());
    assert!(matches!(Tile::new(2, 3, 4, vec![0.0; 23]), Err(TileError::WrongLength { found: 23, .. })));
    assert!(matches!(Tile::new(0, 3, 4, vec![]), Err(TileError::Empty { .. })));
    assert!(matches!(Tile::new(usize::MAX, 2, 2, vec![0.0; 4]), Err(TileError::WrongLength { .. })));
    assert!(matches!(Tile::from_rgba8(2, 2, &[0; 15]), Err(TileError::WrongLength { .. })));
}

#[test]
fn pictures_become_planes() {
    // two pixels: (10, 20, 30), (40, 50, 60)
    let expected = [10, 40, 20, 50, 30, 60].map(|value: u8| f32::from(value) / 255.0);
    let picture = [10, 20, 30, 40, 50, 60];
    let tile = Tile::from_interleaved_u8(3, 1, 2, &picture).unwrap();
    assert_eq!(tile.pixels(), expected);
    assert_eq!(tile.to_interleaved_u8(), picture);
    let with_alpha = Tile::from_rgba8(1, 2, &[10, 20, 30, 255, 40, 50, 60, 0]).unwrap();
    assert_eq!(with_alpha, tile);
    let every_value: Vec<u8> = (0..=255).collect();
    assert_eq!(Tile::from_interleaved_u8(1, 16, 16, &every_value).unwrap().to_interleaved_u8(), every_value);
}

#[test]
fn digital_numbers_become_reflectance() {
    let tile = Tile::from_interleaved_u16(2, 1, 2, &[1000, 2000, 500, 65535], -1000).unwrap();
    assert_eq!(tile.pixels(), [0.0, 0.0, 0.1, 6.4535]);
}

#[test]
fn values_outside_eight_bits_are_clamped() {
    let tile = Tile::new(1, 1, 5, vec![-0.5, 1.5, f32::NAN, 0.5, f32::INFINITY]).unwrap();
    assert_eq!(tile.to_interleaved_u8(), [0, 255, 0, 128, 255]);
}

#[test]
fn planes_are_selected_in_any_order() {
    let tile = Tile::new(3, 1, 2, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
    assert_eq!(tile.select(&[2, 0, 2]).unwrap().pixels(), [4.0, 5.0, 0.0, 1.0, 4.0, 5.0]);
    assert_eq!(tile.select(&[3]), Err(TileError::NoSuchBand { index: 3, bands: 3 }));
    assert!(matches!(tile.select(&[]), Err(TileError::Empty { .. })));
}
