"""Weights and inputs from a closed formula, so that a golden file need not carry them.

The Rust side (tests/numerics/pattern.rs) evaluates the same integer arithmetic.
"""

import numpy as np
import torch

MASK = (1 << 64) - 1


def fnv1a(name: str) -> int:
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def uniform(name: str, shape) -> torch.Tensor:
    """Values on [-1, 1) with 24 random bits each: splitmix64 of a counter that starts at the name's hash."""
    count = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    unit = (z >> np.uint64(40)).astype(np.float64) / float(1 << 24)
    return torch.from_numpy((2.0 * unit - 1.0).astype(np.float32).reshape(shape))


def weight(name: str, shape) -> torch.Tensor:
    """A plausible weight: Kaiming-like for matrices and kernels, near 1 for scales, small for shifts."""
    values = uniform(name, shape)
    if len(shape) >= 2:
        fan_in = int(np.prod(shape[1:]))
        return values * np.float32(np.sqrt(6.0 / fan_in))
    if name.endswith("running_var"):
        return 1.0 + 0.5 * values
    if name.endswith(("bn2.weight", "bn3.weight")):
        # Residual branches start small, as in trained networks: otherwise batch statistics over a few values make deep
        # gradients so sensitive to rounding that two correct programs differ by more than 1e-3.
        return 0.25 * (1.0 + 0.1 * values)
    if name.endswith("weight"):
        return 1.0 + 0.1 * values
    return 0.1 * values


def fill(module: torch.nn.Module, prefix: str = "", bias_shift: float = 0.0) -> None:
    """Patterned weights. `bias_shift` raises the shifts of the batch normalisations, so that few activations lie within
    rounding of zero: on which side of a ReLU those fall is chance, and among the millions of a ResNet-50 they make single
    and double precision differ by more than 1e-3 in PyTorch itself."""
    state = {}
    for name, tensor in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            state[name] = tensor
        else:
            state[name] = weight(prefix + name, tuple(tensor.shape))
            if "bn" in name and name.endswith("bias"):
                state[name] += bias_shift
    module.load_state_dict(state)


def digest(tensor: torch.Tensor, samples: int = 24) -> dict:
    """Length, norm, largest magnitude and evenly spaced values."""
    flat = tensor.detach().double().flatten()
    step = max(1, flat.numel() // samples)
    return {
        "count": flat.numel(),
        "norm": float(flat.norm()),
        "max": float(flat.abs().max()),
        "step": step,
        "values": [float(v) for v in flat[::step]],
    }
