//! Weights by torchvision's names, out of an encoder and into one.

use super::Encoder;
use crate::tensors::{NamedTensor, TensorMap};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

/// Why weights do not fit an encoder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncoderError {
    /// A weight that the architecture has is not there.
    #[error("weight {name:?} is missing\nhint: the file holds another architecture or stem than the one asked for")]
    MissingTensor {
        /// Its name.
        name: String,
    },
    /// A weight has other dimensions than the architecture.
    #[error(
        "weight {name:?} has shape {found:?}, not {expected:?}\nhint: the file holds another architecture, stem or number of bands"
    )]
    WrongShape {
        /// Its name.
        name: String,
        /// What the file has.
        found: Vec<usize>,
        /// What the architecture has.
        expected: Vec<usize>,
    },
}

impl Encoder {
    /// Every weight and running statistic, in the order of [`super::EncoderConfig::tensor_shapes`].
    ///
    /// Reads the device and waits for it: native only.
    #[must_use]
    pub fn named_tensors(&self) -> Vec<NamedTensor> {
        let mut found = module_tensors(self);
        let order = self.config().tensor_shapes(self.is_folded());
        order.iter().filter_map(|(name, _)| found.remove(name)).collect()
    }

    /// The same encoder with these weights; other names in the map are ignored.
    ///
    /// # Errors
    /// When a weight is missing or has another shape; nothing is loaded then.
    pub fn load_named(self, tensors: &TensorMap) -> Result<Self, EncoderError> {
        for (name, expected) in self.config().tensor_shapes(self.is_folded()) {
            let tensor = tensors.get(&name).ok_or_else(|| EncoderError::MissingTensor { name: name.clone() })?;
            if tensor.shape != expected {
                let found = tensor.shape.clone();
                return Err(EncoderError::WrongShape { name, found, expected });
            }
        }
        Ok(load_module(self, tensors))
    }
}

/// The float tensors of any module by their dotted names, with torchvision's names for short cuts.
///
/// Reads the device and waits for it: native only.
pub fn module_tensors<M: Module>(module: &M) -> TensorMap {
    let mut collector = Collector::default();
    module.visit(&mut collector);
    collector.found
}

/// Replaces every float tensor of `module` whose name is in the map; shapes are the caller's to check.
pub fn load_module<M: Module>(module: M, tensors: &TensorMap) -> M {
    module.map(&mut Loader { path: Vec::new(), tensors })
}

/// The torchvision-style name of the tensor at a module path.
#[must_use]
pub fn tensor_name(path: &[String]) -> String {
    path.join(".").replace("downsample.conv", "downsample.0").replace("downsample.norm", "downsample.1")
}

#[derive(Default)]
struct Collector {
    path: Vec<String>,
    found: TensorMap,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = tensor_name(&self.path);
        let data = param.val().into_data().convert::<f32>();
        let shape = param.val().dims().to_vec();
        let values = data.try_into_vec::<f32>().unwrap_or_default();
        self.found.insert(name.clone(), NamedTensor { name, shape, values });
    }
}

struct Loader<'a> {
    path: Vec<String>,
    tensors: &'a TensorMap,
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(tensor) = self.tensors.get(&tensor_name(&self.path)) else { return param };
        let (id, old, mapper) = param.consume();
        let data = TensorData::new(tensor.values.clone(), tensor.shape.clone());
        let fresh = Tensor::from_data(data, &old.device()).set_require_grad(old.is_require_grad());
        Param::from_mapped_value(id, fresh, mapper)
    }
}
