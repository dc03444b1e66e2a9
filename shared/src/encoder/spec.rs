//! What each architecture is made of, as plain data: the module, the expected tensor shapes, the cost figures and the
//! ONNX graph are all derived from this one description.

use super::Pooling;
use super::architecture::{Architecture, Plan, UnknownName};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// How the first layers bring a tile down in size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stem {
    /// 7 × 7 convolution of stride 2, then 3 × 3 max pooling of stride 2: a quarter of the size.
    Imagenet,
    /// One 3 × 3 convolution, without pooling: of stride 1 for the ResNets, of stride 2 for the compact family.
    Small,
    /// A fixed Sobel filter of the mean over the bands, horizontal and vertical (DeepCluster and DeeperCluster: colour
    /// is taken away), then as [`Self::Small`].
    Sobel,
}

/// What an encoder is: enough to rebuild it and to know the shape of every weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EncoderConfig {
    /// Which network.
    pub architecture: Architecture,
    /// Which first layers.
    pub stem: Stem,
    /// Spectral bands of a tile.
    pub bands: usize,
}

/// A convolution without bias, and the batch normalisation behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvSpec {
    /// Name of the convolution, for example `layer1.0.conv1`.
    pub conv: String,
    /// Name of its batch normalisation, for example `layer1.0.bn1`.
    pub norm: String,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Step in both directions.
    pub stride: usize,
    /// Zeros added on every side.
    pub padding: usize,
}

/// Planes that [`Stem::Sobel`] makes of a tile: its horizontal and its vertical gradient.
const SOBEL_PLANES: usize = 2;

/// A residual block: its convolutions in order, and the one on the short cut when the shape changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockSpec {
    /// Two (basic) or three (bottleneck) convolutions; ReLU follows each, the last after the addition.
    pub convs: Vec<ConvSpec>,
    /// 1 × 1 convolution on the short cut.
    pub downsample: Option<ConvSpec>,
}

/// A whole encoder: stem, residual stages, global average pooling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderSpec {
    /// First convolution.
    pub stem: ConvSpec,
    /// Whether 3 × 3 max pooling of stride 2 follows the stem.
    pub max_pool: bool,
    /// Residual stages `layer1`, `layer2`, …
    pub stages: Vec<Vec<BlockSpec>>,
}

impl fmt::Display for Stem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Imagenet => "imagenet",
            Self::Small => "small",
            Self::Sobel => "sobel",
        })
    }
}

impl FromStr for Stem {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "imagenet" => Ok(Self::Imagenet),
            "small" => Ok(Self::Small),
            "sobel" => Ok(Self::Sobel),
            _ => Err(UnknownName::new("stem", name, &["imagenet", "small", "sobel"])),
        }
    }
}

impl ConvSpec {
    fn new(conv: String, norm: String, [inputs, outputs]: [usize; 2], kernel: usize, stride: usize) -> Self {
        Self { conv, norm, inputs, outputs, kernel, stride, padding: kernel / 2 }
    }

    /// Weight shape `[outputs, inputs, kernel, kernel]`.
    #[must_use]
    pub fn weight_shape(&self) -> [usize; 4] {
        [self.outputs, self.inputs, self.kernel, self.kernel]
    }

    /// Side of the output for an input of side `px`.
    #[must_use]
    pub fn output_px(&self, px: usize) -> usize {
        (px + 2 * self.padding).saturating_sub(self.kernel) / self.stride + 1
    }

    fn multiply_adds(&self, out_px: usize) -> u64 {
        self.weight_shape().iter().product::<usize>() as u64 * (out_px * out_px) as u64
    }
}

impl EncoderConfig {
    /// The description that everything else is derived from.
    #[must_use]
    pub fn spec(&self) -> EncoderSpec {
        let &Plan { stem: stem_width, widths, blocks, expansion, shrinks_early, .. } = self.architecture.plan();
        let (kernel, stride) = match (self.stem, shrinks_early) {
            (Stem::Imagenet, _) => (7, 2),
            (Stem::Small | Stem::Sobel, true) => (3, 2),
            (Stem::Small | Stem::Sobel, false) => (3, 1),
        };
        let inputs = if self.stem == Stem::Sobel { SOBEL_PLANES } else { self.bands };
        let stem = ConvSpec::new("conv1".into(), "bn1".into(), [inputs, stem_width], kernel, stride);
        let max_pool = self.stem == Stem::Imagenet;
        let mut inputs = stem_width;
        let stages = widths
            .iter()
            .zip(blocks)
            .enumerate()
            .map(|(stage, (&width, &count))| {
                // The ResNets keep the size in layer1; a compact encoder with the small stem has still to shrink.
                let shrinks = stage > 0 || (shrinks_early && !max_pool);
                let first_stride = if shrinks { 2 } else { 1 };
                (0..count)
                    .map(|index| {
                        let stride = if index == 0 { first_stride } else { 1 };
                        let block = block(stage + 1, index, inputs, width, expansion, stride);
                        inputs = width * expansion;
                        block
                    })
                    .collect()
            })
            .collect();
        EncoderSpec { stem, max_pool, stages }
    }

    /// The fixed kernel in front of a [`Stem::Sobel`], `[2, bands, 3, 3]`, applied with one zero of padding on each
    /// side: the mean over the bands and both Sobel filters in one; `None` for the other stems.
    #[must_use]
    pub fn sobel_kernel(&self) -> Option<Vec<f32>> {
        const HORIZONTAL: [f32; 9] = [1.0, 0.0, -1.0, 2.0, 0.0, -2.0, 1.0, 0.0, -1.0];
        const VERTICAL: [f32; 9] = [1.0, 2.0, 1.0, 0.0, 0.0, 0.0, -1.0, -2.0, -1.0];
        let mean = 1.0 / self.bands as f32;
        let plane = |filter: [f32; 9]| filter.map(|value| value * mean).repeat(self.bands);
        (self.stem == Stem::Sobel).then(|| [plane(HORIZONTAL), plane(VERTICAL)].concat())
    }

    /// Width of the vector that `pooling` makes.
    #[must_use]
    pub fn pooled_width(&self, pooling: Pooling) -> usize {
        match pooling {
            Pooling::Mean => self.feature_width(),
            Pooling::Moments => {
                let Plan { stem, widths, expansion, .. } = self.architecture.plan();
                2 * (stem + widths.iter().map(|width| width * expansion).sum::<usize>())
            }
        }
    }

    /// Channels of the last feature map.
    #[must_use]
    pub fn feature_width(&self) -> usize {
        let Plan { widths, expansion, .. } = self.architecture.plan();
        widths.last().copied().unwrap_or_default() * expansion
    }

    /// Name and shape of every weight, in a fixed order: folded encoders have a bias a convolution, others the four
    /// tensors of a batch normalisation.
    #[must_use]
    pub fn tensor_shapes(&self, folded: bool) -> Vec<(String, Vec<usize>)> {
        let mut shapes = Vec::new();
        for conv in self.spec().convs() {
            shapes.push((format!("{}.weight", conv.conv), conv.weight_shape().to_vec()));
            if folded {
                shapes.push((format!("{}.bias", conv.conv), vec![conv.outputs]));
            } else {
                for part in ["weight", "bias", "running_mean", "running_var"] {
                    shapes.push((format!("{}.{part}", conv.norm), vec![conv.outputs]));
                }
            }
        }
        shapes
    }

    /// Trainable parameters (running statistics are not counted).
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.spec().convs().map(|conv| conv.weight_shape().iter().product::<usize>() + 2 * conv.outputs).sum()
    }

    /// Multiply-adds of one forward pass over a tile of `px` × `px` pixels.
    #[must_use]
    pub fn multiply_adds(&self, px: usize) -> u64 {
        let spec = self.spec();
        let mut side = spec.stem.output_px(px);
        let mut total = spec.stem.multiply_adds(side);
        if spec.max_pool {
            side = (side + 2 - 3) / 2 + 1;
        }
        for block in spec.stages.iter().flatten() {
            let entry = side;
            for conv in &block.convs {
                side = conv.output_px(side);
                total += conv.multiply_adds(side);
            }
            if let Some(conv) = &block.downsample {
                total += conv.multiply_adds(conv.output_px(entry));
            }
        }
        total
    }
}

impl EncoderSpec {
    /// Every convolution, in the order in which weights are listed.
    pub fn convs(&self) -> impl Iterator<Item = &ConvSpec> {
        let blocks = self.stages.iter().flatten();
        std::iter::once(&self.stem).chain(blocks.flat_map(|block| block.convs.iter().chain(&block.downsample)))
    }
}

fn block(stage: usize, index: usize, inputs: usize, width: usize, expansion: usize, stride: usize) -> BlockSpec {
    let name = |part: &str| format!("layer{stage}.{index}.{part}");
    let conv = |number: usize, channels: [usize; 2], kernel: usize, stride: usize| {
        ConvSpec::new(name(&format!("conv{number}")), name(&format!("bn{number}")), channels, kernel, stride)
    };
    let outputs = width * expansion;
    let convs = if expansion == 1 {
        vec![conv(1, [inputs, width], 3, stride), conv(2, [width, width], 3, 1)]
    } else {
        // The stride sits on the 3 × 3 convolution, as in torchvision ("ResNet v1.5").
        vec![conv(1, [inputs, width], 1, 1), conv(2, [width, width], 3, stride), conv(3, [width, outputs], 1, 1)]
    };
    let downsample = (stride != 1 || inputs != outputs)
        .then(|| ConvSpec::new(name("downsample.0"), name("downsample.1"), [inputs, outputs], 1, stride));
    BlockSpec { convs, downsample }
}
