//! Sorting, by one function for all types: the standard library's is compiled anew for each of them, and everyone downloads the page.

use std::cmp::Ordering;

/// Sorts; equal items keep their order.
pub fn sort_by<T>(items: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let order = order(items.len(), &mut |a, b| compare(&items[a], &items[b]));
    put(order, &mut |a, b| items.swap(a, b));
}

/// Sorts by a key; equal items keep their order.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], mut key: impl FnMut(&T) -> K) {
    sort_by(items, |a, b| key(a).cmp(&key(b)));
}

/// Sorts by the items themselves.
pub fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

/// Where the item of each place comes from: runs of one, of two, of four … are merged.
fn order(len: usize, compare: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<usize> {
    let (mut order, mut merged): (Vec<usize>, Vec<usize>) = ((0..len).collect(), Vec::with_capacity(len));
    let mut run = 1;
    while run < len {
        merged.clear();
        for start in (0..len).step_by(run * 2) {
            let (middle, end) = ((start + run).min(len), (start + run * 2).min(len));
            let (mut left, mut right) = (start, middle);
            while left < middle || right < end {
                let is_left = right == end || left < middle && compare(order[left], order[right]) != Ordering::Greater;
                let from = if is_left { &mut left } else { &mut right };
                merged.push(order[*from]);
                *from += 1;
            }
        }
        std::mem::swap(&mut order, &mut merged);
        run *= 2;
    }
    order
}

/// Brings every item to its place by exchanging two at a time.
fn put(order: Vec<usize>, swap: &mut dyn FnMut(usize, usize)) {
    let mut place = vec![0; order.len()];
    order.into_iter().enumerate().for_each(|(to, from)| place[from] = to);
    for at in 0..place.len() {
        while place[at] != at {
            let to = place[at];
            swap(at, to);
            place.swap(at, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_where_the_standard_library_puts_them() {
        let mut seed = 7_u32;
        for len in (0..70).chain([1000, 4097]) {
            let mut next = || {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                seed >> 20
            };
            // Few values, so that many are equal; the second says in which order they came.
            let items: Vec<(u32, usize)> = (0..len).map(|at| (next() % 40, at)).collect();
            let (mut found, mut expected) = (items.clone(), items.clone());
            sort_by_key(&mut found, |item| item.0);
            expected.sort_by_key(|item| item.0);
            assert_eq!(found, expected);
            let (mut found, mut expected) = (items.clone(), items);
            sort_by(&mut found, |a, b| b.cmp(a));
            expected.sort_by(|a, b| b.cmp(a));
            assert_eq!(found, expected);
        }
    }
}
