//! What all optimisers share: going through the parameters that have a gradient.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use shared::encoder::tensor_name;

/// A parameter that has a gradient, on the plain device.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// What its state is kept under.
    pub name: String,
    /// How its values are arranged.
    pub shape: Vec<usize>,
    /// Its values, in a row.
    pub weight: Tensor<1>,
    /// As many.
    pub gradient: Tensor<1>,
}

impl Parameter {
    /// Whether it is a matrix or a kernel, not a shift or a scale.
    #[must_use]
    pub fn is_matrix(&self) -> bool {
        self.shape.len() > 1
    }
}

/// `module` with every parameter that has a gradient moved by `rule`, which gives their values after a step, in order: buffers
/// and unused parameters have none. All at once, since devices are slow in many small steps.
#[must_use]
pub fn update<M: Module>(
    module: M,
    gradients: GradientsParams,
    rule: impl FnOnce(Vec<Parameter>) -> Vec<Tensor<1>>,
) -> M {
    let mut collector = Collector { path: Vec::new(), gradients, found: Vec::new() };
    module.visit(&mut collector);
    let found = collector.found;
    let names: Vec<String> = found.iter().map(|parameter| parameter.name.clone()).collect();
    let moved = rule(found);
    assert_eq!(moved.len(), names.len(), "a rule moves every parameter that it is given");
    module.map(&mut Mover { path: Vec::new(), moved: names.into_iter().zip(moved).peekable() })
}

struct Collector {
    path: Vec<String>,
    gradients: GradientsParams,
    found: Vec<Parameter>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return };
        let weight = param.val().without_autodiff();
        let shape = weight.dims().to_vec();
        let count: usize = shape.iter().product();
        self.found.push(Parameter {
            name: tensor_name(&self.path),
            shape,
            weight: weight.reshape([count]),
            gradient: gradient.reshape([count]),
        });
    }
}

struct Mover<I: Iterator<Item = (String, Tensor<1>)>> {
    path: Vec<String>,
    /// In the order in which the module is gone through.
    moved: std::iter::Peekable<I>,
}

impl<I: Iterator<Item = (String, Tensor<1>)>> ModuleMapper for Mover<I> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let own = tensor_name(&self.path);
        let Some((_, moved)) = self.moved.next_if(|(name, _)| *name == own) else { return param };
        let (id, weight, mapper) = param.consume();
        let moved = moved.reshape(weight.dims());
        Param::from_mapped_value(id, moved.autodiff().require_grad(), mapper)
    }
}
