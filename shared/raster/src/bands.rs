//! What each band of a file is, as far as the file says.

use crate::metadata::Metadata;

/// Colours that a file declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Colour {
    Red,
    Green,
    Blue,
    Grey,
    NearInfrared,
}

/// What a band is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is measured.
    Data,
    /// It says how opaque pixels are; where it is 0 there is nothing.
    Alpha,
}

/// One band.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// What it is for.
    pub role: Role,
    /// The colour that the file gives it.
    pub colour: Option<Colour>,
    /// The file's own words for it.
    pub description: Option<String>,
    /// Value = scale · stored + offset.
    pub scale: f64,
    /// Value = scale · stored + offset.
    pub offset: f64,
}

/// TIFF's kinds of extra samples that are alpha: premultiplied or not.
const ALPHA: [u64; 2] = [1, 2];

/// Describes `count` bands: `extra` are the kinds of the last ones, `colours` the colours of the first ones.
pub(crate) fn describe(count: usize, colours: &[Colour], extra: &[u64], metadata: &Metadata) -> Vec<Band> {
    let first_extra = count.saturating_sub(extra.len());
    let band = |index: usize| {
        let kind = index.checked_sub(first_extra).and_then(|at| extra.get(at));
        let mut role = if kind.is_some_and(|kind| ALPHA.contains(kind)) { Role::Alpha } else { Role::Data };
        let mut colour = colours.get(index).copied();
        // GDAL's own word goes before the tags, since it writes it where the tags cannot say it.
        match metadata.of_band(index, "colorinterp").map(str::to_lowercase).as_deref() {
            Some("alpha") => role = Role::Alpha,
            Some(said) => {
                role = Role::Data;
                colour = match said {
                    "red" => Some(Colour::Red),
                    "green" => Some(Colour::Green),
                    "blue" => Some(Colour::Blue),
                    "gray" | "grey" => Some(Colour::Grey),
                    "nir" | "near-infrared" => Some(Colour::NearInfrared),
                    _ => None,
                };
            }
            None => {}
        }
        let number = |role: &str| metadata.of_band(index, role).and_then(|text| text.parse::<f64>().ok());
        let finite = |value: &f64| value.is_finite();
        Band {
            role,
            colour,
            description: metadata.of_band(index, "description").filter(|text| !text.is_empty()).map(str::to_owned),
            scale: number("scale").filter(finite).filter(|scale| *scale != 0.0).unwrap_or(1.0),
            offset: number("offset").filter(finite).unwrap_or(0.0),
        }
    };
    (0..count).map(band).collect()
}
