//! A study of augmentations and temperatures, as LUPerson's (Fu et al. 2021, arXiv 2012.03753, §4): a declared grid of
//! runs, and what their scores say.

use crate::config::{RunConfig, Typed};
use crate::error::UsageError;
use crate::views::Recipe;
use anyhow::Result;
use serde::{Deserialize, Serialize};

/// The grid that is taken when none is named: LUPerson's own menu.
pub const DEFAULT_GRID: &str = include_str!("../../presets/study.toml");
/// Raised with every change of [`CellScore`].
pub const SCORE_VERSION: u32 = 1;

/// What is varied, and what is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// The preset that every run starts from: one of the MoCo family.
    pub preset: String,
    /// `key=value` changes of it that every run has.
    pub set: Vec<String>,
    /// Softmax temperatures.
    pub temperatures: Vec<f64>,
    /// Seeds: the spread over them is what tells an effect from chance.
    pub seeds: Vec<u64>,
    /// Augmentations by name; the first is what the others are compared with.
    pub views: Vec<NamedView>,
}

/// An augmentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedView {
    /// Letters, digits and dashes: part of a folder's name.
    pub name: String,
    /// What is done to each of the two views.
    pub view: Recipe,
}

/// One run of the grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// For example `no-grey-t0.1-s2`.
    pub name: String,
    /// Number of its augmentation in the grid.
    pub view: usize,
    /// Temperature.
    pub temperature: f64,
    /// Seed.
    pub seed: u64,
}

/// What a finished run scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellScore {
    /// Version of this structure.
    pub version: u32,
    /// Number of its augmentation in the grid.
    pub view: usize,
    /// Temperature.
    pub temperature: f64,
    /// Seed.
    pub seed: u64,
    /// k-NN accuracy, from 0 to 1.
    pub knn: f64,
    /// Accuracy of the linear probe.
    pub linear: f64,
}

/// Mean and spread of some scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Number of scores.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (over n − 1); 0 of a single one.
    pub deviation: f64,
}

impl Grid {
    /// Reads and checks a grid.
    ///
    /// # Errors
    /// [`UsageError`] when `text` is no grid, or one without runs, or with names that cannot be folders.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        let grid: Self = toml::from_str(text).map_err(|error: toml::de::Error| {
            let message = error.message().trim();
            UsageError::new(format!("{origin}: {message}\nhint: `trainer study --print-grid` shows a whole grid"))
        })?;
        let fine = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let problem = if grid.views.is_empty() || grid.temperatures.is_empty() || grid.seeds.is_empty() {
            Some("a grid needs at least one of views, temperatures and seeds".to_owned())
        } else if let Some(view) = grid.views.iter().find(|view| !fine(&view.name)) {
            Some(format!("{:?} is no name of letters, digits and dashes", view.name))
        } else if let Some(value) = grid.temperatures.iter().find(|value| !(value.is_finite() && **value > 0.0)) {
            Some(format!("a temperature must be above 0, not {value}"))
        } else if (1..grid.views.len()).any(|at| grid.views[..at].iter().any(|view| view.name == grid.views[at].name)) {
            Some("two views have one name".to_owned())
        } else {
            grid.views.iter().find_map(|view| view.view.check().err().map(|what| format!("{}: {what}", view.name)))
        };
        match problem {
            Some(what) => {
                Err(UsageError::new(format!("{origin}: {what}\nhint: `trainer study --print-grid` shows a whole grid"))
                    .into())
            }
            None => Ok(grid),
        }
    }

    /// Every run, seed by seed: after the first pass each augmentation and temperature has a score.
    #[must_use]
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for &seed in &self.seeds {
            for (view, named) in self.views.iter().enumerate() {
                for &temperature in &self.temperatures {
                    let name = format!("{}-t{temperature}-s{seed}", named.name);
                    cells.push(Cell { name, view, temperature, seed });
                }
            }
        }
        cells
    }

    /// The configuration of a run: the preset, the grid's changes, what was typed, the cell.
    ///
    /// # Errors
    /// [`UsageError`] for changes that do not fit, or a preset whose method has not one view and a temperature.
    pub fn config(&self, cell: &Cell, typed: &Typed) -> Result<RunConfig> {
        let own = [format!("method.temperature={}", cell.temperature), format!("run.seed={}", cell.seed)];
        let set = self.set.iter().chain(&typed.set).cloned().chain(own).collect();
        let mut config = RunConfig::resolve(&Typed { preset: Some(self.preset.clone()), set, ..typed.clone() })?;
        let name = config.method.name();
        let Some(view) = config.method.studied_view() else {
            return Err(UsageError::new(format!(
                "a study varies the views of moco-v2 or moco-tp, and {:?} is {name}\nhint: preset = \"luperson\"",
                self.preset
            ))
            .into());
        };
        view.clone_from(&self.views[cell.view].view);
        Ok(config)
    }
}

impl Spread {
    /// Of `values`; none of no values.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = if count > 1 { (squares / (count - 1) as f64).sqrt() } else { 0.0 };
        Some(Self { count, mean, deviation })
    }
}

/// How much better (above 0) or worse each augmentation does than the first one: pairs of equal temperature and seed are
/// compared, so that what both share drops out. None for the first, and where no pair is complete.
#[must_use]
pub fn effects(grid: &Grid, scores: &[CellScore], value: fn(&CellScore) -> f64) -> Vec<Option<Spread>> {
    let find = |view: usize, other: &CellScore| {
        scores.iter().find(|s| s.view == view && s.temperature == other.temperature && s.seed == other.seed)
    };
    let of_view = |view: usize| {
        if view == 0 {
            return None;
        }
        let pairs = scores
            .iter()
            .filter(|score| score.view == view)
            .filter_map(|score| find(0, score).map(|first| value(score) - value(first)));
        Spread::of(&pairs.collect::<Vec<_>>())
    };
    (0..grid.views.len()).map(of_view).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::methods::MethodConfig;

    #[test]
    fn the_shipped_grid_is_luperson_menu() {
        let grid = Grid::parse(DEFAULT_GRID, "the shipped grid").unwrap();
        assert_eq!(grid.temperatures, [0.07, 0.1, 0.2]);
        assert_eq!(grid.cells().len(), grid.views.len() * 3 * grid.seeds.len());
        let names: Vec<String> = grid.cells().into_iter().map(|cell| cell.name).collect();
        assert!(names.iter().all(|name| names.iter().filter(|other| *other == name).count() == 1));
        let config = grid.config(&grid.cells()[4], &Typed::default()).unwrap();
        let MethodConfig::MocoV2(moco) = config.method else { panic!("another method") };
        assert_eq!((moco.temperature, &moco.view), (0.1, &grid.views[1].view));
    }

    #[test]
    fn effects_compare_pairs_of_equal_temperature_and_seed() {
        let mut grid = Grid::parse(DEFAULT_GRID, "the shipped grid").unwrap();
        grid.views.truncate(3);
        let score = |view, temperature, seed, knn| CellScore { version: 1, view, temperature, seed, knn, linear: 0.0 };
        let scores = [
            score(0, 0.1, 1, 0.50),
            score(0, 0.2, 1, 0.70),
            score(1, 0.1, 1, 0.53),
            score(1, 0.2, 1, 0.71),
            score(1, 0.2, 2, 0.99), // has no partner
        ];
        let found = effects(&grid, &scores, |score| score.knn);
        let gain = found[1].unwrap();
        assert_eq!((found[0], found[2], gain.count), (None, None, 2));
        assert!((gain.mean - 0.02).abs() < 1e-12 && (gain.deviation - 0.02 / 2.0_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn grids_that_make_no_sense_are_refused() {
        for (from, to, what) in [
            ("seeds = [", "seeds = [] # [", "at least one"),
            ("temperatures = [0.07", "temperatures = [-1.0", "above 0"),
            ("name = \"original\"", "name = \"a/b\"", "no name"),
            ("preset =", "presets =", "presets"),
        ] {
            let text = DEFAULT_GRID.replacen(from, to, 1);
            let error = Grid::parse(&text, "own.toml").unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("own.toml"), "{error}");
        }
    }
}
