//! Small pictures of every kind that once failed, against what rasterio 1.4 (GDAL 3.10) and Pillow read of them.

use super::*;
use crate::data::Survey;
use shared::bands::{Band, Bands};

/// One folder of `cases.tar`.
fn case(name: &str) -> SourceSpec {
    let tar = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data/tests/cases.tar");
    SourceSpec {
        include: Some(format!("{name}/")),
        kind: Some(crate::data::SourceKind::Folder),
        ..SourceSpec::new(tar)
    }
}

fn means(spec: &SourceSpec) -> Vec<f64> {
    let survey = Survey::of(&open(spec).0);
    assert!(survey.damaged.is_empty(), "{:?}", survey.damaged);
    survey.bands.iter().map(|band| band.mean).collect()
}

fn assert_means(name: &str, expected: &[f64], tolerance: f64) {
    let found = means(&case(name));
    let close = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < tolerance);
    assert!(found.len() == expected.len() && close, "{name}: {found:?} instead of {expected:?}");
}

#[test]
fn eight_bit_pictures_have_the_means_that_rasterio_finds() {
    let of = |values: &[f64]| values.iter().map(|value| value / 255.0).collect::<Vec<_>>();
    assert_means("01_planar_tiled", &of(&[127.062, 126.2, 126.706]), 1e-4);
    // Decoders round the cosine transform and upsampled colours each in their way.
    assert_means("02_ycbcr_jpeg", &of(&[152.512, 107.487, 77.242]), 4e-3);
    assert_means("03_sparse_uncompressed", &of(&[10.531, 5.719, 3.828]), 1e-4);
    assert_means("04_rgbn_unspecified", &of(&[152.5, 107.5, 77.25, 207.5]), 1e-4);
    assert_means("05_bigtiff", &of(&[152.5, 107.5, 77.25]), 1e-4);
    assert_means("06_lzw_tiled", &of(&[127.381]), 1e-4);
    assert_means("23_misleading_hint/c_ZSTD", &of(&[152.5, 107.5, 77.25]), 1e-4);
    assert_means("23_misleading_hint/palette_tif", &of(&[152.644, 107.449, 77.251]), 1e-4);
    // Pillow's, which turns white as zero round; GDAL gives the stored 152.5.
    assert_means("23_misleading_hint/miniswhite", &of(&[102.5]), 1e-4);
}

#[test]
fn numbers_of_other_types_keep_their_values() {
    assert_means("09_int16_negative", &[-0.24475], 1e-5);
    assert_means("23_misleading_hint/nbits12", &[0.1925], 1e-5);
    assert_means("23_misleading_hint/u32", &[0.1925], 1e-5);
}

#[test]
fn no_data_is_no_colour() {
    for (name, mean, std) in [("07_nodata_9999", 0.237, 0.139), ("07c_nodata_65535", 0.1925, 0.0831)] {
        let (source, _) = open(&case(name));
        let survey = Survey::of(&source);
        let band = &survey.bands[0];
        assert!((band.mean - mean).abs() < 6e-4 && (band.std - std).abs() < 6e-4, "{name}: {band:?}");
        assert!(survey.holes.len() == 1 && (survey.holes[0].1 - 0.104).abs() < 1e-3, "{:?}", survey.holes);
        let tile = first_tile(&source, 0, 0);
        assert!(tile.iter().all(|value| (0.0..0.5).contains(value)), "{name}: a mark became a colour");
    }
}

#[test]
fn a_band_that_is_marked_alpha_can_be_named() {
    let (source, warnings) = open(&case("08_rgbn_marked_alpha"));
    assert_eq!(source.bands(), &Bands::rgb());
    assert!(warnings.iter().any(|warning| warning.what.contains("--file-bands B04,B03,B02,B08")), "{warnings:?}");
    let named = Bands::new(vec![Band::B04, Band::B03, Band::B02, Band::B08]).unwrap();
    let found = means(&SourceSpec { file_bands: Some(named), ..case("08_rgbn_marked_alpha") });
    assert_eq!(found.len(), 4);
    assert!((found[3] - 207.5 / 255.0).abs() < 1e-4, "{found:?}");
}

#[test]
fn a_jpeg_with_a_hole_is_named() {
    let message = error_of(&case("24_jpeg_grey_fill"));
    assert!(
        message.contains("24_jpeg_grey_fill/a.jpg: the JPEG's data end early") && message.contains("\nhint: "),
        "{message}"
    );
}

#[test]
fn one_picture_that_cannot_be_read_is_a_warning_beside_good_ones() {
    let folder = tempfile::tempdir().unwrap();
    (0..5).for_each(|at| picture(&folder.path().join(format!("x/{at}.png")), 8, [at, 2, 3]));
    std::fs::write(folder.path().join("x/9.tif"), b"II*\0\x08\0\0\0\x01\0 and then nothing").unwrap();
    let survey = Survey::of(&open(&SourceSpec::new(folder.path())).0);
    assert_eq!((survey.damaged.len(), survey.sizes[0].1), (1, 5));
    let told = survey.damaged[0].in_full();
    assert!(
        told.starts_with("cannot read x/9.tif: the TIFF is damaged") && told.contains("is the file complete"),
        "{told}"
    );
}
