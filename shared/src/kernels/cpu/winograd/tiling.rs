//! Cutting planes into overlapping patches, and their transform.

use std::ops::Range;

use super::ELEMENTS;
use crate::kernels::cpu::lanes::{InputTransform, Kernels};

/// Planes cut into patches of 4 × 4, one for every 2 × 2 outputs; patches that stick out end in zeros.
pub(super) struct Tiling {
    /// Planes per image.
    pub channels: usize,
    /// Rows and columns of a plane.
    pub size: [usize; 2],
    /// Rows and columns of the output.
    pub output: [usize; 2],
    /// Zeros above and left of a plane, at most 2.
    pub padding: [usize; 2],
}

/// Some rows of patches of some images, counted `[images, rows, columns]`.
pub(super) struct Group<'a> {
    pub images: Range<usize>,
    pub rows: Range<usize>,
    /// Patches in a row of one image.
    pub columns: usize,
    /// The rows of a plane that the patches reach.
    lines: Range<usize>,
    /// Per patch of an image, the position of each of its elements among these lines; those outside come last.
    places: &'a [[usize; ELEMENTS]],
}

impl Group<'_> {
    pub(super) fn patches(&self) -> usize {
        self.images.len() * self.places.len()
    }

    /// Image, row and column of a patch, each from the group's first.
    pub(super) fn place(&self, patch: usize) -> [usize; 3] {
        let (image, place) = (patch / self.places.len(), patch % self.places.len());
        [image, place / self.columns, place % self.columns]
    }
}

/// All groups of a convolution, of about equally many patches; the first is the largest.
pub(super) struct Groups {
    images: usize,
    images_each: usize,
    rows: Vec<Rows>,
    columns: usize,
}

/// What groups of the same rows share.
struct Rows {
    rows: Range<usize>,
    lines: Range<usize>,
    places: Vec<[usize; ELEMENTS]>,
}

impl Groups {
    pub(super) fn len(&self) -> usize {
        self.images.div_ceil(self.images_each) * self.rows.len()
    }

    pub(super) fn get(&self, index: usize) -> Group<'_> {
        let (image, rows) = (index / self.rows.len() * self.images_each, &self.rows[index % self.rows.len()]);
        Group {
            images: image..(image + self.images_each).min(self.images),
            rows: rows.rows.clone(),
            columns: self.columns,
            lines: rows.lines.clone(),
            places: &rows.places,
        }
    }

    /// The most patches that a group has.
    pub(super) fn largest(&self) -> usize {
        self.images_each * self.rows.iter().map(|rows| rows.places.len()).max().unwrap_or(0)
    }
}

impl Tiling {
    /// Groups of about `patches` each: several images, or some rows of one.
    pub(super) fn groups(&self, images: usize, patches: usize) -> Groups {
        let [rows, columns] = self.output.map(|side| side.div_ceil(2));
        let rows_each = (patches / columns).clamp(1, rows);
        let images_each = if rows_each == rows { (patches / (rows * columns)).clamp(1, images) } else { 1 };
        let rows = (0..rows).step_by(rows_each).map(|first| self.rows(first..(first + rows_each).min(rows), columns));
        Groups { images, images_each, rows: rows.collect(), columns }
    }

    fn rows(&self, rows: Range<usize>, columns: usize) -> Rows {
        let end = (rows.end * 2 + 2 - self.padding[0]).min(self.size[0]);
        let lines = (rows.start * 2).saturating_sub(self.padding[0]).min(end)..end;
        let place = |y: usize, x: usize| {
            let inside = y.checked_sub(self.padding[0]).zip(x.checked_sub(self.padding[1]));
            match inside.filter(|&(y, x)| lines.contains(&y) && x < self.size[1]) {
                Some((y, x)) => (y - lines.start) * self.size[1] + x,
                None => lines.len() * self.size[1],
            }
        };
        let patches = rows.clone().flat_map(|row| (0..columns).map(move |column| [row * 2, column * 2]));
        let places = patches.map(|[y, x]| std::array::from_fn(|i| place(y + i / 4, x + i % 4))).collect();
        Rows { rows, lines, places }
    }

    /// Floats that [`Tiling::transform`] needs aside for a group with `lanes` lanes: `[images, positions + 1, lanes]`.
    pub(super) fn aside(&self, groups: &Groups, lanes: usize) -> usize {
        let lines = groups.rows.iter().map(|rows| rows.lines.len()).max().unwrap_or(0);
        groups.images_each * (lines * self.size[1] + 1) * lanes
    }

    /// The transformed patches of some channels, channels last: `x` `[images, channels, h, w]` → `out`
    /// `[16, room, lanes]`, where `lanes` is the number of channels rounded up to whole vectors and `room` is for patches.
    pub(super) fn transform(
        &self,
        kernels: &Kernels,
        group: &Group,
        channels: Range<usize>,
        x: &[f32],
        aside: &mut [f32],
        out: &mut [f32],
    ) {
        /// Channels moved at once: few enough for their planes to be read as streams.
        const STREAMS: usize = 16;
        let lanes = channels.len().next_multiple_of(kernels.width);
        let plane = self.size[0] * self.size[1];
        let len = group.lines.len() * self.size[1];
        let room = out.len() / (ELEMENTS * lanes);
        assert!(room >= group.patches() && aside.len() >= group.images.len() * (len + 1) * lanes);
        if lanes > channels.len() {
            aside.fill(0.0);
        }
        for (slot, image) in group.images.clone().enumerate() {
            let aside = &mut aside[slot * (len + 1) * lanes..][..(len + 1) * lanes];
            aside[len * lanes..].fill(0.0);
            for first in (0..channels.len()).step_by(STREAMS) {
                let count = STREAMS.min(channels.len() - first);
                let start = (image * self.channels + channels.start + first) * plane + group.lines.start * self.size[1];
                let from = &x[start..start + (count - 1) * plane + len];
                // SAFETY: `len` floats of each channel are there, and `len` rows of `lanes` floats aside.
                unsafe {
                    kernels.transpose([count, len], from.as_ptr(), plane, aside.as_mut_ptr().add(first), lanes);
                }
            }
            for (index, places) in group.places.iter().enumerate() {
                let patch = InputTransform {
                    from: aside.as_ptr(),
                    places: &places.map(|place| place * lanes),
                    vectors: lanes / kernels.width,
                    out: out[(slot * group.places.len() + index) * lanes..].as_mut_ptr(),
                    step: room * lanes,
                };
                // SAFETY: every place is one of the `len + 1` rows; each element of `out` has a row for this patch.
                unsafe { (kernels.winograd.input)(&patch) };
            }
        }
    }
}
