//! Which places of a source are taken, by name: so that test cities stay out of training.
//!
//! A name stands for every place in whose path it is one or several whole parts: `beirut` for `beirut/pair`, not for
//! `beirut_2/pair`. A name to leave out that no place has is an error, since a misspelt one would let in what it should
//! keep out; a name to take that no place has is a warning, so that a whole benchmark's list fits a part of its pictures.

use anyhow::Result;

use super::Warning;
use super::layout::{Layout, PlaceFrames};
use crate::error::UsageError;

/// Places named in a message.
const SHOWN: usize = 12;

/// Names of places to take and to leave out.
pub(super) struct Selection<'a> {
    /// Only these are taken; all when empty.
    pub(super) keep: &'a [String],
    /// None of these is taken.
    pub(super) skip: &'a [String],
}

impl Selection<'_> {
    /// Leaves the chosen places in `layout`, and only their frames.
    pub(super) fn apply(&self, layout: Layout, shown: &str, warnings: &mut Vec<Warning>) -> Result<Layout> {
        if self.keep.is_empty() && self.skip.is_empty() {
            return Ok(layout);
        }
        let is_unknown = |name: &&String| !layout.places.iter().any(|place| is_named(place, name));
        if let Some(name) = self.skip.iter().find(is_unknown) {
            let names = some_names(&layout.places);
            return Err(
                UsageError::new(format!("skip_places: {shown} has no place {name:?}\nhint: it has {names}")).into()
            );
        }
        let absent: Vec<&str> = self.keep.iter().filter(is_unknown).map(String::as_str).collect();
        if !absent.is_empty() && absent.len() == self.keep.len() {
            let (absent, names) = (absent.join(", "), some_names(&layout.places));
            return Err(
                UsageError::new(format!("keep_places: {shown} has no place {absent}\nhint: it has {names}")).into()
            );
        }
        warnings.extend(absent.iter().map(|name| Warning::once(format!("keep_places: {shown} has no place {name:?}"))));
        let is_one_of = |place: &PlaceFrames, names: &[String]| names.iter().any(|name| is_named(place, name));
        let Layout { frames, places, classes } = layout;
        let mut frames: Vec<_> = frames.into_iter().map(Some).collect();
        let mut chosen = Layout { classes, ..Layout::default() };
        for place in places {
            if (!self.keep.is_empty() && !is_one_of(&place, self.keep)) || is_one_of(&place, self.skip) {
                continue;
            }
            let first = chosen.frames.len();
            chosen.frames.extend(place.frames.iter().filter_map(|&frame| frames[frame].take()));
            let frames = (first..chosen.frames.len()).collect();
            chosen.places.push(PlaceFrames { frames, ..place });
        }
        if chosen.places.is_empty() {
            let what = format!("keep_places and skip_places leave nothing of {shown}\nhint: name fewer in skip_places");
            return Err(UsageError::new(what).into());
        }
        Ok(chosen)
    }
}

fn is_named(place: &PlaceFrames, name: &str) -> bool {
    format!("/{}/", place.name).contains(&format!("/{}/", name.trim_matches('/')))
}

fn some_names(places: &[PlaceFrames]) -> String {
    let named: Vec<&str> = places.iter().take(SHOWN).map(|place| place.name.as_str()).collect();
    let more = places.len().saturating_sub(SHOWN);
    if more > 0 { format!("{} and {more} more", named.join(", ")) } else { named.join(", ") }
}
