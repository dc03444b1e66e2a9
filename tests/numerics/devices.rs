//! Which devices the numbers are checked on, and that they agree.
//!
//! `SOLSTICE_TEST_DEVICE` names one, as `--device` does; without it goldens are computed on the CPU, and what has kernels for
//! GPUs also on the first graphics adapter, which may be one in software.

use crate::pattern::{uniform, weights};
use burn::tensor::{Device, Tensor, TensorData};
use shared::encoder::{Architecture, EncoderConfig, NormMode, Stem};
use std::sync::OnceLock;

fn named(choice: &str) -> Device {
    trainer::device::resolve(choice).unwrap_or_else(|error| panic!("{error:#}")).device
}

/// The device that goldens are computed on.
pub fn tested() -> Device {
    std::env::var("SOLSTICE_TEST_DEVICE").map_or_else(|_| Device::flex(), |choice| named(&choice))
}

fn graphics() -> String {
    std::env::var("SOLSTICE_TEST_DEVICE").ok().filter(|choice| choice != "cpu").unwrap_or_else(|| {
        let adapter = trainer::device::adapters().into_iter().next();
        adapter.expect("no graphics adapter at all\nhint: .ci/setup installs one that computes in software").argument
    })
}

/// The CPU and a graphics device, with their names.
pub fn all() -> [(String, Device); 2] {
    static GRAPHICS: OnceLock<(String, Device)> = OnceLock::new();
    let graphics = GRAPHICS.get_or_init(|| {
        let name = graphics();
        let device = named(&name);
        (name, device)
    });
    [("cpu".to_owned(), Device::flex()), graphics.clone()]
}

#[test]
fn wgpu_agrees_with_the_cpu_forward_and_backward() {
    let [(_, cpu), (name, graphics)] = all();
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
    let (cpu, gpu) = (run(cpu), run(graphics));
    for (what, tolerance, cpu, gpu) in [("features", 1e-3, cpu.0, gpu.0), ("gradient", 1e-2, cpu.1, gpu.1)] {
        let largest = cpu.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        let worst = cpu.iter().zip(&gpu).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= tolerance * largest, "{what} on {name}: {worst} of {largest}");
    }
}
