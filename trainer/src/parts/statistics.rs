//! Forward passes that leave the running statistics of batch normalisation as they were.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use std::collections::HashMap;

/// What `run` gives; afterwards the running statistics of `module` are those of before.
pub fn without_statistics<M: Module, T>(module: &M, run: impl FnOnce() -> T) -> T {
    let mut before = Statistics::default();
    module.visit(&mut before);
    let answer = run();
    // A module shares its buffers with its clones: what is put into the clone is put into the module.
    let _ = module.clone().map(&mut before);
    answer
}

/// Takes gradients off the weights of `module` (on the plain device), so that it can stand in a graph as a constant.
pub fn as_constant<M: Module>(module: M) -> M {
    module.map(&mut Constant { path: Vec::new() })
}

/// Whether a path ends in a buffer of batch normalisation.
fn is_statistic(path: &[String]) -> bool {
    path.last().is_some_and(|name| name.starts_with("running_"))
}

/// Buffers by identifier, as vectors.
#[derive(Default)]
struct Statistics {
    path: Vec<String>,
    saved: HashMap<ParamId, Tensor<1>>,
}

impl ModuleVisitor for Statistics {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if is_statistic(&self.path) {
            let tensor = param.val();
            let count = tensor.shape().num_elements();
            self.saved.insert(param.id, tensor.reshape([count]));
        }
    }
}

impl ModuleMapper for Statistics {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(saved) = self.saved.remove(&param.id) else { return param };
        let (id, now, mapper) = param.consume();
        Param::from_mapped_value(id, saved.reshape(now.dims()), mapper)
    }
}

struct Constant {
    path: Vec<String>,
}

impl ModuleMapper for Constant {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if is_statistic(&self.path) {
            return param;
        }
        let (id, weight, mapper) = param.consume();
        Param::from_mapped_value(id, weight.autodiff(), mapper)
    }
}
