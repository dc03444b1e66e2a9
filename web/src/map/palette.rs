//! Colours that stay apart for colour-blind eyes, on a light and on a dark ground, each with a shape beside it.
//!
//! The ten class colours are the same on either ground, on maps and in exported files. They were found by search: neither so
//! dark nor so bright that they would get lost on a ground or over imagery, the smallest difference between any two of them,
//! as seen with normal, protan, deutan or tritan vision, is as large as it would get. The test below measures it again.

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// What a category means, which decides how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// The n-th class.
    Class(usize),
    /// The prediction is right, or wrong.
    Verdict(bool),
    /// The n-th of five steps from low to high.
    Step(usize),
    /// The n-th quarter of the year.
    Quarter(usize),
    /// Nothing is known.
    Unknown,
}

/// Second mark beside the colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// ●
    Disc,
    /// ■
    Square,
    /// ▲
    Triangle,
    /// ◆
    Diamond,
}

const MARKS: [Mark; 4] = [Mark::Disc, Mark::Square, Mark::Triangle, Mark::Diamond];

/// Colours for one ground.
struct Colours {
    verdicts: [u32; 2],
    steps: [u32; 5],
    quarters: [u32; 4],
    unknown: u32,
}

/// In the order of EuroSAT's classes: orange for crops, blue for water, red for houses, as far as eyes allow.
const CLASSES: [u32; 10] = [
    0x00f5_9c39,
    0x008d_7d37,
    0x0079_c2a6,
    0x0056_5067,
    0x008e_09b5,
    0x00cf_9fff,
    0x00e3_3bae,
    0x00a7_0d00,
    0x005a_7eff,
    0x0017_24fd,
];
const LIGHT: Colours = Colours {
    verdicts: [0x00d9_5f02, 0x001f_5fbf],
    steps: [0x00e0_a800, 0x00b8_8a3a, 0x0084_7370, 0x0046_4f7a, 0x0000_224e],
    quarters: [0x000a_07a9, 0x0023_bfa5, 0x00ff_7d09, 0x0085_223a],
    unknown: 0x008a_93a6,
};
const DARK: Colours = Colours {
    verdicts: [0x00ff_9f43, 0x0086_b2ff],
    steps: [0x0044_5fb0, 0x0072_7a9a, 0x009c_967c, 0x00cc_bd68, 0x00fe_e838],
    quarters: [0x006d_90ff, 0x00b8_fff0, 0x00ff_ff0f, 0x00fc_450b],
    unknown: 0x0076_819b,
};

impl Paint {
    /// Its colour; a class has the same on either ground.
    #[must_use]
    pub fn rgb(self, is_dark: bool) -> Rgb {
        let colours = if is_dark { &DARK } else { &LIGHT };
        let value = match self {
            Self::Class(class) => CLASSES[class % 10],
            Self::Verdict(is_right) => colours.verdicts[usize::from(is_right)],
            Self::Step(step) => colours.steps[step.min(4)],
            Self::Quarter(quarter) => colours.quarters[quarter % 4],
            Self::Unknown => colours.unknown,
        };
        let [_, red, green, blue] = value.to_be_bytes();
        [red, green, blue]
    }

    /// Its shape: from the eleventh class on, colours come again with another one.
    #[must_use]
    pub const fn mark(self) -> Mark {
        match self {
            Self::Class(class) => MARKS[(class + class / 10) % 4],
            Self::Verdict(false) => Mark::Triangle,
            Self::Quarter(quarter) => MARKS[quarter % 4],
            Self::Verdict(true) | Self::Step(_) | Self::Unknown => Mark::Disc,
        }
    }
}

/// `#rrggbb`.
#[must_use]
pub fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Machado, Oliveira & Fernandes 2009, severity 1, on linear RGB; the first is normal vision.
    const VISIONS: [[[f64; 3]; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152_286, 1.052_583, -0.204_868], [0.114_503, 0.786_281, 0.099_216], [-0.003_882, -0.048_116, 1.051_998]],
        [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
        [[1.255_528, -0.076_749, -0.178_779], [-0.078_411, 0.930_809, 0.147_602], [0.004_733, 0.691_367, 0.303_900]],
    ];

    fn linear(rgb: Rgb) -> [f64; 3] {
        rgb.map(|value| f64::from(value) / 255.0)
            .map(|value| if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) })
    }

    /// Ottosson's Oklab, ×100.
    fn oklab(rgb: [f64; 3]) -> [f64; 3] {
        let mix = |rows: [[f64; 3]; 3], v: [f64; 3]| rows.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2]);
        let lms = mix(
            [
                [0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9],
                [0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6],
                [0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5],
            ],
            rgb.map(|value| value.max(0.0)),
        );
        mix(
            [
                [0.210_454_255_3, 0.793_617_785_0, -0.004_072_046_8],
                [1.977_998_495_1, -2.428_592_205_0, 0.450_593_709_9],
                [0.025_904_037_1, 0.782_771_766_2, -0.808_675_766_0],
            ],
            lms.map(f64::cbrt),
        )
        .map(|value| value * 100.0)
    }

    /// Difference of two colours for the eye that sees it least.
    fn difference(a: Rgb, b: Rgb) -> f64 {
        let seen = |rgb: Rgb, vision: &[[f64; 3]; 3]| {
            let v = linear(rgb);
            oklab(vision.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2]))
        };
        let apart = |vision| {
            let (a, b) = (seen(a, vision), seen(b, vision));
            (0..3).map(|at| (a[at] - b[at]).powi(2)).sum::<f64>().sqrt()
        };
        VISIONS.iter().map(apart).fold(f64::INFINITY, f64::min)
    }

    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let luminance = |rgb| {
            let [red, green, blue] = linear(rgb);
            0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05
        };
        (luminance(a) / luminance(b)).max(luminance(b) / luminance(a))
    }

    #[test]
    fn categories_stay_apart_for_every_kind_of_eye() {
        let classes: Vec<Paint> = (0..10).map(Paint::Class).collect();
        let steps: Vec<Paint> = (0..5).map(Paint::Step).collect();
        let quarters: Vec<Paint> = (0..4).map(Paint::Quarter).collect();
        let verdicts: Vec<Paint> = [true, false].map(Paint::Verdict).to_vec();
        // For scale: black and white are 100 apart; Tol's “muted”, with nine colours, comes to 4, Okabe–Ito to 9.
        for (family, least) in [(classes, 11.5), (steps, 9.0), (quarters, 12.0), (verdicts, 15.0)] {
            for (is_dark, ground) in [(false, [0xff, 0xff, 0xff]), (true, [0x16, 0x1d, 0x2e])] {
                for (at, a) in family.iter().enumerate() {
                    assert!(contrast(a.rgb(is_dark), ground) > 2.0, "{a:?}, dark: {is_dark}");
                    for b in &family[..at] {
                        let found = difference(a.rgb(is_dark), b.rgb(is_dark));
                        assert!(found >= least, "{a:?} and {b:?}, dark: {is_dark}: {found:.1}");
                    }
                }
            }
        }
    }

    #[test]
    fn forty_classes_look_different() {
        let mut looks: Vec<(Rgb, Mark)> = Vec::new();
        for class in 0..40 {
            let look = (Paint::Class(class).rgb(false), Paint::Class(class).mark());
            assert!(!looks.contains(&look), "class {class}");
            looks.push(look);
        }
        assert_eq!(hex([255, 125, 9]), "#ff7d09");
        assert!(
            (0..10).all(|class| Paint::Class(class).rgb(true) == Paint::Class(class).rgb(false)),
            "on either ground"
        );
    }
}
