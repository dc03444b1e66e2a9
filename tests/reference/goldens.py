"""PyTorch goldens for the numerics tests: encoders forward and backward, InfoNCE, whole SeCo steps, schedules, SGD.

usage: python3 goldens.py OUT_FOLDER [NAME …]        (PyTorch 1.13, torchvision 0.14; takes about a minute)
"""

import copy
import json
import pathlib
import sys

import torch
import torch.nn.functional as F
import torchvision
from compact import Compact
from patterns import digest, fill, uniform
from torch import nn

torch.set_num_threads(2)


def resnet(name: str, small_stem: bool) -> nn.Module:
    model = getattr(torchvision.models, name)(weights=None)
    model.fc = nn.Identity()
    if small_stem:
        model.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        model.maxpool = nn.Identity()
    return model


def encoder_golden(model: nn.Module, px: int, bias_shift: float = 0.0) -> dict:
    fill(model, bias_shift=bias_shift)
    # Double precision: what is compared is our rounding alone.
    model.double()
    x = uniform("input", (4, 3, px, px)).double()
    model.eval()
    with torch.no_grad():
        inference = model(x)
    model.train()
    x.requires_grad_(True)
    features = model(x)
    (features * uniform("cotangent", tuple(features.shape))).sum().backward()
    return {
        "px": px,
        "inference": digest(inference, 256),
        "training": digest(features, 256),
        "input_gradient": digest(x.grad, 256),
        "gradients": {name: digest(p.grad) for name, p in model.named_parameters()},
        "buffers": {n: digest(b) for n, b in model.named_buffers() if "num_batches" not in n},
    }


def info_nce_golden() -> dict:
    q = F.normalize(uniform("q", (6, 16)), dim=1).requires_grad_(True)
    k = F.normalize(uniform("k", (6, 16)), dim=1)
    bank = F.normalize(uniform("bank", (40, 16)), dim=1)
    extra = F.normalize(uniform("extra", (6, 16)), dim=1)
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ bank.T, q @ extra.T], dim=1) / 0.07
    loss = F.cross_entropy(logits, torch.zeros(6, dtype=torch.long))
    loss.backward()
    return {"loss": loss.item(), "gradient": digest(q.grad, 96)}


class Head(nn.Module):
    def __init__(self, width: int, dim: int):
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, dim)

    def forward(self, x):
        return F.normalize(self.fc2(F.relu(self.fc1(x))), dim=1)


class Network(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.encoder = Compact(24, [48, 96, 192], 1)
        self.heads = nn.ModuleList([Head(192, dim) for _ in range(3)])


def seco_golden(steps: int = 3) -> dict:
    """SeCo step by step from the paper's equations: sum of three losses, three queues, nine key projections."""
    n, px, dim, length, temperature, momentum = 8, 32, 16, 32, 0.07, 0.9
    query = Network(dim)
    fill(query, "query.")
    key = copy.deepcopy(query)
    query.train(), key.train()
    queues = [F.normalize(uniform(f"queue{i}", (length, dim)), dim=1) for i in range(3)]
    pointer = 0
    optimiser = torch.optim.SGD(query.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    record = []
    for step in range(steps):
        q, k0, k1, k2 = (uniform(f"step{step}.view{v}", (n, 3, px, px)) for v in range(4))
        feature = query.encoder(q)
        with torch.no_grad():
            for own, other in zip(key.parameters(), query.parameters()):
                own.mul_(momentum).add_(other, alpha=1 - momentum)
            keys = [key.encoder(view) for view in (k0, k1, k2)]
            projected = [[head(f) for f in keys] for head in key.heads]
        losses = []
        for subspace in range(3):
            z = query.heads[subspace](feature)
            logits = [(z * projected[subspace][subspace]).sum(1, keepdim=True), z @ queues[subspace].T]
            if subspace > 0:
                logits += [z @ projected[subspace][v].T for v in range(3) if v != subspace]
            logits = torch.cat(logits, dim=1) / temperature
            assert logits.shape[1] == (1 + length if subspace == 0 else 1 + length + 2 * n)
            losses.append(F.cross_entropy(logits, torch.zeros(n, dtype=torch.long)))
        for subspace in range(3):
            queues[subspace] = queues[subspace].clone()  # the loss above still needs the old one
            queues[subspace][pointer : pointer + n] = projected[subspace][subspace]
        pointer = (pointer + n) % length
        optimiser.zero_grad()
        sum(losses).backward()
        optimiser.step()
        velocity = {name: optimiser.state[p]["momentum_buffer"] for name, p in query.named_parameters()}
        record.append(
            {
                "losses": [loss.item() for loss in losses],
                "query": {k: digest(v) for k, v in query.state_dict().items() if "num_batches" not in k},
                "key": {k: digest(v) for k, v in key.state_dict().items() if "num_batches" not in k},
                "velocity": {k: digest(v) for k, v in velocity.items()},
                "queues": [digest(queue, 128) for queue in queues],
            }
        )
    return {"steps": record}


def schedules_golden() -> dict:
    """Learning rates of PyTorch's own schedulers, one value an epoch."""
    result = {}
    for name, make in {
        "step": lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [120, 160], 0.1),
        "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 200),
    }.items():
        optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.03)
        scheduler, rates = make(optimiser), []
        for _ in range(200):
            rates.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            scheduler.step()
        result[name] = rates
    return result


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    goldens = {
        "resnet18-imagenet": lambda: encoder_golden(resnet("resnet18", False), 64),
        "resnet18-small": lambda: encoder_golden(resnet("resnet18", True), 32),
        "resnet50-imagenet": lambda: encoder_golden(resnet("resnet50", False), 64, bias_shift=2.0),
        "compact-s-small": lambda: encoder_golden(Compact(32, [64, 128, 256], 1), 64),
        "compact-m-small": lambda: encoder_golden(Compact(32, [64, 128, 256], 2), 48),
        "info-nce": info_nce_golden,
        "seco": seco_golden,
        "schedules": schedules_golden,
    }
    for name in sys.argv[2:] or goldens:
        make = goldens[name]
        (out / f"{name}.json").write_text(json.dumps(make()))


main()
