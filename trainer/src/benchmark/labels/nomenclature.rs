//! BigEarthNet's labels: the 43 classes of CORINE level 3, and the 19 that they were joined into (Sumbul et al. 2021).

/// A class of the 19, and the classes of the 43 that it is made of.
type Joined = (&'static str, &'static [&'static str]);

/// The newer nomenclature.
const NINETEEN: [Joined; 19] = [
    ("Urban fabric", &["Continuous urban fabric", "Discontinuous urban fabric"]),
    ("Industrial or commercial units", &["Industrial or commercial units"]),
    ("Arable land", &["Non-irrigated arable land", "Permanently irrigated land", "Rice fields"]),
    (
        "Permanent crops",
        &[
            "Vineyards",
            "Fruit trees and berry plantations",
            "Olive groves",
            "Annual crops associated with permanent crops",
        ],
    ),
    ("Pastures", &["Pastures"]),
    ("Complex cultivation patterns", &["Complex cultivation patterns"]),
    (
        "Land principally occupied by agriculture, with significant areas of natural vegetation",
        &["Land principally occupied by agriculture, with significant areas of natural vegetation"],
    ),
    ("Agro-forestry areas", &["Agro-forestry areas"]),
    ("Broad-leaved forest", &["Broad-leaved forest"]),
    ("Coniferous forest", &["Coniferous forest"]),
    ("Mixed forest", &["Mixed forest"]),
    ("Natural grassland and sparsely vegetated areas", &["Natural grassland", "Sparsely vegetated areas"]),
    ("Moors, heathland and sclerophyllous vegetation", &["Moors and heathland", "Sclerophyllous vegetation"]),
    ("Transitional woodland, shrub", &["Transitional woodland/shrub"]),
    ("Beaches, dunes, sands", &["Beaches, dunes, sands"]),
    ("Inland wetlands", &["Inland marshes", "Peatbogs"]),
    ("Coastal wetlands", &["Salt marshes", "Salines"]),
    ("Inland waters", &["Water courses", "Water bodies"]),
    ("Marine waters", &["Coastal lagoons", "Estuaries", "Sea and ocean"]),
];

/// Classes of the 43 that the 19 leave out.
const LEFT_OUT: [&str; 11] = [
    "Road and rail networks and associated land",
    "Port areas",
    "Airports",
    "Mineral extraction sites",
    "Dump sites",
    "Construction sites",
    "Green urban areas",
    "Sport and leisure facilities",
    "Bare rock",
    "Burnt areas",
    "Intertidal flats",
];

/// Names of the 43 classes, sorted.
#[must_use]
pub fn forty_three() -> Vec<String> {
    let joined = NINETEEN.iter().flat_map(|(_, parts)| parts.iter()).chain(&LEFT_OUT);
    let mut all: Vec<String> = joined.map(|name| (*name).to_owned()).collect();
    all.sort();
    all
}

/// Names of the 19 classes.
#[must_use]
pub fn nineteen() -> Vec<String> {
    NINETEEN.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// The class of the 19 that a class of the 43 belongs to: nothing for those that are left out.
///
/// # Errors
/// The name, where it is none of the 43.
pub fn joined(name: &str) -> Result<Option<usize>, String> {
    match NINETEEN.iter().position(|(_, parts)| parts.contains(&name)) {
        Some(class) => Ok(Some(class)),
        None if LEFT_OUT.contains(&name) => Ok(None),
        None => Err(format!("{name:?} is no class of BigEarthNet")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_classes_are_there_once() {
        let mut all = forty_three();
        assert_eq!(all.len(), 43);
        all.dedup();
        assert_eq!((all.len(), nineteen().len()), (43, 19));
        assert_eq!(joined("Rice fields"), Ok(Some(2)));
        assert_eq!(joined("Airports"), Ok(None));
        assert!(joined("Airport").is_err());
    }
}
