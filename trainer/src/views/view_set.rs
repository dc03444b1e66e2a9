//! Which views a sample has: how many dates are drawn, and which date and recipe make each view.

use rand::RngExt;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use shared::preprocess::PreprocessError;
use shared::tile::Tile;

use super::{Palette, Recipe, ViewRng};

/// One view: a drawn date and what is done to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewSpec {
    /// Which of the drawn dates, counted from 0.
    pub slot: usize,
    /// What is done to its tile.
    pub recipe: Recipe,
}

/// All views of a sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewSet {
    /// How many dates are drawn.
    pub slots: usize,
    /// Draw dates with replacement, as SeCo's release does: all three differ in only 48 % of the draws from five dates.
    #[serde(default)]
    pub with_replacement: bool,
    /// The views in the order in which the method takes them.
    pub views: Vec<ViewSpec>,
}

impl ViewSet {
    /// SeCo: q = t0 clean, k0 = t1 augmented, k1 = t2 clean, k2 = t0 augmented.
    #[must_use]
    pub fn seco() -> Self {
        let (clean, augmented) = (Recipe::seco_clean(), Recipe::seco_augmented());
        let views = [(0, &clean), (1, &augmented), (2, &clean), (0, &augmented)];
        Self::of(3, &views)
    }

    /// MoCo-v2: two views of one image.
    #[must_use]
    pub fn moco_v2() -> Self {
        let recipe = Recipe::mocov2();
        Self::of(1, &[(0, &recipe), (0, &recipe)])
    }

    /// MoCo with temporal positives: a view of each of two dates of one place.
    #[must_use]
    pub fn moco_tp() -> Self {
        let recipe = Recipe::mocov2();
        Self::of(2, &[(0, &recipe), (1, &recipe)])
    }

    fn of(slots: usize, views: &[(usize, &Recipe)]) -> Self {
        let views = views.iter().map(|&(slot, recipe)| ViewSpec { slot, recipe: recipe.clone() }).collect();
        Self { slots, with_replacement: false, views }
    }

    /// Says what is wrong with the set, if anything.
    ///
    /// # Errors
    /// A line that names the view and the value.
    pub fn check(&self) -> Result<(), String> {
        if self.slots == 0 || self.views.is_empty() {
            return Err("at least one date and one view are needed".to_owned());
        }
        for (at, view) in self.views.iter().enumerate() {
            if view.slot >= self.slots {
                return Err(format!("view {at}: slot {} does not exist; {} dates are drawn", view.slot, self.slots));
            }
            view.recipe.check().map_err(|what| format!("view {at}: {what}"))?;
        }
        Ok(())
    }

    /// Draws this set's dates among `available` ones.
    #[must_use]
    pub fn dates(&self, available: usize, rng: &mut ViewRng) -> Vec<usize> {
        draw_dates(available, self.slots, self.with_replacement, rng)
    }

    /// Makes every view from one tile a slot.
    ///
    /// # Shapes
    /// `slots` × `[bands, any, any]` → `views` × `[bands, px, px]`
    ///
    /// # Errors
    /// Never with a set that passes [`ViewSet::check`] and one tile a slot.
    pub fn make(
        &self,
        tiles: &[Tile],
        px: usize,
        palette: Palette<'_>,
        rng: &mut ViewRng,
    ) -> Result<Vec<Tile>, PreprocessError> {
        self.views.iter().map(|view| view.recipe.apply(&tiles[view.slot], px, palette, rng)).collect()
    }
}

/// Draws `slots` dates among `available`.
///
/// Without replacement all differ as long as there are enough; a place with fewer dates gives every date once before any
/// is given again, so a place with one date gives that date everywhere.
#[must_use]
pub fn draw_dates(available: usize, slots: usize, with_replacement: bool, rng: &mut ViewRng) -> Vec<usize> {
    let available = available.max(1);
    if with_replacement {
        return (0..slots).map(|_| rng.random_range(0..available)).collect();
    }
    let mut drawn = Vec::with_capacity(slots);
    let mut order: Vec<usize> = (0..available).collect();
    while drawn.len() < slots {
        let wanted = (slots - drawn.len()).min(available);
        let (chosen, _) = order.partial_shuffle(rng, wanted);
        drawn.extend_from_slice(chosen);
    }
    drawn
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::views::{PixelRange, Transform, view_rng};
    use shared::bands::Bands;

    const FILL: [f32; 3] = [0.5; 3];

    /// A red-green-blue tile of one colour and no texture: a crop cannot change it, a jitter does.
    fn flat(red: f32) -> Tile {
        let area = 24 * 24;
        Tile::new(3, 24, 24, [vec![red; area], vec![0.3; area], vec![0.2; area]].concat()).unwrap()
    }

    fn display() -> Palette<'static> {
        Palette::new(&Bands::rgb(), PixelRange::Display, &FILL)
    }

    fn near(tile: &Tile, red: f32) -> bool {
        tile.plane(0).iter().all(|value| (value - red).abs() < 1e-5)
            && tile.plane(1).iter().all(|value| (value - 0.3).abs() < 1e-5)
    }

    #[test]
    fn seco_crops_q_and_k1_only_and_takes_its_dates_in_order() {
        let tiles = [flat(0.1), flat(0.5), flat(0.9)];
        let (mut changed_k0, mut changed_k2) = (0, 0);
        for index in 0..200 {
            let views = ViewSet::seco().make(&tiles, 16, display(), &mut view_rng(7, 0, index)).unwrap();
            assert_eq!(views.len(), 4);
            assert!(near(&views[0], 0.1), "q is date 0, clean");
            assert!(near(&views[2], 0.9), "k1 is date 2, clean");
            changed_k0 += usize::from(!near(&views[1], 0.5));
            changed_k2 += usize::from(!near(&views[3], 0.1));
        }
        // jitter with p 0.8, or grey with p 0.2: 84 % of the views
        assert!((150..190).contains(&changed_k0) && (150..190).contains(&changed_k2), "{changed_k0} {changed_k2}");
        // with every probability at 0 the augmented views show which date they take
        let mut set = ViewSet::seco();
        for view in &mut set.views {
            view.recipe.0.retain(|transform| matches!(transform, Transform::RandomResizedCrop { .. }));
        }
        let views = set.make(&tiles, 16, display(), &mut view_rng(7, 0, 0)).unwrap();
        assert!(near(&views[1], 0.5) && near(&views[3], 0.1), "k0 is date 1, k2 is date 0");
    }

    #[test]
    fn dates_differ_by_default_and_may_repeat_with_the_parity_flag() {
        let distinct = |with_replacement: bool| {
            (0..4000)
                .filter(|&index| {
                    let dates = draw_dates(5, 3, with_replacement, &mut view_rng(3, 1, index));
                    assert!(dates.iter().all(|&date| date < 5));
                    dates[0] != dates[1] && dates[1] != dates[2] && dates[0] != dates[2]
                })
                .count()
        };
        assert_eq!(distinct(false), 4000);
        // 4/5 × 3/5 = 48 %, ± 4 standard deviations
        assert!((1920 - 127..1920 + 127).contains(&distinct(true)));
    }

    #[test]
    fn every_date_is_as_likely_in_every_slot() {
        let mut counts = [[0usize; 4]; 2];
        for index in 0..8000 {
            for (slot, date) in draw_dates(4, 2, false, &mut view_rng(5, 0, index)).into_iter().enumerate() {
                counts[slot][date] += 1;
            }
        }
        assert!(counts.iter().flatten().all(|count| (1840..2160).contains(count)), "{counts:?}");
    }

    #[test]
    fn places_with_few_dates_use_all_of_them_first() {
        for index in 0..50 {
            let mut dates = draw_dates(2, 3, false, &mut view_rng(1, 0, index));
            assert_eq!(dates.len(), 3);
            assert_ne!(dates[0], dates[1]);
            dates.sort_unstable();
            dates.dedup();
            assert_eq!(dates, [0, 1]);
            assert_eq!(draw_dates(1, 3, false, &mut view_rng(1, 0, index)), [0, 0, 0]);
        }
    }

    #[test]
    fn multispectral_views_keep_values_above_one() {
        let bands = Bands::sentinel_2_l2a();
        let tile = Tile::new(12, 20, 20, vec![1.6; 12 * 400]).unwrap();
        let palette = Palette::new(&bands, PixelRange::Open, &[]);
        let highest = (0..40)
            .flat_map(|index| {
                ViewSet::moco_v2().make(std::slice::from_ref(&tile), 16, palette, &mut view_rng(2, 0, index)).unwrap()
            })
            .flat_map(Tile::into_pixels)
            .fold(0.0, f32::max);
        assert!(highest > 1.9, "brightness lifts 1.6 to as much as 2.24, unclipped: {highest}");
    }

    #[test]
    fn wrong_parameters_are_named() {
        let mut set = ViewSet::moco_v2();
        set.views[1].slot = 1;
        assert_eq!(set.check().unwrap_err(), "view 1: slot 1 does not exist; 1 dates are drawn");
        let recipe = Recipe(vec![Transform::Grey { p: 1.5 }]);
        assert_eq!(recipe.check().unwrap_err(), "grey: p must lie in 0 to 1, not 1.5");
        let stretch = |black, gamma| Transform::Stretch { black, white: 0.4, gamma, between: 0.5, p: 1.0 };
        assert!(Recipe(vec![stretch(0.3, 1.5)]).check().unwrap_err().starts_with("stretch: black, white and between"));
        assert!(Recipe(vec![stretch(0.1, 0.5)]).check().unwrap_err().starts_with("stretch: gamma must lie in 1 to 10"));
        for set in [ViewSet::seco(), ViewSet::moco_v2(), ViewSet::moco_tp()] {
            assert_eq!(set.check(), Ok(()));
        }
    }

    #[test]
    fn a_stretch_moves_all_bands_together_and_apart_by_the_share_between() {
        let tile = flat(0.5);
        let spread = |between: f64| {
            let stretch = Transform::Stretch { black: 0.1, white: 0.1, gamma: 1.0, between, p: 1.0 };
            let recipe = Recipe(vec![stretch]);
            let mut most: f32 = 0.0;
            for index in 0..200 {
                let made = recipe.apply(&tile, 24, display(), &mut view_rng(9, 0, index)).unwrap();
                // Undo: with equal black and white points in all bands one line takes 0.5, 0.3, 0.2 to what came out.
                let [r, g, b] = [0, 1, 2].map(|band| made.plane(band)[0]);
                assert!((0.33..0.68).contains(&r), "{r}: black and white points within their spans");
                most = most.max(((r - g) * 0.1 - (g - b) * 0.2).abs());
            }
            most
        };
        assert!(spread(0.0) < 1e-6);
        assert!(spread(0.5) > 5e-3);
    }

    #[test]
    fn a_recipe_survives_toml() {
        let text = "slots = 1\n[[views]]\nslot = 0\nrecipe = [{ grey = { p = 0.2 } }, \
                    { random_resized_crop = { scale = [0.2, 1.0], ratio = [0.75, 1.5] } }]\n";
        let set: ViewSet = toml::from_str(text).unwrap();
        assert_eq!(set.views[0].recipe.0.len(), 2);
        let again: ViewSet = toml::from_str(&toml::to_string(&ViewSet::seco()).unwrap()).unwrap();
        assert_eq!(again, ViewSet::seco());
        assert!(
            toml::from_str::<ViewSet>("slots = 1\n[[views]]\nslot = 0\nrecipe = [{ grey = { q = 0.2 } }]\n").is_err()
        );
    }
}
