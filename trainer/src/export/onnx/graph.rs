//! The graph of an encoder, derived from the same description as the network itself.

use anyhow::{Context, Result, ensure};
use prost::Message;
use shared::artifact::Artifact;
use shared::encoder::spec::{BlockSpec, ConvSpec};
use shared::tensors::{NamedTensor, TensorMap, into_map};

use super::proto::{
    Attribute, AttributeType, Dimension, ElementType, Entry, Extent, Graph, Model, Node, OperatorSet, Shape, Tensor,
    TensorType, ValueInfo, ValueType,
};
use super::{IR_VERSION, OPSET};

/// The bytes of an `.onnx` file that computes what `artifact` does.
///
/// # Errors
/// When the artifact's encoder is not folded or lacks a weight.
pub fn encode_model(artifact: &Artifact) -> Result<Vec<u8>> {
    let manifest = &artifact.manifest;
    ensure!(manifest.folded, "batch normalisation must be folded before an ONNX export");
    let weights = into_map(artifact.encoder.clone());
    let mut nodes = Nodes { weights: &weights, node: Vec::new(), initializer: Vec::new() };
    let embedding = nodes.encoder(artifact)?;
    debug_assert_eq!(embedding, "embedding");
    let width = manifest.embedding_width;
    let (bands, px) = (manifest.bands.len(), manifest.input_px);
    let mut output = vec![value("embedding", &[width], "the feature vector, not normalised")];
    if let Some(head) = &artifact.head {
        let classes = head.bias.len();
        nodes.constant("head.weight", &[classes, width], &head.weight);
        nodes.constant("head.bias", &[classes], &head.bias);
        nodes.push("Gemm", &["embedding", "head.weight", "head.bias"], "logits", vec![int("transB", 1)]);
        output.push(value("logits", &[classes], "divide by the calibration temperature before the softmax"));
    }
    let entry = |key: &str, value: String| Entry { key: key.to_owned(), value };
    let model = Model {
        ir_version: IR_VERSION,
        producer_name: "solstice".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: format!("{}: {} tile encoder", manifest.name, manifest.encoder.architecture),
        graph: Some(Graph {
            node: nodes.node,
            name: manifest.name.clone(),
            initializer: nodes.initializer,
            input: vec![value(
                "tiles",
                &[bands, px, px],
                "planar bands on the unit scale: value / 255, or reflectance",
            )],
            output,
        }),
        opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
        metadata_props: vec![
            entry("bands", serde_json::to_string(&manifest.bands)?),
            entry("classes", serde_json::to_string(&manifest.classes)?),
            entry("calibration_temperature", manifest.calibration_temperature.unwrap_or(1.0).to_string()),
            entry("licence", manifest.licence.clone()),
        ],
    };
    Ok(model.encode_to_vec())
}

/// The nodes of a graph as it grows. A node is named by its only output.
struct Nodes<'a> {
    weights: &'a TensorMap,
    node: Vec<Node>,
    initializer: Vec<Tensor>,
}

impl Nodes<'_> {
    /// `tiles` → `embedding`
    fn encoder(&mut self, artifact: &Artifact) -> Result<String> {
        let manifest = &artifact.manifest;
        let bands = manifest.bands.len();
        self.constant("normalisation.mean", &[1, bands, 1, 1], manifest.normalisation.mean());
        self.constant("normalisation.std", &[1, bands, 1, 1], manifest.normalisation.std());
        let centred = self.push("Sub", &["tiles", "normalisation.mean"], "centred", vec![]);
        let standard = self.push("Div", &[&centred, "normalisation.std"], "standardised", vec![]);
        let spec = manifest.encoder.spec();
        let filtered = match manifest.encoder.sobel_kernel() {
            Some(kernel) => {
                self.constant("sobel.weight", &[2, bands, 3, 3], &kernel);
                let attributes = vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1; 4]), ints("strides", &[1, 1])];
                self.constant("sobel.bias", &[2], &[0.0; 2]);
                self.push("Conv", &[&standard, "sobel.weight", "sobel.bias"], "sobel", attributes)
            }
            None => standard,
        };
        let mut x = self.conv_relu(&spec.stem, &filtered)?;
        let mut maps = Vec::new();
        if spec.max_pool {
            let attributes = vec![ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2]), ints("pads", &[1; 4])];
            x = self.push("MaxPool", &[&x], "maxpool", attributes);
        }
        maps.push(x.clone());
        for (stage, blocks) in spec.stages.iter().enumerate() {
            for (index, block) in blocks.iter().enumerate() {
                x = self.block(block, &x, &format!("layer{}.{index}", stage + 1))?;
            }
            maps.push(x.clone());
        }
        let Some(readout) = &artifact.readout else {
            // [n, width, h, w] → [n, width, 1, 1] → [n, width]
            let pooled = self.push("GlobalAveragePool", &[&x], "pooled", vec![]);
            return Ok(self.push("Flatten", &[&pooled], "embedding", vec![int("axis", 1)]));
        };
        let pooled = self.moments(&maps);
        let (outputs, inputs) = (manifest.embedding_width, manifest.encoder.pooled_width(manifest.pooling));
        self.constant("readout.weight", &[outputs, inputs], &readout.weight);
        self.constant("readout.bias", &[outputs], &readout.bias);
        let names = [pooled.as_str(), "readout.weight", "readout.bias"];
        Ok(self.push("Gemm", &names, "embedding", vec![int("transB", 1)]))
    }

    /// Feature maps from the first to the last → means, then deviations, each from the last to the first: `[n, pooled]`.
    fn moments(&mut self, maps: &[String]) -> String {
        let (mut means, mut deviations) = (Vec::new(), Vec::new());
        for map in maps.iter().rev() {
            let name = |part: &str| format!("{map}.{part}");
            let mean = self.push("GlobalAveragePool", &[map], &name("mean"), vec![]);
            let centred = self.push("Sub", &[map, &mean], &name("centred"), vec![]);
            let squared = self.push("Mul", &[&centred, &centred], &name("squared"), vec![]);
            let variance = self.push("GlobalAveragePool", &[&squared], &name("variance"), vec![]);
            deviations.push(self.push("Sqrt", &[&variance], &name("deviation"), vec![]));
            means.push(mean);
        }
        let parts: Vec<&str> = means.iter().chain(&deviations).map(String::as_str).collect();
        let pooled = self.push("Concat", &parts, "moments", vec![int("axis", 1)]);
        self.push("Flatten", &[&pooled], "pooled", vec![int("axis", 1)])
    }

    fn block(&mut self, block: &BlockSpec, input: &str, name: &str) -> Result<String> {
        let mut x = input.to_owned();
        for (position, conv) in block.convs.iter().enumerate() {
            x = if position + 1 < block.convs.len() { self.conv_relu(conv, &x)? } else { self.conv(conv, &x)? };
        }
        let shortcut = match &block.downsample {
            Some(conv) => self.conv(conv, input)?,
            None => input.to_owned(),
        };
        let sum = self.push("Add", &[&x, &shortcut], &format!("{name}.sum"), vec![]);
        Ok(self.push("Relu", &[&sum], name, vec![]))
    }

    fn conv_relu(&mut self, conv: &ConvSpec, input: &str) -> Result<String> {
        let x = self.conv(conv, input)?;
        Ok(self.push("Relu", &[&x], &format!("{x}.relu"), vec![]))
    }

    fn conv(&mut self, conv: &ConvSpec, input: &str) -> Result<String> {
        let (weight, bias) = (format!("{}.weight", conv.conv), format!("{}.bias", conv.conv));
        for name in [&weight, &bias] {
            let NamedTensor { shape, values, .. } =
                self.weights.get(name).with_context(|| format!("the encoder has no tensor {name:?}"))?;
            self.constant(name, shape, values);
        }
        let (kernel, stride, padding) = (conv.kernel as i64, conv.stride as i64, conv.padding as i64);
        let attributes = vec![
            ints("dilations", &[1, 1]),
            int("group", 1),
            ints("kernel_shape", &[kernel; 2]),
            ints("pads", &[padding; 4]),
            ints("strides", &[stride; 2]),
        ];
        Ok(self.push("Conv", &[input, &weight, &bias], &conv.conv, attributes))
    }

    fn constant(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        self.initializer.push(Tensor {
            dims: shape.iter().map(|&size| size as i64).collect(),
            data_type: ElementType::Float.into(),
            name: name.to_owned(),
            raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        });
    }

    fn push(&mut self, op_type: &str, input: &[&str], output: &str, attribute: Vec<Attribute>) -> String {
        self.node.push(Node {
            input: input.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: op_type.to_owned(),
            attribute,
        });
        output.to_owned()
    }
}

fn int(name: &str, value: i64) -> Attribute {
    Attribute { name: name.to_owned(), i: value, ints: Vec::new(), kind: AttributeType::Int.into() }
}

fn ints(name: &str, values: &[i64]) -> Attribute {
    Attribute { name: name.to_owned(), i: 0, ints: values.to_vec(), kind: AttributeType::Ints.into() }
}

/// An input or output `[n, sizes…]`; n is free.
fn value(name: &str, sizes: &[usize], doc: &str) -> ValueInfo {
    let batch = Dimension { value: Some(Extent::Named("n".to_owned())) };
    let fixed = sizes.iter().map(|&size| Dimension { value: Some(Extent::Fixed(size as i64)) });
    let shape = Shape { dim: std::iter::once(batch).chain(fixed).collect() };
    let tensor_type = TensorType { elem_type: ElementType::Float.into(), shape: Some(shape) };
    let kind = ValueType { tensor_type: Some(tensor_type) };
    ValueInfo { name: name.to_owned(), kind: Some(kind), doc_string: doc.to_owned() }
}
