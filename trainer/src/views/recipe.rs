//! Recipes: ordered lists of random transforms, as presets write them.

use rand::RngExt;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use shared::preprocess::{PreprocessError, fit, flip_horizontal, resized_crop};
use shared::tile::Tile;

use super::geometry::{erase, flip_vertical, random_crop, random_erasing, rotate, uniform};
use super::{Palette, ViewRng, blur, colour};

/// One random transform; `p` is the probability with which it is applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Transform {
    /// Brightness, contrast and saturation by factors uniform in [1 − x, 1 + x] (not below 0) and hue by a shift uniform
    /// in [−hue, hue] of the circle (at most 0.5), in random order.
    ColourJitter {
        /// Span of the brightness factor.
        brightness: f64,
        /// Span of the contrast factor.
        contrast: f64,
        /// Span of the saturation factor.
        saturation: f64,
        /// Span of the hue shift, in turns.
        hue: f64,
        /// Probability.
        p: f64,
    },
    /// All three bands become the grey picture.
    Grey {
        /// Probability.
        p: f64,
    },
    /// Values from `threshold` on are mirrored, v becomes 1 − v (torchvision's `RandomSolarize`); only where values have
    /// a ceiling.
    Solarise {
        /// The first value that is mirrored, on the unit scale.
        threshold: f64,
        /// Probability.
        p: f64,
    },
    /// The look of another product of the same ground: value v of a band becomes ((v − b) / (w − b))^γ, as another display
    /// stretch, sensor or haze would show it. Black point b uniform in [−black, black], white point w in [1 − white,
    /// 1 + white], γ log-uniform in [1 / gamma, gamma]; each band's b and w lie a further share `between` of these spans
    /// apart.
    Stretch {
        /// Span of the black point, unit scale.
        black: f64,
        /// Span of the white point, unit scale.
        white: f64,
        /// Largest exponent, at least 1.
        gamma: f64,
        /// How far bands differ from each other, as a share of both spans.
        between: f64,
        /// Probability.
        p: f64,
    },
    /// Gaussian blur with a standard deviation uniform in the given range.
    Blur {
        /// Smallest standard deviation, in pixels of the tile as it is at this point.
        sigma_min: f64,
        /// Largest standard deviation.
        sigma_max: f64,
        /// Probability.
        p: f64,
    },
    /// Left and right mirrored.
    FlipHorizontal {
        /// Probability.
        p: f64,
    },
    /// Top and bottom mirrored.
    FlipVertical {
        /// Probability.
        p: f64,
    },
    /// A turn by 90°, 180° or 270°, equally likely (tiles that are not square: 180° or none).
    Rotate90 {
        /// Probability.
        p: f64,
    },
    /// A rectangle becomes the normalisation's mean, that is 0 for the encoder.
    RandomErasing {
        /// Share of the area, uniform.
        scale: [f64; 2],
        /// Height / width, log-uniform.
        ratio: [f64; 2],
        /// Probability.
        p: f64,
    },
    /// A random window, resized to the size that the encoder reads.
    RandomResizedCrop {
        /// Share of the area, uniform.
        scale: [f64; 2],
        /// Width / height, log-uniform.
        ratio: [f64; 2],
    },
}

/// Transforms in order; whatever they leave is brought to the encoder's size by the middle crop of
/// [`shared::preprocess::fit`] when its size differs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Recipe(pub Vec<Transform>);

impl Recipe {
    /// SeCo's clean views (q and k1): the crop only.
    #[must_use]
    pub fn seco_clean() -> Self {
        Self(vec![standard_crop()])
    }

    /// SeCo's augmented views (k0 and k2): jitter, grey, blur, flip, then the crop that all four views get.
    #[must_use]
    pub fn seco_augmented() -> Self {
        let mut transforms = standard_augmentation();
        transforms.push(standard_crop());
        Self(transforms)
    }

    /// MoCo-v2's views: the crop first, then jitter, grey, blur, flip.
    #[must_use]
    pub fn mocov2() -> Self {
        let mut transforms = vec![standard_crop()];
        transforms.extend(standard_augmentation());
        Self(transforms)
    }

    /// Applies every transform to a copy of `tile`.
    ///
    /// # Shapes
    /// `[bands, any, any]` → `[bands, px, px]`
    ///
    /// # Errors
    /// Never with parameters that pass [`Recipe::check`].
    pub fn apply(
        &self,
        tile: &Tile,
        px: usize,
        palette: Palette<'_>,
        rng: &mut ViewRng,
    ) -> Result<Tile, PreprocessError> {
        let mut current: Option<Tile> = None; // still `tile` itself
        for transform in &self.0 {
            if let Transform::RandomResizedCrop { scale, ratio } = transform {
                let source = current.as_ref().unwrap_or(tile);
                let window = random_crop(source.height(), source.width(), *scale, *ratio, rng);
                current = Some(resized_crop(source, window.top, window.left, window.height, window.width, px)?);
            } else {
                let own = current.get_or_insert_with(|| tile.clone());
                transform.apply_in_place(own, palette, rng);
            }
        }
        Ok(match current {
            Some(done) if (done.height(), done.width()) == (px, px) => done,
            other => fit(other.as_ref().unwrap_or(tile), px),
        })
    }

    /// Says what is wrong with the parameters, if anything.
    ///
    /// # Errors
    /// A line that names the transform and the value.
    pub fn check(&self) -> Result<(), String> {
        self.0.iter().try_for_each(Transform::check)
    }
}

impl Transform {
    /// Everything but the crop, which changes the size.
    fn apply_in_place(&self, tile: &mut Tile, palette: Palette<'_>, rng: &mut ViewRng) {
        match *self {
            Self::ColourJitter { brightness, contrast, saturation, hue, p } => {
                if chance(rng, p) {
                    jitter(tile, [brightness, contrast, saturation, hue], palette, rng);
                }
            }
            Self::Grey { p } => {
                if chance(rng, p) {
                    colour::grey(tile, palette);
                }
            }
            Self::Solarise { threshold, p } => {
                if chance(rng, p) {
                    colour::solarise(tile, threshold as f32, palette);
                }
            }
            Self::Stretch { black, white, gamma, between, p } => {
                if chance(rng, p) {
                    stretch(tile, [black, white], gamma, between, palette, rng);
                }
            }
            Self::Blur { sigma_min, sigma_max, p } => {
                if chance(rng, p) {
                    blur::gaussian(tile, uniform(rng, [sigma_min, sigma_max]) as f32);
                }
            }
            Self::FlipHorizontal { p } => {
                if chance(rng, p) {
                    *tile = flip_horizontal(tile);
                }
            }
            Self::FlipVertical { p } => {
                if chance(rng, p) {
                    flip_vertical(tile);
                }
            }
            Self::Rotate90 { p } => {
                if chance(rng, p) {
                    rotate(tile, rng.random_range(1..4));
                }
            }
            Self::RandomErasing { scale, ratio, p } => {
                if chance(rng, p)
                    && let Some(window) = random_erasing(tile.height(), tile.width(), scale, ratio, rng)
                {
                    erase(tile, window, palette.fill);
                }
            }
            Self::RandomResizedCrop { .. } => {}
        }
    }

    fn check(&self) -> Result<(), String> {
        let name = self.name();
        let probability =
            |p: f64| (0.0..=1.0).contains(&p).then_some(()).ok_or(format!("{name}: p must lie in 0 to 1, not {p}"));
        let ordered = |what: &str, [low, high]: [f64; 2], least: f64| {
            let fine = low > least && low <= high && high.is_finite();
            fine.then_some(())
                .ok_or(format!("{name}: {what} must be two ascending numbers above {least}, not {low}, {high}"))
        };
        match *self {
            Self::ColourJitter { brightness, contrast, saturation, hue, p } => {
                let fine = [brightness, contrast, saturation].iter().all(|x| x.is_finite() && *x >= 0.0);
                fine.then_some(())
                    .ok_or(format!("{name}: brightness, contrast and saturation must not be negative"))?;
                (0.0..=0.5)
                    .contains(&hue)
                    .then_some(())
                    .ok_or(format!("{name}: hue must lie in 0 to 0.5, not {hue}"))?;
                probability(p)
            }
            Self::Blur { sigma_min, sigma_max, p } => {
                ordered("sigma_min and sigma_max", [sigma_min, sigma_max], 0.0)?;
                (sigma_max <= 100.0).then_some(()).ok_or(format!("{name}: sigma_max must not exceed 100 pixels"))?;
                probability(p)
            }
            Self::Stretch { black, white, gamma, between, p } => {
                let fine = black >= 0.0 && white >= 0.0 && between >= 0.0 && (black + white) * (1.0 + between) <= 0.9;
                fine.then_some(()).ok_or(format!(
                    "{name}: black, white and between must not be negative, and black and white must stay apart: \
                     (black + white) · (1 + between) at most 0.9"
                ))?;
                (1.0..=10.0)
                    .contains(&gamma)
                    .then_some(())
                    .ok_or(format!("{name}: gamma must lie in 1 to 10, not {gamma}"))?;
                probability(p)
            }
            Self::Solarise { threshold, p } => {
                (0.0..=1.0)
                    .contains(&threshold)
                    .then_some(())
                    .ok_or(format!("{name}: threshold must lie in 0 to 1, not {threshold}"))?;
                probability(p)
            }
            Self::Grey { p } | Self::FlipHorizontal { p } | Self::FlipVertical { p } | Self::Rotate90 { p } => {
                probability(p)
            }
            Self::RandomErasing { scale, ratio, p } => {
                ordered("scale", scale, 0.0)?;
                ordered("ratio", ratio, 0.0)?;
                probability(p)
            }
            Self::RandomResizedCrop { scale, ratio } => {
                ordered("scale", scale, 0.0)?;
                ordered("ratio", ratio, 0.0)
            }
        }
    }

    /// The name that presets use.
    fn name(&self) -> &'static str {
        match self {
            Self::ColourJitter { .. } => "colour_jitter",
            Self::Grey { .. } => "grey",
            Self::Solarise { .. } => "solarise",
            Self::Stretch { .. } => "stretch",
            Self::Blur { .. } => "blur",
            Self::FlipHorizontal { .. } => "flip_horizontal",
            Self::FlipVertical { .. } => "flip_vertical",
            Self::Rotate90 { .. } => "rotate90",
            Self::RandomErasing { .. } => "random_erasing",
            Self::RandomResizedCrop { .. } => "random_resized_crop",
        }
    }
}

/// torchvision's `ColorJitter`: a random order, then four factors, then the operations.
fn jitter(tile: &mut Tile, [brightness, contrast, saturation, hue]: [f64; 4], palette: Palette<'_>, rng: &mut ViewRng) {
    let mut order = [0, 1, 2, 3];
    order.shuffle(rng);
    let mut factor = |span: f64| uniform(rng, [(1.0 - span).max(0.0), 1.0 + span]) as f32;
    let (brightness, contrast, saturation) = (factor(brightness), factor(contrast), factor(saturation));
    let shift = uniform(rng, [-hue, hue]) as f32;
    for operation in order {
        match operation {
            0 => colour::brightness(tile, brightness, palette),
            1 => colour::contrast(tile, contrast, palette),
            2 => colour::saturation(tile, saturation, palette),
            _ => colour::hue(tile, shift, palette),
        }
    }
}

/// See [`Transform::Stretch`].
fn stretch(
    tile: &mut Tile,
    [black, white]: [f64; 2],
    gamma: f64,
    between: f64,
    palette: Palette<'_>,
    rng: &mut ViewRng,
) {
    let mut span = |span: f64| uniform(rng, [-span, span]);
    let (common_black, common_white) = (span(black), 1.0 + span(white));
    let exponent = span(gamma.ln()).exp() as f32;
    for band in 0..tile.bands() {
        let low = common_black + span(black * between);
        let high = common_white + span(white * between);
        colour::stretch(tile.plane_mut(band), [low as f32, high as f32], exponent, palette.range);
    }
}

fn chance(rng: &mut ViewRng, p: f64) -> bool {
    rng.random::<f64>() < p
}

/// The crop of every view of SeCo and MoCo-v2: 20 % to all of the area.
fn standard_crop() -> Transform {
    Transform::RandomResizedCrop { scale: [0.2, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] }
}

/// Jitter, grey, blur, flip with the values of MoCo-v2, which SeCo kept.
fn standard_augmentation() -> Vec<Transform> {
    vec![
        Transform::ColourJitter { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, p: 0.8 },
        Transform::Grey { p: 0.2 },
        Transform::Blur { sigma_min: 0.1, sigma_max: 2.0, p: 0.5 },
        Transform::FlipHorizontal { p: 0.5 },
    ]
}
