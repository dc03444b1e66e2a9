//! Scale and offset of stored numbers, out of what GDAL writes into a TIFF beside the pixels.

use raster::{Band, Header, Metadata};

/// Bands that are looked at for an offset of their own.
const BANDS: usize = 64;

/// What is to be added to digital numbers, when the file says so: a band's own offset, the product's, or its processing
/// baseline.
#[must_use]
pub fn dn_offset(metadata: &Metadata) -> Option<i32> {
    let of_band = |role: &str| (0..BANDS).find_map(|band| metadata.of_band(band, role)?.parse::<f64>().ok());
    if let Some(offset) = of_band("offset") {
        // Value = scale · DN + offset: in digital numbers, offset / scale.
        let scale = of_band("scale").filter(|scale| *scale > 0.0).unwrap_or(1e-4);
        let in_dn = if offset.abs() < 10.0 { offset / scale } else { offset };
        return Some(in_dn.round() as i32);
    }
    metadata.product_dn_offset()
}

/// How stored numbers that are not digital numbers of 16 bits become reflectance, in a sentence; empty for fractions as they stand.
#[must_use]
pub fn scaling(header: &Header) -> String {
    let factors = |band: &Band| (band.scale, band.offset);
    let Some((scale, offset)) = header.bands.first().map(factors) else { return String::new() };
    let is_whole = header.kind.is_whole();
    if header.bands.iter().any(|band| factors(band) != (scale, offset)) {
        return "Reflectance = value × scale + offset, of each band as the file says.".to_owned();
    }
    let and_offset = match offset {
        0.0 => String::new(),
        offset if offset < 0.0 => format!(" − {}", -offset),
        offset => format!(" + {offset}"),
    };
    match (scale != 1.0, offset != 0.0) {
        (true, _) => format!("Reflectance = value × {scale}{and_offset}, as the file says."),
        (false, true) if is_whole => format!("Reflectance = (value{and_offset}) / 10 000: the file says the offset."),
        (false, true) => format!("Reflectance = value{and_offset}, as the file says."),
        (false, false) if is_whole && header.kind.bits() > 8 => {
            "Reflectance = value / 10 000: assumed, as in Sentinel-2's products.".to_owned()
        }
        (false, false) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_found_in_each_of_its_places() {
        let of = |items: &str| dn_offset(&Metadata::parse(&format!("<GDALMetadata>{items}</GDALMetadata>")));
        let band = "<Item name=\"OFFSET\" sample=\"0\" role=\"offset\">-0.1</Item>\
                    <Item name=\"SCALE\" sample=\"0\" role=\"scale\">0.0001</Item>";
        assert_eq!(of(band), Some(-1000));
        assert_eq!(of("<Item name='BOA_ADD_OFFSET_1'>-1000</Item>"), Some(-1000));
        assert_eq!(of("<Item name=\"PROCESSING_BASELINE\">05.09</Item>"), Some(-1000));
        assert_eq!(of("<Item name=\"PROCESSING_BASELINE\">02.14</Item>"), Some(0));
        assert_eq!(of("<Item name=\"DESCRIPTION\" sample=\"0\" role=\"description\">B04</Item>"), None);
    }
}
