//! Which device computes: what `--device` means, what the machine has, and why `auto` chose what it chose.

use crate::error::UsageError;
use burn::tensor::Device;
#[cfg(feature = "wgpu")]
use burn::tensor::DeviceKind;
#[cfg(feature = "wgpu")]
use wgpu::{AdapterInfo, Backends, DeviceType, Instance, InstanceDescriptor};

/// A device with the words to say about it.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The plain device (without autodiff).
    pub device: Device,
    /// What it is, for example `cpu (2 threads)`.
    pub name: String,
    /// Why it was chosen.
    pub reason: String,
}

/// A graphics adapter as `trainer devices` lists it.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// What to type after `--device`.
    pub argument: String,
    /// The adapter's own name.
    pub name: String,
    /// Graphics interface and kind, for example `vulkan, discrete GPU`.
    pub kind: String,
    /// Whether it computes in software.
    pub is_software: bool,
    #[cfg(feature = "wgpu")]
    selector: DeviceKind,
}

/// The device that `choice` names: `auto`, `cpu`, `wgpu`, `wgpu:discrete:0`, `cuda`, `cuda:1`, …
///
/// # Errors
/// [`UsageError`] when there is no such device here.
pub fn resolve(choice: &str) -> anyhow::Result<Resolved> {
    match choice {
        "auto" => Ok(automatic()),
        "cpu" => Ok(cpu("asked for".to_owned())),
        _ if choice == "cuda" || choice.starts_with("cuda:") => cuda(choice),
        _ if choice == "wgpu" || choice.starts_with("wgpu:") => wgpu_named(choice),
        _ => Err(UsageError::new(format!(
            "unknown device {choice:?}\nhint: one of auto, cpu, wgpu, cuda, or a name listed by `trainer devices`"
        ))
        .into()),
    }
}

#[cfg(feature = "wgpu")]
fn wgpu_named(choice: &str) -> anyhow::Result<Resolved> {
    let adapters = adapters();
    let found = match choice {
        // A real GPU before a software adapter.
        "wgpu" => adapters.iter().find(|adapter| !adapter.is_software).or(adapters.first()),
        _ => adapters.iter().find(|adapter| adapter.argument == choice),
    };
    let found = found.ok_or_else(|| {
        UsageError::new(format!(
            "no device {choice:?} here\nhint: `trainer devices` lists what there is; --device cpu always works"
        ))
    })?;
    Ok(wgpu(found, "asked for".to_owned()))
}

#[cfg(not(feature = "wgpu"))]
fn wgpu_named(choice: &str) -> anyhow::Result<Resolved> {
    Err(UsageError::new(format!(
        "device {choice:?} needs a program with WGPU\nhint: build without `--no-default-features`; --device cpu always works"
    ))
    .into())
}

/// The graphics adapters of this machine; empty without drivers.
#[cfg(feature = "wgpu")]
#[must_use]
pub fn adapters() -> Vec<Adapter> {
    let instance = Instance::new(InstanceDescriptor::new_without_display_handle());
    let mut counts = [0_usize; 4];
    let found = pollster::block_on(instance.enumerate_adapters(Backends::PRIMARY));
    found.iter().map(|adapter| describe(&adapter.get_info(), &mut counts)).collect()
}

/// The graphics adapters that a program without WGPU can use: none.
#[cfg(not(feature = "wgpu"))]
#[must_use]
pub fn adapters() -> Vec<Adapter> {
    Vec::new()
}

/// Whether the program was compiled with CUDA.
#[must_use]
pub fn has_cuda() -> bool {
    cfg!(feature = "cuda")
}

#[cfg(feature = "wgpu")]
fn describe(info: &AdapterInfo, counts: &mut [usize; 4]) -> Adapter {
    let mut next = |slot: usize| {
        counts[slot] += 1;
        counts[slot] - 1
    };
    let (argument, selector, kind) = match info.device_type {
        DeviceType::DiscreteGpu => {
            let index = next(0);
            (format!("wgpu:discrete:{index}"), DeviceKind::DiscreteGpu(index), "discrete GPU")
        }
        DeviceType::IntegratedGpu => {
            let index = next(1);
            (format!("wgpu:integrated:{index}"), DeviceKind::IntegratedGpu(index), "integrated GPU")
        }
        DeviceType::VirtualGpu => {
            let index = next(2);
            (format!("wgpu:virtual:{index}"), DeviceKind::VirtualGpu(index), "virtual GPU")
        }
        DeviceType::Cpu => ("wgpu:software".to_owned(), DeviceKind::Cpu, "software"),
        DeviceType::Other => ("wgpu:default".to_owned(), DeviceKind::DefaultDevice, "other"),
    };
    Adapter {
        argument,
        name: info.name.clone(),
        kind: format!("{:?}, {kind}", info.backend).to_lowercase().replace("gpu", "GPU"),
        is_software: info.device_type == DeviceType::Cpu,
        selector,
    }
}

fn automatic() -> Resolved {
    #[cfg(feature = "cuda")]
    if let Ok(found) = cuda("cuda") {
        return Resolved { reason: "an NVIDIA GPU was found".to_owned(), ..found };
    }
    #[cfg(feature = "wgpu")]
    if let Some(adapter) = adapters().iter().find(|adapter| !adapter.is_software) {
        return wgpu(adapter, "a GPU was found".to_owned());
    }
    let why = if cfg!(feature = "wgpu") { "no GPU was found" } else { "this program was built for the CPU alone" };
    cpu(why.to_owned())
}

fn cpu(reason: String) -> Resolved {
    let threads = rayon::current_num_threads();
    Resolved { device: Device::flex(), name: format!("cpu ({threads} threads)"), reason }
}

#[cfg(feature = "wgpu")]
fn wgpu(adapter: &Adapter, reason: String) -> Resolved {
    let name = format!("{} ({})", adapter.argument, adapter.name);
    Resolved { device: Device::wgpu(adapter.selector.clone()), name, reason }
}

#[cfg(feature = "cuda")]
fn cuda(choice: &str) -> anyhow::Result<Resolved> {
    use burn::tensor::DeviceType;

    let index: usize = match choice.strip_prefix("cuda:") {
        None => 0,
        Some(index) => index.parse().map_err(|_| {
            UsageError::new(format!("{choice:?} is not a CUDA device\nhint: cuda, or cuda:0, cuda:1, …"))
        })?,
    };
    // Without a driver the runtime panics while it looks for devices.
    let count = std::panic::catch_unwind(|| Device::enumerate(DeviceType::Cuda).into_vec().len()).unwrap_or(0);
    if index >= count {
        return Err(UsageError::new(format!(
            "no device {choice:?} here: {count} CUDA devices found\nhint: is the NVIDIA driver installed? --device cpu always works"
        ))
        .into());
    }
    Ok(Resolved { device: Device::cuda(index), name: format!("cuda:{index}"), reason: "asked for".to_owned() })
}

#[cfg(not(feature = "cuda"))]
fn cuda(choice: &str) -> anyhow::Result<Resolved> {
    Err(UsageError::new(format!(
        "device {choice:?} needs a program with CUDA\nhint: build with `cargo build -p trainer --features cuda`; \
         --device wgpu uses any GPU"
    ))
    .into())
}
