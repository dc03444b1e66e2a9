//! Parts drawn at random with the same share of every class.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// What of a training part is learned from while choices are made on the rest, where there is no validation part.
pub const LEARNED: f64 = 0.8;

/// Splits `rows` in two, the first with `part` of the rows of every class (rounded, at least one where there are two); both
/// ascending. A class's draw depends on `seed` and its own rows only.
#[must_use]
pub fn stratified(rows: &[usize], labels: &[usize], part: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let classes = rows.iter().map(|&row| labels[row]).max().map_or(0, |highest| highest + 1);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for class in 0..classes {
        let mut members: Vec<usize> = rows.iter().copied().filter(|&row| labels[row] == class).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(class as u64);
        members.shuffle(&mut rng);
        let taken = (members.len() as f64 * part).round() as usize;
        let taken = if members.len() > 1 { taken.clamp(1, members.len() - 1) } else { taken.min(members.len()) };
        first.extend(&members[..taken]);
        second.extend(&members[taken..]);
    }
    first.sort_unstable();
    second.sort_unstable();
    (first, second)
}

/// `count` rows of every class; `None` when a class that occurs has fewer.
#[must_use]
pub fn some_of_each(rows: &[usize], labels: &[usize], count: usize, seed: u64) -> Option<Vec<usize>> {
    let classes = rows.iter().map(|&row| labels[row]).max().map_or(0, |highest| highest + 1);
    let mut taken = Vec::new();
    for class in 0..classes {
        let mut members: Vec<usize> = rows.iter().copied().filter(|&row| labels[row] == class).collect();
        if members.is_empty() {
            continue;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(class as u64);
        members.shuffle(&mut rng);
        taken.extend(members.get(..count)?);
    }
    taken.sort_unstable();
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_keeps_its_share() {
        let labels: Vec<usize> = (0..60).map(|row| usize::from(row % 3 == 0)).collect();
        let rows: Vec<usize> = (0..60).collect();
        let (first, second) = stratified(&rows, &labels, 0.2, 1);
        let of_one = |part: &[usize]| part.iter().filter(|&&row| labels[row] == 1).count();
        assert_eq!((first.len(), of_one(&first), second.len(), of_one(&second)), (12, 4, 48, 16));
        let mut all = [first.clone(), second].concat();
        all.sort_unstable();
        assert_eq!(all, rows);
        assert_ne!(first, stratified(&rows, &labels, 0.2, 2).0);
        assert_eq!(first, stratified(&rows, &labels, 0.2, 1).0);
        // Two rows of a class are always on two sides, a single one on either.
        let (first, second) = stratified(&[0, 1, 2], &[0, 0, 1], 0.01, 1);
        assert_eq!((first.len(), second.len()), (1, 2));
    }

    #[test]
    fn as_many_of_each_or_none() {
        let labels = [0, 0, 0, 2, 2, 2, 2];
        let rows: Vec<usize> = (0..7).collect();
        let taken = some_of_each(&rows, &labels, 3, 9).unwrap_or_default();
        assert_eq!((taken.len(), &taken[..3]), (6, &[0, 1, 2][..]));
        assert_eq!(some_of_each(&rows, &labels, 4, 9), None);
    }
}
