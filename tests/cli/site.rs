//! Small data sets with real file formats, made on the spot.

use image::{Rgb, RgbImage};
use std::fs;
use std::path::Path;

/// Two classes of 24 × 24 JPEG tiles that colour and texture tell apart: `Field/Field_0.jpg`, `Water/Water_0.jpg`, …
pub fn tiles(folder: &Path, per_class: u32) {
    for (class, base) in [("Field", [150_u8, 120, 60]), ("Water", [20, 40, 90])] {
        fs::create_dir_all(folder.join(class)).unwrap();
        for index in 0..per_class {
            let tile = RgbImage::from_fn(24, 24, |x, y| {
                let wave = u8::try_from((x * 7 + y * 13 + index * 31) % 40).unwrap();
                Rgb(base.map(|channel| channel.saturating_add(wave)))
            });
            tile.save(folder.join(class).join(format!("{class}_{index}.jpg"))).unwrap();
        }
    }
}
