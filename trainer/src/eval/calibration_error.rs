//! Expected calibration error: how far the confidence of a classifier is from how often it is right.

/// Bins of equal width that confidences are sorted into.
pub const BINS: usize = 15;

/// Σ over bins of (rows in the bin / rows) · |share right − mean confidence| (torchmetrics' `CalibrationError`, norm l1).
/// `None` without rows.
#[must_use]
pub fn calibration_error(confidences: &[f32], right: &[bool]) -> Option<f64> {
    let mut bins = [(0_usize, 0_usize, 0.0); BINS];
    for (confidence, is_right) in confidences.iter().zip(right) {
        let bin = ((f64::from(*confidence) * BINS as f64) as usize).min(BINS - 1);
        let (rows, hits, sum) = &mut bins[bin];
        *rows += 1;
        *hits += usize::from(*is_right);
        *sum += f64::from(*confidence);
    }
    let rows = confidences.len().min(right.len());
    let gap = |&(_, hits, sum): &(usize, usize, f64)| (hits as f64 - sum).abs();
    (rows > 0).then(|| bins.iter().map(gap).sum::<f64>() / rows as f64)
}
