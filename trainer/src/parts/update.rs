//! What all optimisers share: going through the parameters that have a gradient.

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use shared::encoder::tensor_name;

/// How an optimiser moves a parameter.
pub trait Rule {
    /// `weight` after a step, both on the plain device; `name` is what its state is kept under.
    fn moved<const D: usize>(&mut self, name: &str, weight: Tensor<D>, gradient: Tensor<D>) -> Tensor<D>;
}

/// `module` with every parameter moved by `rule` that has a gradient: buffers and unused parameters have none.
#[must_use]
pub fn update<M: Module>(rule: &mut impl Rule, module: M, gradients: GradientsParams) -> M {
    module.map(&mut Walk { path: Vec::new(), rule, gradients })
}

struct Walk<'a, R> {
    path: Vec<String>,
    rule: &'a mut R,
    gradients: GradientsParams,
}

impl<R: Rule> ModuleMapper for Walk<'_, R> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return param };
        let (id, weight, mapper) = param.consume();
        let weight = self.rule.moved(&tensor_name(&self.path), weight.without_autodiff(), gradient);
        Param::from_mapped_value(id, weight.autodiff().require_grad(), mapper)
    }
}
