//! The same network on a GPU adapter (in software where there is no other) and on the CPU.

use crate::pattern::{uniform, weights};
use burn::tensor::{Device, Tensor, TensorData};
use shared::encoder::{Architecture, EncoderConfig, NormMode, Stem};

#[test]
fn wgpu_agrees_with_the_cpu_forward_and_backward() {
    let Some(adapter) = trainer::device::adapters().into_iter().next() else {
        panic!("no graphics adapter at all\nhint: .ci/setup installs one that computes in software");
    };
    let config = EncoderConfig { architecture: Architecture::CompactXs, stem: Stem::Small, bands: 3 };
    let weights = weights(config.tensor_shapes(false), "");
    let run = |device: Device| {
        let device = device.autodiff();
        let encoder = config.init(&device).load_named(&weights).unwrap();
        let input = TensorData::new(uniform("input", 4 * 3 * 16 * 16), [4, 3, 16, 16]);
        let x = Tensor::<4>::from_data(input, &device).require_grad();
        let output = encoder.forward(x.clone(), NormMode::Batch { splits: 1 });
        let gradients = output.clone().powi_scalar(2).sum().backward();
        let gradient = x.grad(&gradients).unwrap();
        let values = |data: TensorData| data.try_into_vec::<f32>().unwrap();
        (values(output.into_data()), values(gradient.into_data()))
    };
    let (cpu, gpu) = (run(Device::flex()), run(trainer::device::resolve(&adapter.argument).unwrap().device));
    for (what, tolerance, cpu, gpu) in [("features", 1e-3, cpu.0, gpu.0), ("gradient", 1e-2, cpu.1, gpu.1)] {
        let largest = cpu.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        let worst = cpu.iter().zip(&gpu).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= tolerance * largest, "{what} on {}: {worst} of {largest}", adapter.name);
    }
}
