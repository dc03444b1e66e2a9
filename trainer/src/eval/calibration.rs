//! Temperature scaling: one number that makes a classifier's probabilities honest without changing its decisions.

use argmin::core::{CostFunction, Executor, State};
use argmin::solver::brent::BrentOpt;

/// Temperatures between e⁻⁴ and e⁴ are searched.
const LOG_RANGE: f64 = 4.0;
const MAX_ITERATIONS: u64 = 60;

/// Mean −log probability of the true class under softmax(logits / `temperature`); logits are `[rows, classes]`.
#[must_use]
pub fn negative_log_likelihood(logits: &[f32], labels: &[usize], classes: usize, temperature: f64) -> f64 {
    let loss = |(row, &label): (&[f32], &usize)| {
        let scaled = |logit: f32| f64::from(logit) / temperature;
        let highest = row.iter().copied().map(scaled).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = row.iter().map(|&logit| (scaled(logit) - highest).exp()).sum();
        highest + total.ln() - scaled(row[label])
    };
    logits.chunks_exact(classes.max(1)).zip(labels).map(loss).sum::<f64>() / labels.len().max(1) as f64
}

/// The temperature with the lowest [`negative_log_likelihood`]; 1 when there is nothing to fit it on.
#[must_use]
pub fn fit_temperature(logits: &[f32], labels: &[usize], classes: usize) -> f64 {
    if labels.is_empty() {
        return 1.0;
    }
    let problem = Likelihood { logits, labels, classes };
    let solver = BrentOpt::new(-LOG_RANGE, LOG_RANGE);
    let run = Executor::new(problem, solver).configure(|state| state.max_iters(MAX_ITERATIONS)).ctrlc(false).run();
    let best = run.ok().and_then(|result| result.state.get_best_param().copied());
    best.map(f64::exp).filter(|temperature| temperature.is_finite()).unwrap_or(1.0)
}

/// The likelihood over the logarithm of the temperature.
struct Likelihood<'a> {
    logits: &'a [f32],
    labels: &'a [usize],
    classes: usize,
}

impl CostFunction for Likelihood<'_> {
    type Param = f64;
    type Output = f64;

    fn cost(&self, log_temperature: &f64) -> Result<f64, argmin::core::Error> {
        Ok(negative_log_likelihood(self.logits, self.labels, self.classes, log_temperature.exp()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_classes() {
        let loss = negative_log_likelihood(&[0.5; 8], &[1, 3], 4, 0.3);
        assert!((loss - 4.0_f64.ln()).abs() < 1e-12, "{loss}");
    }

    #[test]
    fn overconfidence_is_found_in_closed_form() {
        // Logit difference 6, right three times of four: the best temperature T solves sigmoid(6 / T) = 3/4.
        let logits = [6.0, 0.0].repeat(4);
        let temperature = fit_temperature(&logits, &[0, 0, 0, 1], 2);
        let expected = 6.0 / 3.0_f64.ln();
        assert!((temperature - expected).abs() < 1e-3 * expected, "{temperature} against {expected}");
    }
}
