//! A trunk that makes maps of several sizes, and a decoder of them: of one picture, or of what differs between two.

use burn::module::Module;
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{Device, Tensor};
use serde::Serialize;
use shared::encoder::{Encoder, NormMode, module_tensors};

use super::decoder::{Decoder, DecoderKind};

/// Maps that a trunk without weights makes: the pixels themselves, smaller and smaller.
const PIXEL_LEVELS: usize = 4;

/// What of the trunk is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrunkPart {
    /// Nothing.
    Frozen,
    /// The running statistics of its batch normalisation.
    StatisticsOnly,
    /// Everything.
    Whole,
}

/// Trunk and decoder.
#[derive(Module, Debug)]
pub struct DenseNetwork {
    /// Nothing where the maps are the pixels themselves.
    encoder: Option<Encoder>,
    decoder: Decoder,
}

impl DenseNetwork {
    /// `encoder` (or none, for pictures of `bands` planes) with a new decoder of `outputs` planes, on `device`.
    #[must_use]
    pub fn new(
        encoder: Option<Encoder>,
        bands: usize,
        kind: DecoderKind,
        outputs: usize,
        seed: u64,
        device: &Device,
    ) -> Self {
        let channels = encoder.as_ref().map_or_else(|| vec![bands; PIXEL_LEVELS], channels);
        Self { encoder, decoder: Decoder::random(kind, &channels, outputs, seed, device) }
    }

    /// The same network, whose trunk asks for gradients only where `part` trains it: a graph that no gradient is asked of
    /// would be kept for ever.
    #[must_use]
    pub fn training(self, part: TrunkPart) -> Self {
        let encoder = self.encoder.map(|encoder| if part == TrunkPart::Whole { encoder } else { encoder.no_grad() });
        Self { encoder, ..self }
    }

    /// Stages of the trunk.
    #[must_use]
    pub fn stages(&self) -> usize {
        self.encoder.as_ref().map_or(0, |encoder| encoder.config().spec().stages.len())
    }

    /// Weights of the decoder, running statistics not counted.
    #[must_use]
    pub fn decoder_weights(&self) -> usize {
        weights(&self.decoder)
    }

    /// One picture, or two of which the absolute differences of all maps are decoded: `[n, bands, h, w]` each →
    /// `[n, outputs, h, w]`. `training` says whether batch statistics are used where they may be, and gradients wanted.
    #[must_use]
    pub fn forward(&self, pictures: Vec<Tensor<4>>, part: TrunkPart, training: bool) -> Tensor<4> {
        let size = pictures.first().map_or([1, 1], |picture| {
            let [.., height, width] = picture.dims();
            [height, width]
        });
        let mut maps = pictures.into_iter().map(|picture| self.maps(picture, part, training));
        let mut first = maps.next().unwrap_or_default();
        if let Some(second) = maps.next() {
            first = first.into_iter().zip(second).map(|(before, after)| (before - after).abs()).collect();
        }
        self.decoder.forward(first, size, mode(training))
    }

    fn maps(&self, picture: Tensor<4>, part: TrunkPart, training: bool) -> Vec<Tensor<4>> {
        let Some(encoder) = &self.encoder else {
            let maps = pixel_maps(picture);
            return if training { maps.into_iter().map(Tensor::autodiff).collect() } else { maps };
        };
        if !training {
            return encoder.feature_maps(picture, NormMode::Running);
        }
        let picture = picture.autodiff();
        match part {
            TrunkPart::Whole => encoder.feature_maps(picture, mode(true)),
            TrunkPart::Frozen | TrunkPart::StatisticsOnly => {
                let maps = encoder.feature_maps(picture, mode(part == TrunkPart::StatisticsOnly));
                maps.into_iter().map(|map| map.without_autodiff().autodiff()).collect()
            }
        }
    }
}

/// Weights of a module, running statistics not counted.
pub fn weights<M: Module>(module: &M) -> usize {
    let tensors = module_tensors(module).into_values();
    tensors.filter(|tensor| !tensor.name.contains("running_")).map(|tensor| tensor.values.len()).sum()
}

/// How far a parameter lies below the decoder: 0 for the decoder, 1 for the last stage, and so on to the stem.
#[must_use]
pub fn depth(name: &str, stages: usize) -> usize {
    let stage = |name: &str| name.strip_prefix("encoder.layer")?.split('.').next()?.parse::<usize>().ok();
    match (name.starts_with("decoder."), stage(name)) {
        (true, _) => 0,
        (false, Some(stage)) => stages + 1 - stage.min(stages),
        (false, None) => stages + 1,
    }
}

fn mode(training: bool) -> NormMode {
    if training { NormMode::Batch { splits: 1 } } else { NormMode::Running }
}

/// Channels of every map of an encoder, shallowest first.
fn channels(encoder: &Encoder) -> Vec<usize> {
    let spec = encoder.config().spec();
    let last = |blocks: &Vec<shared::encoder::spec::BlockSpec>| {
        blocks.last().and_then(|block| block.convs.last()).map_or(0, |conv| conv.outputs)
    };
    std::iter::once(spec.stem.outputs).chain(spec.stages.iter().map(last)).collect()
}

/// The picture halved again and again, means of 2 × 2 pixels.
fn pixel_maps(picture: Tensor<4>) -> Vec<Tensor<4>> {
    let mut maps: Vec<Tensor<4>> = Vec::with_capacity(PIXEL_LEVELS);
    let mut x = picture;
    for _ in 0..PIXEL_LEVELS {
        let [.., height, width] = x.dims();
        if height > 1 && width > 1 {
            x = avg_pool2d(x, AvgPoolOptions::new([2, 2]).with_stride([2, 2]));
        }
        maps.push(x.clone());
    }
    maps
}
