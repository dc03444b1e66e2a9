//! The user's classes, and the tiles marked with them.

/// Classes at most: more do not fit on a screen, nor in anybody's head.
pub const MAX_CLASSES: usize = 20;
/// Marked tiles at most.
pub const MAX_EXAMPLES: usize = 1000;
/// Tiles that a class needs before it can be learned: with one, nothing would be left when it is left out.
pub const MIN_TILES: usize = 2;
/// Longest name of a class, in letters.
pub const MAX_NAME_LETTERS: usize = 40;
/// Two embeddings whose difference is under this share of their length are of one picture: devices differ by less, other
/// pictures by more.
const SAME_PICTURE: f32 = 5e-3;

/// A marked tile.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// File name.
    pub file: String,
    /// Index into the book's classes.
    pub class: usize,
    /// Raw embedding, as it came.
    pub embedding: Vec<f32>,
}

impl Example {
    /// True for the same file with the same content: files of different folders may share a name.
    fn is_of(&self, file: &str, embedding: &[f32]) -> bool {
        if self.file != file || self.embedding.len() != embedding.len() {
            return false;
        }
        let squares = |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>();
        let apart = squares(&mut self.embedding.iter().zip(embedding).map(|(a, b)| a - b));
        apart <= SAME_PICTURE * SAME_PICTURE * squares(&mut embedding.iter().copied())
    }
}

/// Classes and marked tiles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Marked tiles, in the order in which they were marked.
    pub examples: Vec<Example>,
}

impl Book {
    /// True when nothing was named or marked yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty() && self.examples.is_empty()
    }

    /// Adds a class; returns its index.
    ///
    /// # Errors
    /// In words, when the name is empty, too long or taken, or there are too many.
    pub fn add_class(&mut self, name: &str) -> Result<usize, String> {
        if self.classes.len() >= MAX_CLASSES {
            return Err(format!("There are {MAX_CLASSES} classes already; take one away first."));
        }
        let name = self.free_name(name, None)?;
        self.classes.push(name);
        Ok(self.classes.len() - 1)
    }

    /// Gives a class another name.
    ///
    /// # Errors
    /// In words, when the name is empty, too long or taken.
    pub fn rename_class(&mut self, class: usize, name: &str) -> Result<(), String> {
        let name = self.free_name(name, Some(class))?;
        if let Some(place) = self.classes.get_mut(class) {
            *place = name;
        }
        Ok(())
    }

    fn free_name(&self, name: &str, but: Option<usize>) -> Result<String, String> {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        if name.is_empty() {
            return Err("A class needs a name.".to_owned());
        }
        if name.chars().count() > MAX_NAME_LETTERS {
            return Err(format!("The name is longer than {MAX_NAME_LETTERS} letters; choose a shorter one."));
        }
        let is_taken =
            |(index, other): (usize, &String)| but != Some(index) && other.to_lowercase() == name.to_lowercase();
        if self.classes.iter().enumerate().any(is_taken) {
            return Err(format!("There is a class called “{name}” already."));
        }
        Ok(name)
    }

    /// Takes a class away, and the marks that were its.
    pub fn remove_class(&mut self, class: usize) {
        if class >= self.classes.len() {
            return;
        }
        self.classes.remove(class);
        self.examples.retain(|example| example.class != class);
        self.examples.iter_mut().filter(|example| example.class > class).for_each(|example| example.class -= 1);
    }

    /// Marks a tile with a class, in place of any that it had; `None` takes the mark away.
    ///
    /// # Errors
    /// In words, when there are too many marks.
    pub fn mark(&mut self, file: &str, embedding: &[f32], class: Option<usize>) -> Result<(), String> {
        let at = self.examples.iter().position(|example| example.is_of(file, embedding));
        match (at, class) {
            (Some(at), Some(class)) => self.examples[at].class = class,
            (Some(at), None) => {
                self.examples.remove(at);
            }
            (None, Some(_)) if self.examples.len() >= MAX_EXAMPLES => {
                return Err(format!(
                    "{MAX_EXAMPLES} tiles are marked already: that is as many as the page learns from."
                ));
            }
            (None, Some(class)) => {
                self.examples.push(Example { file: file.to_owned(), class, embedding: embedding.to_vec() });
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// The class that a tile is marked with.
    #[must_use]
    pub fn class_of(&self, file: &str, embedding: &[f32]) -> Option<usize> {
        self.examples.iter().find(|example| example.is_of(file, embedding)).map(|example| example.class)
    }

    /// Marked tiles of each class.
    #[must_use]
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for example in &self.examples {
            if let Some(count) = counts.get_mut(example.class) {
                *count += 1;
            }
        }
        counts
    }

    /// Classes with tiles enough to be learned.
    #[must_use]
    pub fn taught(&self) -> Vec<usize> {
        let counts = self.counts();
        (0..counts.len()).filter(|&class| counts[class] >= MIN_TILES).collect()
    }

    /// What is missing before anything, or everything, can be learned; `None` when nothing is.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        match self.classes.len() {
            0 => return Some("Two classes or more are needed: name them, then mark some tiles of each.".to_owned()),
            1 => return Some(format!("One more class is missing, to tell “{}” from.", self.classes[0])),
            _ => {}
        }
        let tiles = |count: usize| if count == 1 { "one tile".to_owned() } else { format!("{count} tiles") };
        let counts = self.counts();
        let few = (0..counts.len()).filter(|&class| counts[class] < MIN_TILES);
        let few: Vec<String> = few
            .map(|class| format!("“{}” ({} of at least {MIN_TILES})", self.classes[class], tiles(counts[class])))
            .collect();
        if few.is_empty() {
            return None;
        }
        let what = if self.taught().len() < 2 { "Mark more tiles of" } else { "Not learned yet for want of tiles:" };
        Some(format!("{what} {}.", few.join(", ")))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_unlike() {
        let mut book = Book::default();
        assert_eq!(book.add_class("  Rice   paddy "), Ok(0));
        assert_eq!(book.classes, ["Rice paddy"]);
        for (name, says) in [("", "needs a name"), (" \t", "needs a name"), ("rice PADDY", "already")] {
            assert!(book.add_class(name).unwrap_err().contains(says), "{name:?}");
        }
        assert!(book.add_class(&"x".repeat(41)).unwrap_err().contains("40 letters"));
        assert_eq!(book.rename_class(0, "Rice Paddy"), Ok(()));
        for at in 1..MAX_CLASSES {
            book.add_class(&at.to_string()).unwrap();
        }
        assert!(book.add_class("one more").unwrap_err().contains("20 classes"));
    }

    #[test]
    fn a_tile_has_one_mark_and_is_known_by_name_and_content() {
        let mut book = Book { classes: vec!["a".into(), "b".into()], examples: Vec::new() };
        book.mark("1.png", &[1.0, 2.0], Some(0)).unwrap();
        book.mark("1.png", &[1.001, 2.0], Some(1)).unwrap();
        assert_eq!((book.examples.len(), book.class_of("1.png", &[1.0, 2.0])), (1, Some(1)));
        assert_eq!(book.class_of("1.png", &[2.0, 1.0]), None, "another picture of that name");
        assert_eq!(book.class_of("2.png", &[1.0, 2.0]), None);
        book.mark("1.png", &[1.0, 2.0], None).unwrap();
        assert!(book.examples.is_empty());
    }

    #[test]
    fn taking_a_class_away_takes_its_marks() {
        let mut book = Book { classes: vec!["a".into(), "b".into(), "c".into()], examples: Vec::new() };
        for (at, class) in [0, 1, 2, 1].into_iter().enumerate() {
            book.mark(&at.to_string(), &[at as f32 + 1.0], Some(class)).unwrap();
        }
        book.remove_class(1);
        assert_eq!((book.classes.as_slice(), book.counts()), (["a".to_owned(), "c".to_owned()].as_slice(), vec![1, 1]));
        assert_eq!(book.class_of("2", &[3.0]), Some(1));
    }

    #[test]
    fn what_is_missing_is_said() {
        let mut book = Book::default();
        assert!(book.missing().unwrap().contains("Two classes"));
        book.add_class("Water").unwrap();
        assert!(book.missing().unwrap().contains("One more class"));
        book.add_class("Town").unwrap();
        for (at, class) in [0, 0, 1].into_iter().enumerate() {
            book.mark(&at.to_string(), &[at as f32 + 1.0], Some(class)).unwrap();
        }
        assert_eq!(book.missing().unwrap(), "Mark more tiles of “Town” (one tile of at least 2).");
        book.mark("3", &[4.0], Some(1)).unwrap();
        assert_eq!(book.missing(), None);
        book.add_class("Field").unwrap();
        assert!(book.missing().unwrap().starts_with("Not learned yet"));
        assert_eq!(book.taught(), [0, 1]);
    }
}
