//! Folding batch normalisation into the convolution before it: a function from encoder to encoder.

use super::Encoder;
use super::layers::EPSILON;
use crate::tensors::{NamedTensor, TensorMap, into_map};

impl Encoder {
    /// The same function at inference with one bias a convolution and no batch normalisation.
    ///
    /// `w' = w · γ / √(σ² + ε)`, `b' = β − μ · γ / √(σ² + ε)`, computed in f64. A folded encoder folds to itself.
    /// Reads the device and waits for it: native only.
    #[must_use]
    pub fn fold(&self) -> Self {
        if self.is_folded() {
            return self.clone();
        }
        let tensors = into_map(self.named_tensors());
        let mut folded = TensorMap::new();
        for conv in self.config().spec().convs() {
            let values = |name: String| tensors.get(&name).map_or(&[][..], |tensor| &tensor.values);
            let norm = |part: &str| values(format!("{}.{part}", conv.norm));
            let (gamma, beta, mean, var) = (norm("weight"), norm("bias"), norm("running_mean"), norm("running_var"));
            let scale: Vec<f64> =
                gamma.iter().zip(var).map(|(&g, &v)| f64::from(g) / (f64::from(v) + EPSILON).sqrt()).collect();
            let weight = values(format!("{}.weight", conv.conv));
            let fan_in = weight.len() / conv.outputs;
            let weight = weight.chunks_exact(fan_in).zip(&scale);
            let weight = weight.flat_map(|(row, s)| row.iter().map(move |&w| (f64::from(w) * s) as f32)).collect();
            let bias = (0..conv.outputs).map(|c| (f64::from(beta[c]) - f64::from(mean[c]) * scale[c]) as f32).collect();
            for (part, shape, values) in
                [("weight", conv.weight_shape().to_vec(), weight), ("bias", vec![conv.outputs], bias)]
            {
                let name = format!("{}.{part}", conv.conv);
                folded.insert(name.clone(), NamedTensor { name, shape, values });
            }
        }
        let device = self.conv1.weight.val().device();
        super::names::load_module(self.config().init_folded(&device), &folded)
    }
}
