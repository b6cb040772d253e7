//! All parameters of a network as one vector: what optimisers, checkpoints and weights on disk work on.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};

/// One tensor among the parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Path in the network, e.g. `levels.0.memory.gates.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

impl Part {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True for a tensor without values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The parameters of a network, in the order of its fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    /// What the values belong to, in order.
    pub parts: Vec<Part>,
    /// Their values, one tensor after the other, each row by row.
    pub values: Vec<f32>,
}

impl Parameters {
    /// Reads them from a network.
    pub fn of<M: Module>(network: &M) -> Self {
        let mut read = Read::default();
        network.visit(&mut read);
        read.out
    }

    /// The network with these values.
    pub fn into_network<M: Module>(&self, network: M) -> M {
        with_values(network, &self.values)
    }
}

/// The network with other values, in the order of [`Parameters::of`]. Too few values leave the rest as it was.
pub fn with_values<M: Module>(network: M, values: &[f32]) -> M {
    network.map(&mut Write { values })
}

/// The gradients of a network's parameters, in the order of [`Parameters::of`]; zero where a parameter had no part in the loss.
pub fn gradients<M: Module>(network: &M, gradients: &Gradients) -> Vec<f32> {
    let mut read = ReadGradients { gradients, out: Vec::new() };
    network.visit(&mut read);
    read.out
}

#[derive(Default)]
struct Read {
    path: Vec<String>,
    out: Parameters,
}

impl ModuleVisitor for Read {
    fn enter_module(&mut self, name: &str, _kind: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _kind: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        self.out.parts.push(Part { name: self.path.join("."), shape: tensor.dims().to_vec() });
        self.out.values.extend(tensor.into_data().try_into_vec::<f32>().unwrap_or_default());
    }
}

struct Write<'a> {
    values: &'a [f32],
}

impl ModuleMapper for Write<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.val().dims();
        let Some((own, rest)) = self.values.split_at_checked(shape.iter().product()) else { return param };
        self.values = rest;
        param.map(|old| {
            let tensor = Tensor::from_data(TensorData::new(own.to_vec(), shape), &old.device());
            if old.is_require_grad() { tensor.require_grad() } else { tensor }
        })
    }
}

struct ReadGradients<'a> {
    gradients: &'a Gradients,
    out: Vec<f32>,
}

impl ModuleVisitor for ReadGradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let count: usize = tensor.dims().iter().product();
        match tensor.grad(self.gradients).and_then(|g| g.into_data().try_into_vec::<f32>().ok()) {
            Some(values) => self.out.extend(values),
            None => self.out.resize(self.out.len() + count, 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learning::layers::{ConvGru, Initial};
    use burn::tensor::Device;

    #[test]
    fn values_go_out_and_come_back() {
        let device = Device::flex();
        let network = ConvGru::new(&mut Initial::new(3, &device), 2);
        let parameters = Parameters::of(&network);
        assert_eq!(parameters.values.len(), network.num_params());
        let names: Vec<_> = parameters.parts.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["gates.weight", "gates.bias", "candidate.weight", "candidate.bias"]);
        let other = ConvGru::new(&mut Initial::new(4, &device), 2);
        assert_ne!(Parameters::of(&other), parameters);
        assert_eq!(Parameters::of(&parameters.into_network(other)), parameters);
    }

    /// Gradient of a sum of squares, `2 w`, in the order of the parameters.
    #[test]
    fn gradients_follow_the_same_order() {
        let device = Device::flex().autodiff();
        let network = ConvGru::new(&mut Initial::new(3, &device), 2);
        let loss = network.gates.weight.val().powf_scalar(2.0).sum();
        let found = gradients(&network, &loss.backward());
        let parameters = Parameters::of(&network);
        let own = parameters.parts[0].len();
        for (k, (g, w)) in found.iter().zip(&parameters.values).enumerate() {
            let expected = if k < own { 2.0 * w } else { 0.0 };
            assert!((g - expected).abs() < 1e-6, "{k}: {g} for {expected}");
        }
    }
}
