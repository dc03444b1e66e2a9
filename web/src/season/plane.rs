//! A flat map of a few vectors: their two principal components.

/// Where each vector lies in the plane that keeps most of their differences.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// One point a vector, around (0, 0); distances are those of the vectors, as far as two dimensions can show them.
    pub points: Vec<[f64; 2]>,
    /// Share of the variance along each axis, 0 to 1, falling.
    pub shares: [f64; 2],
}

/// Turns until the axes stand still, at most.
const TURNS: usize = 1000;
/// How still that is: the sine of the last turn.
const STILL: f64 = 1e-10;

/// The two principal components of `vectors`, by power iteration on the inner products of the centred vectors: there are
/// far fewer dates than dimensions. The sign of each axis makes its largest value positive.
#[must_use]
pub fn plane(vectors: &[Vec<f32>]) -> Plane {
    let count = vectors.len();
    let mut products = centred_products(vectors);
    let total: f64 = (0..count).map(|index| products[index][index]).sum();
    let mut plane = Plane { points: vec![[0.0; 2]; count], shares: [0.0; 2] };
    for axis in 0..2 {
        let Some((strength, component)) = strongest(&products) else { break };
        if strength <= total * 1e-12 {
            break;
        }
        plane.shares[axis] = strength / total;
        for (point, value) in plane.points.iter_mut().zip(&component) {
            point[axis] = value * strength.sqrt();
        }
        for (row, a) in products.iter_mut().zip(&component) {
            row.iter_mut().zip(&component).for_each(|(product, b)| *product -= strength * a * b);
        }
    }
    plane
}

/// `[n][n]`: inner products of the vectors without their mean.
fn centred_products(vectors: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let width = vectors.first().map_or(0, Vec::len);
    let mean: Vec<f64> = (0..width)
        .map(|index| vectors.iter().map(|vector| f64::from(vector[index])).sum::<f64>() / vectors.len() as f64)
        .collect();
    let centred: Vec<Vec<f64>> = vectors
        .iter()
        .map(|vector| vector.iter().zip(&mean).map(|(&value, mean)| f64::from(value) - mean).collect())
        .collect();
    centred.iter().map(|a| centred.iter().map(|b| dot(a, b)).collect()).collect()
}

/// The largest eigenvalue of a symmetric matrix without negative ones, and its vector of length 1.
fn strongest(matrix: &[Vec<f64>]) -> Option<(f64, Vec<f64>)> {
    // Begun in the direction of the longest vector left.
    let start = (0..matrix.len()).max_by(|&a, &b| matrix[a][a].total_cmp(&matrix[b][b]))?;
    let mut vector = unit(matrix[start].clone())?;
    for _ in 0..TURNS {
        let next = unit(matrix.iter().map(|row| dot(row, &vector)).collect())?;
        let turned: f64 = next.iter().zip(&vector).map(|(a, b)| (a - b).powi(2)).sum();
        vector = next;
        if turned.sqrt() < STILL {
            break;
        }
    }
    let largest = vector.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()))?;
    if largest < 0.0 {
        vector.iter_mut().for_each(|value| *value = -*value);
    }
    let strength: f64 = matrix.iter().zip(&vector).map(|(row, value)| dot(row, &vector) * value).sum();
    Some((strength, vector))
}

fn unit(mut vector: Vec<f64>) -> Option<Vec<f64>> {
    let norm = dot(&vector, &vector).sqrt();
    if norm <= f64::MIN_POSITIVE {
        return None;
    }
    vector.iter_mut().for_each(|value| *value /= norm);
    Some(vector)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }

    #[test]
    fn a_rectangle_in_space_keeps_its_sides() {
        // Sides 6 and 2 along two orthogonal directions of four dimensions, far from the origin.
        let (u, v) = ([0.5, 0.5, 0.5, 0.5], [0.5, -0.5, 0.5, -0.5]);
        let corner = |a: f32, b: f32| (0..4).map(|i| 7.0 + a * u[i] + b * v[i]).collect::<Vec<f32>>();
        let plane = plane(&[corner(3.0, 1.0), corner(3.0, -1.0), corner(-3.0, -1.0), corner(-3.0, 1.0)]);
        close(plane.shares[0], 0.9);
        close(plane.shares[1], 0.1);
        for point in &plane.points {
            close(point[0].abs(), 3.0);
            close(point[1].abs(), 1.0);
        }
        let distance = |a: usize, b: usize| {
            let [x, y] = [0, 1].map(|axis| plane.points[a][axis] - plane.points[b][axis]);
            x.hypot(y)
        };
        close(distance(0, 1), 2.0);
        close(distance(1, 2), 6.0);
        close(distance(0, 2), 40_f64.sqrt());
    }

    #[test]
    fn points_on_a_line_have_one_axis() {
        let plane = plane(&[vec![0.0, 0.0], vec![3.0, 4.0], vec![9.0, 12.0]]);
        close(plane.shares[0], 1.0);
        close(plane.shares[1], 0.0);
        // 0, 5 and 15 around their mean of 20/3; the largest is positive.
        let expected = [-20.0 / 3.0, -5.0 / 3.0, 25.0 / 3.0];
        for (point, expected) in plane.points.iter().zip(expected) {
            close(point[0], expected);
            close(point[1], 0.0);
        }
    }

    #[test]
    fn nothing_and_equal_vectors_lie_in_the_middle() {
        assert_eq!(plane(&[]).points, Vec::<[f64; 2]>::new());
        assert_eq!(plane(&[vec![1.0, 2.0], vec![1.0, 2.0]]).points, [[0.0; 2]; 2]);
    }
}
