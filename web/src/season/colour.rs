//! Colours for similarities: from dark violet to bright yellow, rising evenly in lightness, so that they can be told apart
//! without seeing hues.

/// Five stops of matplotlib's viridis.
const STOPS: [[f64; 3]; 5] =
    [[68.0, 1.0, 84.0], [59.0, 82.0, 139.0], [33.0, 145.0, 140.0], [94.0, 201.0, 98.0], [253.0, 231.0, 37.0]];

/// The distance (1 − cosine) that has the last colour: two dates, or two squares, with so little in common are hardly of one
/// place. One scale for all pairs: stretched to the pair in view, even two equal dates would seem to have changed.
pub const FULL_DISTANCE: f32 = 0.5;

/// How far along the colours a distance (1 − cosine) is, 0 to 1.
#[must_use]
pub fn share_of_distance(distance: f32) -> f64 {
    f64::from(distance / FULL_DISTANCE).clamp(0.0, 1.0)
}

/// How far along the colours a similarity (cosine) is, 0 to 1: equal dates have the last colour.
#[must_use]
pub fn share_of_similarity(similarity: f32) -> f64 {
    1.0 - share_of_distance(1.0 - similarity)
}

/// The colour at `share` of the way, 0 to 1, as CSS writes it.
#[must_use]
pub fn shade(share: f64) -> String {
    let [red, green, blue] = rgb(share).map(|value| value.round() as u8);
    format!("rgb({red} {green} {blue})")
}

/// Black or white, whichever is easier to read on [`shade`].
#[must_use]
pub fn ink(share: f64) -> &'static str {
    let luminance = luminance(rgb(share));
    // WCAG's contrast, (lighter + 0.05) / (darker + 0.05), against either.
    if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) { "#000" } else { "#fff" }
}

/// The colour at `share` of the way, as red, green and blue of 0 to 255.
#[must_use]
pub fn rgb(share: f64) -> [f64; 3] {
    let place = share.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let before = (place as usize).min(STOPS.len() - 2);
    let part = place - before as f64;
    std::array::from_fn(|channel| STOPS[before][channel] * (1.0 - part) + STOPS[before + 1][channel] * part)
}

/// Relative luminance, as WCAG defines it.
fn luminance(rgb: [f64; 3]) -> f64 {
    let [red, green, blue] = rgb.map(|value| {
        let value = value / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_dates_have_the_colour_of_the_most_alike_whatever_the_others_are() {
        assert_eq!((share_of_similarity(1.0), share_of_distance(0.0)), (1.0, 0.0));
        assert!((share_of_similarity(0.75) - 0.5).abs() < 1e-6);
        assert!((share_of_distance(0.001) - 0.002).abs() < 1e-6, "next to nothing looks like next to nothing");
        assert_eq!((share_of_similarity(-1.0), share_of_distance(2.0)), (0.0, 1.0));
    }

    #[test]
    fn the_scale_begins_and_ends_at_its_stops() {
        assert_eq!(shade(0.0), "rgb(68 1 84)");
        assert_eq!(shade(0.5), "rgb(33 145 140)");
        assert_eq!(shade(7.0), "rgb(253 231 37)");
    }

    #[test]
    fn lightness_rises_and_numbers_can_be_read_everywhere() {
        let steps = (0..=100).map(|step| f64::from(step) / 100.0);
        let lightness: Vec<f64> = steps.clone().map(|share| luminance(rgb(share))).collect();
        assert!(lightness.is_sorted());
        for (share, luminance) in steps.zip(lightness) {
            let contrast = if ink(share) == "#000" { (luminance + 0.05) / 0.05 } else { 1.05 / (luminance + 0.05) };
            assert!(contrast >= 4.5, "contrast {contrast} at {share}");
        }
    }
}
