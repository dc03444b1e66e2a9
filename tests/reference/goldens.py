"""PyTorch goldens for the numerics tests: encoders forward and backward, InfoNCE, whole SeCo steps (normalised as a whole, and
in groups with shuffled keys and places of few dates), schedules, SGD.

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


class GroupedNorm(nn.BatchNorm2d):
    """Batch normalisation of each of `groups` interleaved groups by itself, as on as many devices."""

    groups = 1

    def forward(self, x):
        y = torch.empty_like(x)
        means, variances = [], []
        for group in range(self.groups):
            own = x[group :: self.groups]
            y[group :: self.groups] = F.batch_norm(own, None, None, self.weight, self.bias, True, 0.0, self.eps)
            means.append(own.mean((0, 2, 3)))
            variances.append(own.var((0, 2, 3), unbiased=True))
        with torch.no_grad():
            self.running_mean += self.momentum * (torch.stack(means).mean(0) - self.running_mean)
            self.running_var += self.momentum * (torch.stack(variances).mean(0) - self.running_var)
        return y


def grouped(module: nn.Module, groups: int) -> None:
    """Gives every batch normalisation of `module` that many groups."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.__class__ = GroupedNorm
            part.groups = groups


def shuffled(view: torch.Tensor, encode, groups: int) -> torch.Tensor:
    """Features of keys whose groups are others than their queries': sample `row * groups + column` of the batch sits at
    `column * rows + row`."""
    rows = len(view) // groups
    seats = [row * groups + column for column in range(groups) for row in range(rows)]
    features = encode(view[seats])
    back = torch.empty_like(features)
    for seat, sample in enumerate(seats):
        back[sample] = features[seat]
    return back


def seco_golden(n: int = 8, groups: int = 1, dates: list = (), steps: int = 3) -> dict:
    """SeCo step by step from the paper's equations: sum of three losses, three queues, nine key projections. `dates` are
    those drawn for each sample: t0, t1, t2."""
    px, dim, length, temperature, momentum = 32, 16, 32, 0.07, 0.9
    query = Network(dim)
    fill(query, "query.")
    grouped(query, groups)
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
            keys = [shuffled(view, key.encoder, groups) for view in (k0, k1, k2)]
            projected = [[head(f) for f in keys] for head in key.heads]
        losses = []
        for subspace in range(3):
            z = query.heads[subspace](feature)
            rows = []
            for i in range(n):
                own = projected[subspace]
                negatives = list(queues[subspace])
                for view in range(3) if subspace > 0 else ():
                    if view != subspace:
                        # A key of q's own date is no negative of its own row in Z2: it is what the positive is.
                        same = subspace == 2 and dates and dates[i][view + 1] == dates[i][0]
                        negatives += [own[view][j] for j in range(n) if not (j == i and same)]
                logits = torch.stack([z[i] @ k for k in [own[subspace][i], *negatives]]) / temperature
                rows.append(torch.logsumexp(logits, 0) - logits[0])
            losses.append(torch.stack(rows).mean())
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
    return {"dates": dates, "steps": record}


def few_dates(n: int) -> list:
    """Places with three, two and one date by turns."""
    return [[[0, 1, 2], [0, 1, 0], [1, 1, 0], [0, 0, 0]][i % 4] for i in range(n)]


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
        "resnet18-imagenet": lambda: encoder_golden(resnet("resnet18", False), 64, bias_shift=2.0),
        "resnet18-small": lambda: encoder_golden(resnet("resnet18", True), 32, bias_shift=2.0),
        "resnet50-imagenet": lambda: encoder_golden(resnet("resnet50", False), 64, bias_shift=2.0),
        "compact-s-small": lambda: encoder_golden(Compact(32, [64, 128, 256], 1), 64),
        "compact-m-small": lambda: encoder_golden(Compact(32, [64, 128, 256], 2), 48),
        "info-nce": info_nce_golden,
        "seco": seco_golden,
        "seco-groups": lambda: seco_golden(n=16, groups=8, dates=few_dates(16)),
        "schedules": schedules_golden,
    }
    for name in sys.argv[2:] or goldens:
        make = goldens[name]
        (out / f"{name}.json").write_text(json.dumps(make()))


main()
