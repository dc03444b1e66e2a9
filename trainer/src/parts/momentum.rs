//! The key network as an exponential moving average of the query network (MoCo eq. 2).

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;
use std::any::Any;
use std::collections::HashMap;

/// `key ← m · key + (1 − m) · query`, parameters only: BatchNorm's buffers are the key network's own.
///
/// `query` may live on an autodiff device, `key` on the plain one behind it. Both must have the same structure.
#[must_use]
pub fn update_average<M: Module>(key: M, query: &M, momentum: f64) -> M {
    let mut parameters = Collector::default();
    query.visit(&mut parameters);
    key.map(&mut Blend { path: Vec::new(), query: parameters.found, momentum })
}

/// Buffers are visited like parameters; their names tell them apart.
fn is_buffer(path: &[String]) -> bool {
    path.last().is_some_and(|name| name.starts_with("running_"))
}

#[derive(Default)]
struct Collector {
    path: Vec<String>,
    found: HashMap<String, Box<dyn Any>>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !is_buffer(&self.path) {
            let value = param.val().without_autodiff();
            self.found.insert(self.path.join("."), Box::new(value));
        }
    }
}

struct Blend {
    path: Vec<String>,
    query: HashMap<String, Box<dyn Any>>,
    momentum: f64,
}

impl ModuleMapper for Blend {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let query = self.query.remove(&self.path.join("."));
        let Some(query) = query.and_then(|value| value.downcast::<Tensor<D>>().ok()) else { return param };
        param.map(|key| key * self.momentum + *query * (1.0 - self.momentum))
    }
}
