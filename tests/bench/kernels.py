"""The CPU kernels beside a current PyTorch, case by case in alternation, on the same number of threads.

PyTorch is measured in both layouts, whole encoders compiled as well (a single convolution has nothing to be fused with);
the best counts and is named.

    python3 tests/bench/kernels.py [--threads 2] [--burn] [--busy] [--eager] [--json FILE] [words of the case's name]

`--burn` measures Burn's own convolution as well; `--busy` compares the processor time of one thread, for machines
that have other work (Linux). `--eager` leaves out what is compiled. Needs torch 2 and, for the ResNet, torchvision.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/reference"))
import peer  # noqa: E402
import record  # noqa: E402
from compact import Compact  # noqa: E402
clock = time.perf_counter
BUDGET_SECS, REPEATS = 0.7, 5


def fastest(work):
    work()
    start, best, runs = time.perf_counter(), float("inf"), 0
    first = clock()
    while runs < REPEATS or time.perf_counter() - start < BUDGET_SECS:
        begin = clock()
        work()
        best = min(best, clock() - begin)
        runs += 1
    return best if clock is time.perf_counter else (clock() - first) / runs


def convolution(n, ci, px, co, kernel, stride, padding, training):
    """Seconds, the variant, and floating-point operations."""
    out = (px + 2 * padding - kernel) // stride + 1

    def measure(variant):
        layout, _ = peer.VARIANTS[variant]
        laid = lambda *shape: (torch.rand(*shape) - 0.5).contiguous(memory_format=layout)  # noqa: E731
        x = laid(n, ci, px, px).requires_grad_(training and ci > 3)
        weight = laid(co, ci, kernel, kernel).requires_grad_(training)
        gradient = laid(n, co, out, out)

        def run():
            with torch.set_grad_enabled(training):
                y = F.conv2d(x, weight, stride=stride, padding=padding)
                if training:
                    (y * gradient).sum().backward()

        return fastest(run)

    products = n * co * out * out * ci * kernel * kernel
    passes = 1 if not training else 2 if ci == 3 else 3
    return *peer.best(measure, ("eager", "eager, channels last")), 2 * products * passes


COMPACT = {
    "compact-xs": (24, [48, 96, 192], 1),
    "compact-s": (32, [64, 128, 256], 1),
    "compact-m": (32, [64, 128, 256], 2),
}


def resnet18():
    from torchvision.models import resnet18 as build

    network = build()
    network.fc = nn.Identity()
    return network


def encoder(n, architecture, training, variants):
    """Seconds, and the variant."""

    def measure(variant):
        network = (resnet18() if architecture == "resnet18" else Compact(*COMPACT[architecture])).train(training)
        network = peer.prepared(network, variant)
        x = (torch.rand(n, 3, 64, 64) - 0.5).contiguous(memory_format=peer.VARIANTS[variant][0])

        def run():
            with torch.set_grad_enabled(training):
                features = network(x)
                if training:
                    (features * features).sum().backward()

        return fastest(run)

    return peer.best(measure, variants)


def go_on(process):
    """Lets the other side measure its next case; the two never run at the same time."""
    if process.poll() is None:
        try:
            process.stdin.write("\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--burn", action="store_true")
    parser.add_argument("--program", help="the built benchmark, instead of what cargo builds")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--eager", action="store_true", help="leave out what is compiled")
    parser.add_argument("--json", help="keep the rows here, for record.py to compare")
    options = parser.parse_args()
    peer.check()
    variants = [name for name, (_, is_compiled) in peer.VARIANTS.items() if not (options.eager and is_compiled)]
    if options.busy:
        global clock
        clock, options.threads = time.thread_time, 1
    torch.set_num_threads(options.threads)
    command = ["cargo", "bench", "-q", "-p", "solstice-tests", "--profile", "dev", "--bench", "kernels", "--"]
    command = [options.program] if options.program else command
    flags = {"--step": True, "--burn": options.burn, "--busy": options.busy}
    command += options.words + [flag for flag, given in flags.items() if given]
    environment = dict(os.environ, RAYON_NUM_THREADS=str(options.threads))
    print(f"{'case':44} {'ours':>16} {'PyTorch':>16} {'ratio':>6}" + ("   Burn" if options.burn else "") + f"   PyTorch {torch.__version__}")
    rows = {}
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:
        go_on(process)
        for line in process.stdout:
            if not line.startswith("{"):
                continue
            measured = json.loads(line)
            kind, passes, batch, *rest = measured["case"].split()
            n, training = int(batch[1:]), passes == "training"
            if kind == "conv":
                theirs, variant, operations = convolution(n, *map(int, rest), training)
                unit, figure = "GFLOP/s", lambda seconds: operations / seconds / 1e9
            else:
                theirs, variant = encoder(n, rest[0], training, variants)
                unit, figure = "tile/s", lambda seconds: n / seconds
            ours = measured["seconds"]
            shown = f"{measured['case']:44} {figure(ours):8.1f} {unit} {figure(theirs):8.1f} {unit} {theirs / ours:6.2f}"
            if measured["burn_seconds"]:
                shown += f" {figure(measured['burn_seconds']):6.1f}"
            print(f"{shown}   {variant}", flush=True)
            rows[measured["case"]] = {"ours": figure(ours), "peer": figure(theirs), "unit": unit, "peer_variant": variant}
            go_on(process)
    if options.json:
        record.save(options.json, f"PyTorch {torch.__version__}, {options.threads} threads", rows)


if __name__ == "__main__":
    main()
