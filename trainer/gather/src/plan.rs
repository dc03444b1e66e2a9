//! The settings of a set, saved with it: whoever continues or joins it must have the same.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::UsageError;
use crate::archive::{Archive, Signer};
use crate::comb::Comb;
use crate::geo::GRID_M;
use crate::sample::{Candidates, Sampler, separation_m};

/// The file's name.
pub const PLAN_FILE: &str = "gather.json";

/// Everything that decides what is in a set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Version of this file.
    pub version: u32,
    /// Number of places.
    pub locations: usize,
    /// Seed of all draws.
    pub seed: u64,
    /// How places are drawn.
    pub sampler: Sampler,
    /// Which dates are wanted.
    pub comb: Comb,
    /// The archive.
    pub archive: Archive,
    /// Bands, in SeCo's spelling.
    pub bands: Vec<String>,
    /// Scenes with this many percent of clouds or more are not looked at.
    pub max_cloud: f64,
    /// Largest share of cloudy pixels in a patch.
    pub max_patch_cloud: f64,
    /// Side of a patch, metres.
    pub patch_m: f64,
    /// Places in a tar; folders when absent.
    pub places_per_tar: Option<usize>,
    /// Candidates that are tried for a place.
    pub max_candidates: usize,
}

/// A part of the work: `index` of `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: usize,
    /// At least 1.
    pub count: usize,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a shard is written i/n, with i from 0 to n - 1".to_owned();
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let shard = Self { index: index.parse().map_err(|_| wrong())?, count: count.parse().map_err(|_| wrong())? };
        if shard.index < shard.count { Ok(shard) } else { Err(wrong()) }
    }
}

impl Shard {
    /// The only part.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// The name of its folder inside the set's.
    #[must_use]
    pub fn folder(self) -> String {
        format!("shard-{:05}-of-{:05}", self.index, self.count)
    }

    /// Its slots: every n-th place, or every n-th tar.
    #[must_use]
    pub fn slots(self, plan: &Plan) -> Vec<usize> {
        let group = plan.places_per_tar.unwrap_or(1).max(1);
        (0..plan.locations).filter(|slot| slot / group % self.count == self.index).collect()
    }
}

impl Plan {
    /// The candidates for the plan's places.
    ///
    /// # Errors
    /// When the region's file is of no use.
    pub fn candidates(&self) -> Result<Candidates> {
        Candidates::new(self.sampler.clone(), self.locations, self.seed, separation_m(self.patch_m, GRID_M))
    }

    /// A signer for the archive.
    #[must_use]
    pub fn signer(&self) -> Signer {
        Signer::new(self.archive.sign.clone())
    }

    /// Checks what was asked for.
    ///
    /// # Errors
    /// [`UsageError`] for a value that makes no sense.
    pub fn check(&self) -> Result<()> {
        let wrong = |text: String| Err(UsageError(text).into());
        if self.locations == 0 || self.comb.dates == 0 || self.max_candidates == 0 {
            return wrong(
                "nothing to gather\nhint: --locations, --dates and --max-candidates must be at least 1".to_owned(),
            );
        }
        if self.patch_m <= 0.0 || self.patch_m % GRID_M != 0.0 {
            return wrong(format!(
                "a patch of {} m does not fit the grids of all resolutions\nhint: a multiple of 6 pixels of 10 m, such as 264",
                self.patch_m
            ));
        }
        if self.bands.is_empty() {
            return wrong("no band is wanted\nhint: --bands B4,B3,B2".to_owned());
        }
        if let Some(band) = self.bands.iter().find(|band| !self.archive.assets.contains_key(*band)) {
            let known: Vec<&str> = self.archive.assets.keys().map(String::as_str).collect();
            return wrong(format!(
                "the archive has no band {band}\nhint: it has {}; --asset {band}=KEY names another",
                known.join(" ")
            ));
        }
        Ok(())
    }

    /// The plan saved in a folder, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(PLAN_FILE);
        if !path.exists() {
            return Ok(None);
        }
        let hint = "hint: it was written by another version, or is damaged; gather into another folder";
        let broken = || format!("cannot use {}\n{hint}", path.display());
        let text = std::fs::read_to_string(&path).with_context(broken)?;
        serde_json::from_str(&text).map(Some).with_context(broken)
    }

    /// Saves the plan, or checks that the one saved there is the same.
    ///
    /// # Errors
    /// [`UsageError`] when a set with other settings is there; when the file cannot be written.
    pub fn settle(&self, folder: &Path) -> Result<()> {
        let Some(there) = Self::load(folder)? else {
            let mut text = serde_json::to_string_pretty(self)?;
            text.push('\n');
            return atomic_file::write(&folder.join(PLAN_FILE), text.as_bytes());
        };
        if there == *self {
            return Ok(());
        }
        let (old, new) = (serde_json::to_value(&there)?, serde_json::to_value(self)?);
        let fields = old.as_object().into_iter().flatten();
        let differ: Vec<String> = fields
            .filter(|(key, value)| new.get(key.as_str()) != Some(value))
            .map(|(key, value)| {
                format!("{key} ({value} there, {} now)", new.get(key.as_str()).cloned().unwrap_or_default())
            })
            .collect();
        Err(UsageError(format!(
            "{} holds a set with other settings: {}\nhint: repeat the settings to continue it, or gather into another folder",
            folder.display(),
            differ.join(", ")
        ))
        .into())
    }
}

/// The places of each tar, in order; nothing for folders.
pub(crate) fn groups(plan: &Plan, slots: &[usize]) -> BTreeMap<usize, Vec<usize>> {
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    if let Some(per_tar) = plan.places_per_tar {
        slots.iter().for_each(|&slot| groups.entry(slot / per_tar.max(1)).or_default().push(slot));
    }
    groups
}
