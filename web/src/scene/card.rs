//! What the page is told of a large picture before its patches are classified.

use serde::{Deserialize, Serialize};

use super::doubt::Doubt;
use super::georeference::Georeference;
use super::grid::Grid;
use super::reading::Taken;

/// A picture that was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SceneCard {
    /// How it is cut.
    pub grid: Grid,
    /// Format and depth, in words.
    pub format: String,
    /// Which bands, and how they are read.
    pub taken: Taken,
    /// Where it lies, when it says so.
    pub georeference: Option<Georeference>,
    /// Pixels of the picture for each of the preview, across and down.
    pub preview_step: usize,
    /// Why answers about all of it are guesses.
    pub doubts: Vec<Doubt>,
}

impl SceneCard {
    /// Width and height of the preview.
    #[must_use]
    pub fn preview_size(&self) -> (usize, usize) {
        let step = self.preview_step.max(1);
        (self.grid.width.div_ceil(step), self.grid.height.div_ceil(step))
    }

    /// `64 px = 640 m on the ground (10 m a pixel, EPSG:32632)`, or that nothing is known.
    #[must_use]
    pub fn ground(&self, length_px: usize) -> String {
        match &self.georeference {
            Some(place) => {
                let pixel_m = place.pixel_m(self.grid.width, self.grid.height);
                let side = metres(pixel_m * length_px as f64);
                format!("{length_px} px = {side} on the ground ({} a pixel, {})", metres(pixel_m), place.system())
            }
            None => format!("{length_px} px; the file does not say how large a pixel is on the ground"),
        }
    }
}

#[cfg(test)]
impl SceneCard {
    /// A picture of pixels of 10 m in the system `epsg`, for the tests of what is written of it.
    pub(super) fn of_ten_metres(grid: Grid, epsg: u32) -> Self {
        let place = Georeference {
            affine: [600_000.0, 10.0, 0.0, 5_300_000.0, 0.0, -10.0],
            epsg: Some(epsg),
            is_geographic: false,
            metres_per_unit: 1.0,
        };
        Self {
            grid,
            format: String::new(),
            taken: Taken::default(),
            georeference: Some(place),
            preview_step: 1,
            doubts: Vec::new(),
        }
    }
}

/// `640 m`, `1.28 km`.
#[must_use]
pub fn metres(length: f64) -> String {
    match length {
        length if length < 100.0 => format!("{} m", (length * 10.0).round() / 10.0),
        length if length < 1000.0 => format!("{length:.0} m"),
        length => format!("{:.2} km", length / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_well() {
        assert_eq!(metres(10.0), "10 m");
        assert_eq!(metres(11.96), "12 m");
        assert_eq!(metres(0.25), "0.3 m");
        assert_eq!(metres(640.0), "640 m");
        assert_eq!(metres(1280.0), "1.28 km");
    }

    #[test]
    fn a_picture_without_a_place_says_so() {
        let grid = Grid { width: 5400, height: 2700, patch_px: 64, stride_px: 64 };
        let card = SceneCard {
            grid,
            format: "JPEG".into(),
            taken: Taken::default(),
            georeference: None,
            preview_step: 3,
            doubts: Vec::new(),
        };
        assert_eq!(card.preview_size(), (1800, 900));
        assert!(card.ground(64).contains("does not say"));
    }
}
