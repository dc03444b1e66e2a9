//! Against scikit-learn (the values come from `tests/reference/label.py`), closed forms and finite differences.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use label_head::fit::{Rows, evaluate, fit};
use serde::Deserialize;

use super::book::Book;
use super::head::Head;
use super::leave_one_out::{LeaveOneOut, LeftOut, MAX_PARTS};

#[derive(Deserialize)]
struct Reference {
    classes: usize,
    width: usize,
    tiles: Vec<f32>,
    labels: Vec<usize>,
    others: Vec<f32>,
    probabilities: Vec<f64>,
    left_out: Vec<usize>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../../../tests/reference/label.json")).unwrap()
}

fn book(tiles: &[f32], width: usize, labels: &[usize], classes: usize) -> Book {
    let mut book = Book { classes: (0..classes).map(|class| class.to_string()).collect(), examples: Vec::new() };
    for (index, (tile, &label)) in tiles.chunks_exact(width).zip(labels).enumerate() {
        book.mark(&index.to_string(), tile, Some(label)).unwrap();
    }
    book
}

fn left_out(book: &Book) -> LeftOut {
    let mut work = LeaveOneOut::new(book).unwrap();
    while work.step().is_none() {}
    work.step().unwrap().clone()
}

#[test]
fn probabilities_are_scikit_learns() {
    let reference = reference();
    let head = Head::learn(&book(&reference.tiles, reference.width, &reference.labels, reference.classes)).unwrap();
    let others = reference.others.chunks_exact(reference.width);
    for (other, expected) in others.zip(reference.probabilities.chunks_exact(reference.classes)) {
        for (found, expected) in head.probabilities(other).iter().zip(expected) {
            // The head is kept in 32 bits; scikit-learn stops at a slope that leaves a few 1e-6.
            assert!((f64::from(*found) - expected).abs() < 5e-5, "{found} against {expected}");
        }
    }
}

#[test]
fn leaving_one_out_is_learning_without_it() {
    let reference = reference();
    let found = left_out(&book(&reference.tiles, reference.width, &reference.labels, reference.classes));
    let pairs = || reference.labels.iter().zip(&reference.left_out);
    let doubtful = pairs().enumerate().filter(|(_, (own, found))| own != found);
    assert_eq!(found.doubtful, doubtful.map(|(index, (_, &found))| (index, found)).collect::<Vec<_>>());
    assert_eq!(found.right, pairs().filter(|(own, found)| own == found).count());
    assert_eq!((found.tiles, found.parts, found.majority), (23, 23, 9));
    // A figure that could not be wrong would show nothing.
    assert!(found.right < found.tiles && found.right > found.majority);
}

#[test]
fn the_gradient_is_the_slope_of_the_objective() {
    let values: Vec<f64> = (0..12).map(|index| f64::from(index * 37 % 11 - 5) / 3.0).collect();
    let rows = Rows { values: &values, width: 3, labels: &[0, 1, 2, 1], classes: 3 };
    let at: Vec<f64> = (0..12).map(|index| f64::from(index * 7 % 5) / 4.0 - 0.5).collect();
    let mut gradient = vec![0.0; 12];
    let _ = evaluate(rows, 0.3, &at, &mut gradient);
    for (index, slope) in gradient.iter().enumerate() {
        let shifted = |by: f64| {
            let mut moved = at.clone();
            moved[index] += by;
            evaluate(rows, 0.3, &moved, &mut [0.0; 12])
        };
        // Third derivatives are of order 1: the error is the square of the difference.
        let difference = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
        assert!((difference - slope).abs() < 1e-8, "parameter {index}: {difference} against {slope}");
    }
}

#[test]
fn slow_descent_arrives_at_the_same_place() {
    let values: Vec<f64> = (0..20).map(|index| f64::from(index * 29 % 13 - 6) / 4.0).collect();
    let rows = Rows { values: &values, width: 2, labels: &[0, 1, 1, 0, 2, 1, 2, 0, 1, 2], classes: 3 };
    let found = fit(rows, 0.05, None, 1e-10);
    let (mut at, mut gradient) = (vec![0.0; 9], vec![0.0; 9]);
    for _ in 0..200_000 {
        let _ = evaluate(rows, 0.05 * rows.spread(), &at, &mut gradient);
        at.iter_mut().zip(&gradient).for_each(|(at, slope)| *at -= 0.3 * slope);
    }
    // Both leave slopes under 1e-10, on an objective whose flattest direction bends by 0.05.
    assert!(found.iter().zip(&at).all(|(a, b)| (a - b).abs() < 1e-7), "{found:?} against {at:?}");
}

#[test]
fn tiles_that_are_all_alike_teach_only_how_frequent_the_classes_are() {
    let book = book(&[1.0, 2.0].repeat(8), 2, &[0, 0, 0, 1, 0, 1, 0, 0], 2);
    let found = Head::learn(&book).unwrap().probabilities(&[2.0, -1.0]);
    assert!((found[0] - 0.75).abs() < 1e-6, "{found:?}");
    let report = left_out(&book);
    assert_eq!((report.right, report.majority), (6, 6));
}

#[test]
fn classes_without_tiles_enough_are_not_learned() {
    let values = [1.0, 0.0, 0.9, 0.1, 0.0, 1.0, 0.1, 0.9, 0.6, 0.6];
    let mut book = book(&values, 2, &[0, 0, 2, 2, 1], 3);
    assert_eq!(Head::learn(&book).unwrap().classes, ["0", "2"]);
    let report = left_out(&book);
    assert_eq!((report.tiles, report.right), (4, 4));
    book.mark("3", &[0.1, 0.9], None).unwrap();
    assert!(Head::learn(&book).is_none() && LeaveOneOut::new(&book).is_none());
}

#[test]
fn many_tiles_are_left_out_in_groups_even_when_a_group_is_a_whole_class() {
    // Tile t is left out with every other tile t' where t ≡ t' modulo 200: class 2 has only tiles 5 and 205.
    let label = |index: usize| if index % MAX_PARTS == 5 { 2 } else { usize::from(index.is_multiple_of(2)) };
    let labels: Vec<usize> = (0..360).map(label).collect();
    let turn = |index: usize| labels[index] as f32 * 1.2 + (index % 7) as f32 * 0.01;
    let tiles: Vec<f32> = (0..360).flat_map(|index| [turn(index).cos(), turn(index).sin()]).collect();
    let report = left_out(&book(&tiles, 2, &labels, 3));
    assert_eq!((report.tiles, report.parts), (360, MAX_PARTS));
    // Nobody can name a class that was never seen; all else is easy.
    assert_eq!(report.doubtful.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [5, 205]);
}
