//! Embeddings of a map's patches, kept beside the answers: what the user marks on the map is learned from them.

/// More is not kept: half of what a page may take on a telephone.
const MAX_BYTES: usize = 256 << 20;

/// Embeddings of length 1, `[patches, width]`; zeros where there is none.
#[derive(Default)]
pub struct Kept {
    width: usize,
    values: Vec<f32>,
}

impl Kept {
    /// Takes those of the patches from `first` on, of `patches` in all. What does not fit is left out.
    pub fn put(&mut self, patches: usize, first: usize, count: usize, embeddings: &[f32]) {
        let width = embeddings.len() / count.max(1);
        if self.values.is_empty() && width > 0 && patches * width * 4 <= MAX_BYTES {
            self.width = width;
            self.values = vec![0.0; patches * width];
        }
        if self.width == width
            && let Some(place) = self.values.get_mut(first * width..first * width + embeddings.len())
        {
            place.copy_from_slice(embeddings);
        }
    }

    /// Of a patch; `None` where there is none.
    #[must_use]
    pub fn of(&self, patch: usize) -> Option<&[f32]> {
        let embedding = self.values.get(patch * self.width..(patch + 1) * self.width)?;
        embedding.iter().any(|value| *value != 0.0).then_some(embedding)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_there_and_nothing_else() {
        let mut kept = Kept::default();
        assert_eq!(kept.of(0), None);
        kept.put(4, 1, 2, &[0.6, 0.8, 0.0, 0.0]);
        assert_eq!((kept.of(0), kept.of(1), kept.of(2)), (None, Some(&[0.6, 0.8][..]), None));
        kept.put(4, 3, 2, &[1.0, 0.0, 1.0, 0.0]);
        kept.put(4, 0, 1, &[1.0, 0.0, 0.0]);
        assert_eq!((kept.of(0), kept.of(3)), (None, None), "what does not fit");
        kept.clear();
        assert_eq!(kept.of(1), None);
    }
}
