//! The key network as an exponential moving average of the query network (MoCo eq. 2).

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;
use shared::kernels::optimisers::{Averaged, average};

/// `key ← m · key + (1 − m) · query`, parameters only: BatchNorm's buffers are the key network's own.
///
/// `query` may live on an autodiff device, `key` on the plain one behind it. Both must have the same structure.
#[must_use]
pub fn update_average<M: Module>(key: M, query: &M, momentum: f64) -> M {
    let (fresh, old) = (parameters(query), parameters(&key));
    assert_eq!(fresh.len(), old.len(), "both networks have the same parameters");
    let pairs = old.into_iter().zip(fresh).map(|(old, fresh)| Averaged { old, fresh }).collect();
    key.map(&mut Mover { path: Vec::new(), moved: average(pairs, momentum).into_iter() })
}

/// Buffers are visited like parameters; their names tell them apart.
fn is_buffer(path: &[String]) -> bool {
    path.last().is_some_and(|name| name.starts_with("running_"))
}

/// The values of every parameter, in the order in which a module is gone through.
fn parameters<M: Module>(module: &M) -> Vec<Tensor<1>> {
    let mut collector = Collector::default();
    module.visit(&mut collector);
    collector.found
}

#[derive(Default)]
struct Collector {
    path: Vec<String>,
    found: Vec<Tensor<1>>,
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
            let count: usize = value.dims().iter().product();
            self.found.push(value.reshape([count]));
        }
    }
}

struct Mover {
    path: Vec<String>,
    moved: std::vec::IntoIter<Tensor<1>>,
}

impl ModuleMapper for Mover {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if is_buffer(&self.path) {
            return param;
        }
        let moved = self.moved.next().expect("as many as were collected");
        param.map(|key| moved.reshape(key.dims()))
    }
}
