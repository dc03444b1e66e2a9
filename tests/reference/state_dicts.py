#!/usr/bin/env python3
"""Small PyTorch checkpoints in the layouts that shared::pytorch reads, and torchvision's own names and shapes.

Writes into shared/tests/fixtures: torchvision.pth, moco.pth, seco.ckpt, no_encoder.pth, torchvision_shapes.txt.
Run from the repository root: python3 tests/reference/state_dicts.py

The names are those of torchvision's ResNet-18; every tensor is cut down to two entries a dimension, so that the files stay
small, and filled by a formula that the Rust test repeats: entry i of tensor `name` is len(name) + i / 16.
"""

import argparse
from pathlib import Path

import torch
import torchvision

FIXTURES = Path("shared/tests/fixtures")
# SeCo's encoder is nn.Sequential over torchvision's children, without the classifier.
SEQUENTIAL = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}


def formula(name, tensor):
    shape = [min(2, size) for size in tensor.shape]
    count = torch.Size(shape).numel()
    if tensor.dtype == torch.int64:
        return torch.tensor(7)
    return (len(name) + torch.arange(count, dtype=torch.float32) / 16).reshape(shape)


def tiny_resnet18(keep=lambda name: True):
    weights = torchvision.models.resnet18(weights=None).state_dict()
    return {name: formula(name, tensor) for name, tensor in weights.items() if keep(name)}


def stem_and_ends(name):
    return name.startswith(("conv1", "bn1", "layer1.0", "layer4.0", "fc"))


def torchvision_file():
    weights = tiny_resnet18()
    # a strided view and other precisions must read the same
    weights["conv1.weight"] = weights["conv1.weight"].transpose(0, 1).contiguous().transpose(0, 1)
    weights["layer1.0.conv1.weight"] = weights["layer1.0.conv1.weight"].half()
    weights["bn1.weight"] = weights["bn1.weight"].bfloat16()  # its values need no more than eight bits
    weights["layer1.1.conv1.weight"] = weights["layer1.1.conv1.weight"].double()
    torch.save(weights, FIXTURES / "torchvision.pth")


def moco_file():
    query = {}
    for name, tensor in tiny_resnet18(stem_and_ends).items():
        name = {"fc.weight": "fc.0.weight", "fc.bias": "fc.0.bias"}.get(name, name)
        query[f"module.encoder_q.{name}"] = tensor
    key = {name.replace("encoder_q", "encoder_k"): torch.full_like(tensor, -1) for name, tensor in query.items()}
    queue = {"module.queue": torch.randn(4, 6), "module.queue_ptr": torch.zeros(1, dtype=torch.int64)}
    parameter = torch.nn.Parameter(torch.ones(3))
    optimiser = torch.optim.SGD([parameter], lr=0.03, momentum=0.9)
    parameter.sum().backward()
    optimiser.step()
    checkpoint = {
        "epoch": 200,
        "arch": "resnet18",
        "state_dict": {**query, **key, **queue},
        "optimizer": optimiser.state_dict(),
    }
    # MoCo's release predates the archive format
    torch.save(checkpoint, FIXTURES / "moco.pth", _use_new_zipfile_serialization=False)


def seco_file():
    state = {}
    for name, tensor in tiny_resnet18(stem_and_ends).items():
        head, tail = name.split(".", 1)
        if head in SEQUENTIAL:
            state[f"encoder_q.{SEQUENTIAL[head]}.{tail}"] = tensor
            state[f"encoder_k.{SEQUENTIAL[head]}.{tail}"] = torch.full_like(tensor, -1)
    for head in range(3):
        for side in "qk":
            state[f"heads_{side}.{head}.0.weight"] = torch.randn(2, 2)
            state[f"heads_{side}.{head}.2.weight"] = torch.randn(2, 2)
        state[f"queue{head}"] = torch.randn(2, 4)
    parameter = torch.nn.Parameter(torch.ones(3))
    optimiser = torch.optim.Adam([parameter], lr=0.03)
    parameter.sum().backward()
    optimiser.step()
    checkpoint = {
        "epoch": 199,
        "global_step": 12345,
        "pytorch-lightning_version": "1.1.8",
        "state_dict": state,
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.5), "dirpath": "checkpoints"}},
        "optimizer_states": [optimiser.state_dict()],
        "lr_schedulers": [{"milestones": {120: 1, 160: 1}, "gamma": 0.1, "base_lrs": [0.03]}],
        "hparams_name": "hparams",
        "hyper_parameters": argparse.Namespace(base_encoder="resnet18", emb_dim=128, schedule=[120, 160], gpus=None),
    }
    torch.save(checkpoint, FIXTURES / "seco.ckpt")


def shapes_file():
    lines = []
    for architecture in ("resnet18", "resnet34", "resnet50"):
        model = getattr(torchvision.models, architecture)(weights=None)
        for name, tensor in model.state_dict().items():
            if not name.startswith("fc.") and not name.endswith("num_batches_tracked"):
                lines.append(" ".join([architecture, name, *map(str, tensor.shape)]))
    (FIXTURES / "torchvision_shapes.txt").write_text("\n".join(lines) + "\n")


def main():
    torch.manual_seed(0)
    FIXTURES.mkdir(parents=True, exist_ok=True)
    torchvision_file()
    moco_file()
    seco_file()
    torch.save({"model": {"decoder.weight": torch.ones(2), "decoder.bias": torch.ones(1)}}, FIXTURES / "no_encoder.pth")
    shapes_file()
    for path in sorted(FIXTURES.iterdir()):
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
