//! Losses over the pixels that have a label.

use burn::tensor::{Tensor, TensorData, activation};

use super::scene::IGNORED;

/// Mean loss of `[n, outputs, h, w]` against one class a pixel ([`IGNORED`]: none): binary cross-entropy for one output,
/// cross-entropy for more. 0 where no pixel has a class.
#[must_use]
pub fn pixel_loss(logits: Tensor<4>, classes: &[u8]) -> Tensor<1> {
    let [n, outputs, h, w] = logits.dims();
    let known = classes.iter().filter(|class| **class != IGNORED).count().max(1) as f64;
    let constant =
        |values: Vec<f32>| Tensor::<4>::from_data(TensorData::new(values, [n, outputs, h, w]), &logits.device());
    if outputs == 1 {
        let target = constant(classes.iter().map(|&class| if class == 1 { 1.0 } else { 0.0 }).collect());
        let mask = constant(classes.iter().map(|&class| if class == IGNORED { 0.0 } else { 1.0 }).collect());
        // max(x, 0) − x·t + ln(1 + e^−|x|), which no logit overflows
        let soft = (-logits.clone().abs()).exp().log1p();
        return ((activation::relu(logits.clone()) - logits * target + soft) * mask).sum() / known;
    }
    let area = h * w;
    let mut target = vec![0.0; n * outputs * area];
    for (at, &class) in classes.iter().enumerate().filter(|(_, class)| usize::from(**class) < outputs) {
        target[(at / area * outputs + usize::from(class)) * area + at % area] = 1.0;
    }
    -(activation::log_softmax(logits.clone(), 1) * constant(target)).sum() / known
}
