//! The encoder: an image tile in, one feature vector out.
//!
//! One residual network covers the ResNets (torchvision's structure and parameter names) and the compact family; what
//! distinguishes them is data: a plan in [`architecture`], spelled out in [`spec`].

pub mod architecture;
mod fold;
mod layers;
mod names;
mod pooling;
pub mod spec;

pub use architecture::Architecture;
pub use layers::{BatchNorm, Conv, EPSILON, MOMENTUM, NormMode};
pub use names::{EncoderError, load_module, module_tensors, tensor_name};
pub use pooling::Pooling;
pub use spec::{EncoderConfig, Stem};

use crate::kernels::{self, After};
use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use layers::{Pass, convolved};
use spec::{BlockSpec, ConvSpec};

/// A residual encoder, trainable or folded.
#[derive(Module, Debug)]
pub struct Encoder {
    conv1: Conv,
    bn1: Option<BatchNorm>,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    layer4: Vec<Block>,
    #[module(skip)]
    config: EncoderConfig,
}

/// A basic (two convolutions) or bottleneck (three) residual block.
#[derive(Module, Debug)]
struct Block {
    conv1: Conv,
    bn1: Option<BatchNorm>,
    conv2: Conv,
    bn2: Option<BatchNorm>,
    conv3: Option<Conv>,
    bn3: Option<BatchNorm>,
    downsample: Option<Downsample>,
}

/// The 1 × 1 convolution on a short cut (torchvision's `downsample.0` and `downsample.1`).
#[derive(Module, Debug)]
struct Downsample {
    conv: Conv,
    norm: Option<BatchNorm>,
}

impl EncoderConfig {
    /// A trainable encoder whose convolutions are zero: weights are loaded into it, or drawn by the trainer.
    #[must_use]
    pub fn init(&self, device: &Device) -> Encoder {
        self.build(false, device)
    }

    /// An encoder with batch normalisation folded into its convolutions, all zero.
    #[must_use]
    pub fn init_folded(&self, device: &Device) -> Encoder {
        self.build(true, device)
    }

    fn build(&self, folded: bool, device: &Device) -> Encoder {
        let spec = self.spec();
        let mut stages = spec
            .stages
            .iter()
            .map(|blocks| blocks.iter().map(|block| Block::zeros(block, folded, device)).collect::<Vec<_>>());
        let mut next = || stages.next().unwrap_or_default();
        Encoder {
            conv1: Conv::zeros(&spec.stem, folded, device),
            bn1: norm(&spec.stem, folded, device),
            layer1: next(),
            layer2: next(),
            layer3: next(),
            layer4: next(),
            config: *self,
        }
    }
}

impl Encoder {
    /// What this encoder is.
    #[must_use]
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// Whether batch normalisation has been folded into the convolutions.
    #[must_use]
    pub fn is_folded(&self) -> bool {
        self.bn1.is_none()
    }

    /// `[n, bands, h, w]` → `[n, width]`: the global average of the last feature map.
    ///
    /// Tiles are normalised already (see [`crate::preprocess`]). A folded encoder has no statistics: `mode` is ignored.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>, mode: NormMode) -> Tensor<2> {
        kernels::means(self.feature_map(x, mode))
    }

    /// `[n, bands, h, w]` → `[n, EncoderConfig::pooled_width(pooling)]`: what `pooling` makes of the feature maps.
    #[must_use]
    pub fn pooled(&self, x: Tensor<4>, pooling: Pooling, mode: NormMode) -> Tensor<2> {
        match pooling {
            Pooling::Mean => self.forward(x, mode),
            Pooling::Moments => kernels::moments(self.feature_maps(x, mode)),
        }
    }

    /// `[n, bands, h, w]` → `[n, width, h', w']`: the last feature map, before pooling.
    #[must_use]
    pub fn feature_map(&self, x: Tensor<4>, mode: NormMode) -> Tensor<4> {
        let pass = Pass::new(mode);
        let map = self.stages().fold(self.stem(x, &pass), |x, blocks| through(blocks, x, &pass));
        pass.finish();
        map
    }

    /// The output of the stem (after its pooling) and of every stage, in order: `[n, channels, h', w']` each.
    #[must_use]
    pub fn feature_maps(&self, x: Tensor<4>, mode: NormMode) -> Vec<Tensor<4>> {
        let pass = Pass::new(mode);
        let mut maps = vec![self.stem(x, &pass)];
        for blocks in self.stages() {
            let x = maps[maps.len() - 1].clone();
            maps.push(through(blocks, x, &pass));
        }
        pass.finish();
        maps
    }

    fn stem(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        let x = self.filtered(x);
        let x = convolved(&self.conv1, self.bn1.as_ref(), x, rectified(None), pass);
        if self.config.spec().max_pool { kernels::max_pool2d(x, 3, 2, 1) } else { x }
    }

    /// The stages that this architecture has.
    fn stages(&self) -> impl Iterator<Item = &[Block]> {
        let stages = [&self.layer1, &self.layer2, &self.layer3, &self.layer4];
        stages.into_iter().map(Vec::as_slice).filter(|blocks| !blocks.is_empty())
    }

    /// `[n, bands, h, w]` → `[n, 2, h, w]` for a Sobel stem; other stems see the tile as it is.
    fn filtered(&self, x: Tensor<4>) -> Tensor<4> {
        let Some(kernel) = self.config.sobel_kernel() else { return x };
        let data = TensorData::new(kernel, [2, self.config.bands, 3, 3]);
        let kernel = Tensor::<4>::from_data(data, &x.device()).cast(FloatDType::from(x.dtype()));
        kernels::conv2d(x, kernel, None, [1, 1], [1, 1])
    }
}

impl Block {
    fn zeros(spec: &BlockSpec, folded: bool, device: &Device) -> Self {
        let (conv, bn) = (
            |index: usize| spec.convs.get(index).map(|conv| Conv::zeros(conv, folded, device)),
            |index: usize| spec.convs.get(index).and_then(|conv| norm(conv, folded, device)),
        );
        Self {
            conv1: Conv::zeros(&spec.convs[0], folded, device),
            bn1: bn(0),
            conv2: Conv::zeros(&spec.convs[1], folded, device),
            bn2: bn(1),
            conv3: conv(2),
            bn3: bn(2),
            downsample: spec
                .downsample
                .as_ref()
                .map(|conv| Downsample { conv: Conv::zeros(conv, folded, device), norm: norm(conv, folded, device) }),
        }
    }

    fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        let shortcut = match &self.downsample {
            Some(part) => convolved(&part.conv, part.norm.as_ref(), x.clone(), After::default(), pass),
            None => x.clone(),
        };
        let x = convolved(&self.conv1, self.bn1.as_ref(), x, rectified(None), pass);
        match &self.conv3 {
            Some(conv3) => {
                let x = convolved(&self.conv2, self.bn2.as_ref(), x, rectified(None), pass);
                convolved(conv3, self.bn3.as_ref(), x, rectified(Some(shortcut)), pass)
            }
            None => convolved(&self.conv2, self.bn2.as_ref(), x, rectified(Some(shortcut)), pass),
        }
    }
}

/// `max(0, ·)`, of the sum with a shortcut where there is one.
fn rectified(residual: Option<Tensor<4>>) -> After {
    After { residual, relu: true }
}

/// One stage.
fn through(blocks: &[Block], x: Tensor<4>, pass: &Pass) -> Tensor<4> {
    blocks.iter().fold(x, |x, block| block.forward(x, pass))
}

fn norm(conv: &ConvSpec, folded: bool, device: &Device) -> Option<BatchNorm> {
    (!folded).then(|| BatchNorm::identity(conv.outputs, device))
}
