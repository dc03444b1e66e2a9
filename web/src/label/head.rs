//! The linear head of the user's own classes: learned from a book of marked tiles, applied to any embedding.

use label_head::{Lesson as Rows, probabilities};
use serde::{Deserialize, Serialize};

use super::book::Book;

/// A linear classifier of embeddings of length 1: probabilities = softmax(weight · e/‖e‖ + bias).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Names of the classes it was learned from, in the order of the lines below.
    pub classes: Vec<String>,
    /// A line for each class, each as wide as an embedding.
    pub weight: Vec<Vec<f32>>,
    /// A number for each class.
    pub bias: Vec<f32>,
}

impl Head {
    /// Learns the classes of `book` that have tiles enough; `None` while fewer than two have.
    #[must_use]
    pub fn learn(book: &Book) -> Option<Self> {
        let lesson = Lesson::of(book)?;
        Some(lesson.head(&book.classes, lesson.rows.learn()))
    }

    /// A probability for each of its classes.
    #[must_use]
    pub fn probabilities(&self, embedding: &[f32]) -> Vec<f32> {
        probabilities(&self.weight, &self.bias, embedding)
    }
}

/// The marked tiles as rows to learn from.
pub(super) struct Lesson {
    /// The rows, labelled by index into `taught`.
    pub rows: Rows,
    /// Classes of the book that have tiles enough.
    pub taught: Vec<usize>,
    /// Examples of the book, in the order of the rows.
    pub examples: Vec<usize>,
}

impl Lesson {
    /// `None` while fewer than two classes have tiles enough.
    pub fn of(book: &Book) -> Option<Self> {
        let taught = book.taught();
        if taught.len() < 2 {
            return None;
        }
        let place = |class: usize| taught.iter().position(|&taught| taught == class);
        let (mut embeddings, mut labels, mut examples) = (Vec::new(), Vec::new(), Vec::new());
        for (index, example) in book.examples.iter().enumerate() {
            if let Some(label) = place(example.class) {
                embeddings.push(&example.embedding[..]);
                labels.push(label);
                examples.push(index);
            }
        }
        Some(Self { rows: Rows::new(&embeddings, labels, taught.len()), taught, examples })
    }

    /// Weights and biases with the names of their classes, of all the book's `names`.
    pub fn head(&self, names: &[String], (weight, bias): (Vec<Vec<f32>>, Vec<f32>)) -> Head {
        Head { classes: self.taught.iter().filter_map(|&class| names.get(class).cloned()).collect(), weight, bias }
    }
}
