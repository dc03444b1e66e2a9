"""Goldens of super-resolution: a step of the deep image prior and of the migrated one, and SSIM, in PyTorch.

usage: python3 superres.py OUT_FOLDER        (PyTorch 1.13, NumPy)

The reduction is summed pixel by pixel in two dimensions from the filters' formulas; the generator is built of torch.nn.
"""

import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from patterns import digest, fill, uniform
from torch import nn

torch.set_num_threads(1)
BANDS, CHANNELS, LEVELS, SKIP, INPUTS = 3, 8, 2, 4, 32


class Layer(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride=1):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.norm = nn.BatchNorm2d(outputs, track_running_stats=False)
        self.stride = stride

    def forward(self, x):
        x = F.conv2d(x, self.weight, None, self.stride, self.weight.shape[-1] // 2)
        return F.leaky_relu(self.norm(x), 0.2)


class Level(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.skip = Layer(inputs, SKIP, 1)
        self.halve = Layer(inputs, CHANNELS, 3, 2)
        self.deep = Layer(CHANNELS, CHANNELS, 3)
        self.merge = nn.BatchNorm2d(SKIP + CHANNELS, track_running_stats=False)
        self.join = Layer(SKIP + CHANNELS, CHANNELS, 3)
        self.mix = Layer(CHANNELS, CHANNELS, 1)


class Generator(nn.Module):
    def __init__(self, has_reference):
        super().__init__()
        half = INPUTS // 2
        self.reference = nn.ModuleList([Layer(BANDS, half, 3), Layer(half, half, 3)] if has_reference else [])
        self.levels = nn.ModuleList(Level(INPUTS if at == 0 else CHANNELS) for at in range(LEVELS))
        self.head = nn.Parameter(torch.empty(BANDS, CHANNELS, 1, 1))
        self.head_bias = nn.Parameter(torch.empty(BANDS))

    def hour(self, x, at):
        if at == LEVELS:
            return x
        level = self.levels[at]
        deep = self.hour(level.deep(level.halve(x)), at + 1)
        deep = F.interpolate(deep, size=x.shape[-2:], mode="bilinear", align_corners=False)
        return level.mix(level.join(level.merge(torch.cat([level.skip(x), deep], 1))))

    def forward(self, noise, reference=None):
        if reference is not None:
            for layer in self.reference:
                reference = layer(reference)
            noise = torch.cat([noise, reference], 1)
        return F.conv2d(self.hour(noise, 0), self.head, self.head_bias)


def lanczos2(d):
    return np.sinc(d) * np.sinc(d / 2) if abs(d) < 2 else 0.0


def bicubic(d, a=-0.5):
    d = abs(d)
    if d < 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def taps(size, target, kernel):
    """For each output its input pixels and their weights."""
    ratio = size / target
    unit = max(ratio, 1)
    for out in range(target):
        centre = (out + 0.5) * ratio
        weights = np.array([kernel((at + 0.5 - centre) / unit) for at in range(size)])
        yield weights / weights.sum()


def resample(x, height, width, kernel):
    rows, columns = (list(taps(size, target, kernel)) for size, target in zip(x.shape[-2:], (height, width)))
    pixels = []
    for row in rows:
        for column in columns:
            mask = torch.from_numpy(np.outer(row, column).astype(np.float32))
            pixels.append((x * mask).sum((2, 3)))
    return torch.stack(pixels, -1).reshape(*x.shape[:2], height, width)


def step(scale, low_size, has_reference):
    """One step of Adam on the loss of the method."""
    name = "mip" if has_reference else "dip"
    size = [side * scale for side in low_size]
    low = 0.5 + 0.5 * uniform(f"{name}.low", (1, BANDS, *low_size))
    noise = uniform(f"{name}.noise", (1, INPUTS // 2 if has_reference else INPUTS, *size))
    held = (uniform(f"{name}.held", (1, 1, *low_size)) > 0.8).float()
    generator = Generator(has_reference)
    fill(generator)
    texture = 0.0
    if has_reference:
        reference = 0.5 + 0.5 * uniform("mip.reference", (1, BANDS, *size))
        detail = 0.1 * uniform("mip.detail", (1, BANDS, *size))
        picture = resample(low, *size, bicubic) + detail + generator(noise, reference * 2 - 1)
    else:
        picture = torch.sigmoid(generator(noise))
    reduced = resample(picture, *low_size, lanczos2)
    error = (reduced - low) ** 2
    loss = (error * (1 - held)).sum() / ((1 - held).sum() * BANDS)
    if has_reference:
        texture = ((picture - resample(reduced, *size, bicubic) - detail) ** 2).mean()
        loss = loss + 0.3 * texture
    optimiser = torch.optim.Adam(generator.parameters(), lr=0.01)
    loss.backward()
    gradients = {name: digest(p.grad) for name, p in generator.named_parameters()}
    optimiser.step()
    return {
        "scale": scale,
        "low_size": low_size,
        "picture": digest(picture),
        "loss": loss.item(),
        "held_out_error": ((error * held).sum() / (held.sum() * BANDS)).item(),
        "gradients": gradients,
        "weights": {name: digest(p) for name, p in generator.named_parameters()},
    }


def quality():
    """PSNR and SSIM of two planes, SSIM window by window (Wang et al. 2004, equations 13 to 17)."""
    height, width = 19, 23
    x = 0.5 + 0.5 * uniform("ssim.x", (height, width)).double().numpy()
    y = np.clip(0.7 * x + 0.15 + 0.1 * uniform("ssim.y", (height, width)).double().numpy(), 0, 1)
    at = np.arange(11) - 5
    w = np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * 1.5**2))
    w /= w.sum()
    values = []
    for top in range(height - 10):
        for left in range(width - 10):
            a, b = (p[top : top + 11, left : left + 11] for p in (x, y))
            ma, mb = (w * a).sum(), (w * b).sum()
            va, vb, cov = (w * (a - ma) ** 2).sum(), (w * (b - mb) ** 2).sum(), (w * (a - ma) * (b - mb)).sum()
            c1, c2 = 0.01**2, 0.03**2
            values.append((2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return {"psnr": 10 * np.log10(1 / ((x - y) ** 2).mean()), "ssim": float(np.mean(values))}


def main() -> None:
    golden = {
        "steps": {"dip": step(4, (5, 7), False), "mip": step(3, (6, 5), True)},
        "quality": quality(),
    }
    (pathlib.Path(sys.argv[1]) / "superres.json").write_text(json.dumps(golden, separators=(",", ":")))


main()
