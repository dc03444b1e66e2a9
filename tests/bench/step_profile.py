"""Where a whole training step's time goes: `perf` over a run of the trainer, its symbols sorted into parts.

    python3 tests/bench/step_profile.py TRAINER -- pretrain --preset seco --data … --out NEW_FOLDER …

Everything behind `--` is the trainer's own command line. Needs Linux's perf. Shares are of processor time of all threads;
the loader's threads work beside the step.
"""

import collections
import pathlib
import re
import subprocess
import sys
import tempfile

import record

LOADER = "reading, decoding, augmenting (beside the step)"
# The first that fits; symbols are those of shared/src/kernels/cpu, Burn's `flex`, and the trainer's own.
PARTS = [
    ("matrix products of convolutions and heads", r"::(reduce|gather)$|gemm"),
    ("Winograd transforms around them", r"winograd"),
    # By `perf annotate`: addresses and calls of the products, and a tenth of it the softmax's maximum.
    ("loops that call the products", r"kernels::cpu::threads::with_scratch"),
    ("weights and results moved between layouts", r"kernels::cpu::(convolution|weight_gradient|threads)|transpose|reserve|add_in_order"),
    ("borders and patches: padded copies, places", r"kernels::cpu::geometry|Window::fill"),
    ("batch normalisation, ReLU, shortcuts", r"::(normalise|moments|gradient_sums|input_gradient|mask)$|normalisation|pooling"),
    ("queue products and softmax", r"contrast|exponentials"),
    ("optimiser, momentum encoder, other operations of Burn", r"burn|macerator|zip|optim|flex"),
    (LOADER, r"zune|png::|fdeflate|preprocess|views::|trainer::data"),
    ("memory: zeroing, copying, page faults", r"mem(set|move|cpy)|page|clear_|^\[k\]|malloc|free|munmap"),
    ("threads waiting for work", r"crossbeam|rayon"),
]


def main():
    if "--" not in sys.argv or len(sys.argv) < 4:
        sys.exit(__doc__)
    trainer, _, *words = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "perf.data"
        command = ["perf", "record", "--quiet", "-F", "500", "-o", str(data), trainer, *words]
        if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode != 0:
            sys.exit("error: perf or the trainer failed\nhint: run the command behind -- by itself")
        report = ["perf", "report", "--stdio", "-i", str(data), "--sort", "comm,sym", "--field-separator", "|"]
        lines = subprocess.run(report, capture_output=True, text=True, check=True).stdout.splitlines()
    shares, others = collections.Counter(), collections.Counter()
    for line in lines:
        if line.startswith("#") or line.count("|") < 2:
            continue
        share, thread, symbol = (field.strip() for field in line.split("|", 2))
        symbol = symbol.removeprefix("[.] ")
        part = next((part for part, rule in PARTS if re.search(rule, symbol)), "everything else")
        part = LOADER if thread.startswith("loader") else part
        shares[part] += float(share.rstrip("%"))
        if part == "everything else":
            others[symbol] += float(share.rstrip("%"))
    print("| part of the step | share of processor time |\n|---|---:|")
    for part, share in shares.most_common():
        print(f"| {part} | {share:.1f} % |")
    worst = ", ".join(f"{symbol} {share:.1f} %" for symbol, share in others.most_common(3))
    print(f"\nlargest of everything else: {worst}\n{record.machine()}")


if __name__ == "__main__":
    main()
