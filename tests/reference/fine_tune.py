#!/usr/bin/env python3
"""Reference values for fine-tuning: two steps of AdamW with layer-wise rates on an encoder with a linear head; and one step of
the U-Net decoder of change detection and segmentation. Weights and inputs are those of patterns.py.

Writes fine-tune.json and decoder.json into the given folder. Needs PyTorch 1.13 or later:

    python3 tests/reference/fine_tune.py tests/numerics/goldens
"""

import json
import pathlib
import sys

import torch
import torch.nn.functional as F
from patterns import digest, fill, uniform
from torch import nn


class Block(nn.Module):
    """torchvision's basic block with a short cut."""

    def __init__(self, inputs, width):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = nn.Sequential(nn.Conv2d(inputs, width, 1, 2, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class CompactXs(nn.Module):
    """compact-xs: stem 24, stages 48-96-192 of one block each."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 24, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(24)
        self.layer1 = nn.Sequential(Block(24, 48))
        self.layer2 = nn.Sequential(Block(48, 96))
        self.layer3 = nn.Sequential(Block(96, 192))

    def maps(self, x):
        maps = [F.relu(self.bn1(self.conv1(x)))]
        for layer in (self.layer1, self.layer2, self.layer3):
            maps.append(layer(maps[-1]))
        return maps

    def forward(self, x):
        return self.maps(x)[-1].mean(dim=(2, 3))


class Tuned(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.encoder = CompactXs()
        self.head = nn.Linear(192, classes)

    def forward(self, x):
        return self.head(self.encoder(x))


def depth(name):
    if name.startswith("head."):
        return 0
    for stage in (1, 2, 3):
        if name.startswith(f"encoder.layer{stage}."):
            return 4 - stage
    return 4


def fine_tune():
    classes, rate, decay = 5, 2e-3, 0.75
    model = Tuned(classes)
    fill(model)
    groups = [
        {"params": [p], "lr": rate * decay ** depth(n), "weight_decay": 0.05 if p.dim() > 1 else 0.0}
        for n, p in model.named_parameters()
    ]
    optimiser = torch.optim.AdamW(groups)
    model.train()
    losses = []
    for step in range(2):
        x = uniform(f"input {step}", (6, 3, 32, 32))
        labels = torch.tensor([0, 1, 2, 3, 4, step])
        loss = F.cross_entropy(model(x), labels, label_smoothing=0.1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        logits = model(uniform("input 9", (4, 3, 32, 32)))
    names = [
        "head.weight",
        "head.bias",
        "encoder.layer3.0.conv2.weight",
        "encoder.layer1.0.bn1.weight",
        "encoder.conv1.weight",
        "encoder.bn1.running_mean",
    ]
    state = model.state_dict()
    return {"losses": losses, "logits": logits.flatten().tolist(), "tensors": {n: digest(state[n]) for n in names}}


class ConvNorm(nn.Module):
    def __init__(self, inputs, outputs, kernel):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs, kernel, kernel))
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.relu(self.norm(F.conv2d(x, self.weight, padding=self.weight.shape[-1] // 2)))


class Level(nn.Module):
    def __init__(self, inputs, outputs, two):
        super().__init__()
        self.first = ConvNorm(inputs, outputs, 3)
        self.second = ConvNorm(outputs, outputs, 3) if two else None

    def forward(self, x):
        x = self.first(x)
        return x if self.second is None else self.second(x)


class Out(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return F.conv2d(x, self.weight, self.bias)


def up(x, like):
    return F.interpolate(x, size=like, mode="bilinear", align_corners=False)


class UNet(nn.Module):
    """The deepest map, brought to the size of the next one and joined with it, through two convolutions; and so on."""

    def __init__(self, channels, classes):
        super().__init__()
        pairs = list(zip(channels[::-1], channels[::-1][1:]))
        self.levels = nn.ModuleList([Level(deep + skip, skip, True) for deep, skip in pairs])
        self.out = Out(channels[0], classes)

    def forward(self, maps, size):
        x = maps[-1]
        for level, skip in zip(self.levels, maps[::-1][1:]):
            x = level(torch.cat([up(x, skip.shape[2:]), skip], 1))
        return up(self.out(x), size)


class Tiny(nn.Module):
    """Every map to few channels, summed from the deepest on, smoothed."""

    def __init__(self, channels, width, classes):
        super().__init__()
        self.laterals = nn.ModuleList([ConvNorm(own, width, 1) for own in channels[::-1]])
        self.levels = nn.ModuleList([Level(width, width, False) for _ in channels[1:]])
        self.out = Out(width, classes)

    def forward(self, maps, size):
        x = self.laterals[0](maps[-1])
        for lateral, level, skip in zip(self.laterals[1:], self.levels, maps[::-1][1:]):
            x = level(up(x, skip.shape[2:]) + lateral(skip))
        return up(self.out(x), size)


def loss_of(logits, target, classes):
    """−1 is ignored."""
    if classes == 1:
        known = target >= 0
        return F.binary_cross_entropy_with_logits(logits[:, 0][known], target[known].float())
    return F.cross_entropy(logits, target, ignore_index=-1)


def decoder(kind, classes):
    channels, size = (8, 12, 16), (13, 18)
    sides = [(7, 9), (4, 5), (2, 3)]
    maps = [uniform(f"map {at}", (2, c, h, w)).relu() for at, (c, (h, w)) in enumerate(zip(channels, sides))]
    model = UNet(channels, classes) if kind == "unet" else Tiny(channels, 6, classes)
    fill(model)
    values = (uniform("target", (2, *size)) + 1) / 2
    target = (values * (max(classes, 2) + 1)).long() - 1
    model.train()
    logits = model(maps, size)
    loss = loss_of(logits, target, classes)
    loss.backward()
    return {
        "kind": kind,
        "classes": classes,
        "target": target.flatten().tolist(),
        "logits": digest(logits),
        "loss": loss.item(),
        "gradients": {n: digest(p.grad) for n, p in model.named_parameters()},
        "parameters": sum(p.numel() for p in model.parameters()),
    }


folder = pathlib.Path(sys.argv[1])
(folder / "fine-tune.json").write_text(json.dumps(fine_tune()) + "\n")
cases = [decoder(kind, classes) for kind in ("unet", "tiny") for classes in (1, 3)]
(folder / "decoder.json").write_text(json.dumps(cases) + "\n")
