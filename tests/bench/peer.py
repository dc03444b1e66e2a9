"""PyTorch as whoever wants speed of it runs it: a current one, channels last or not, eager or compiled.

Every measurement that is compared with it takes the best of `VARIANTS`, and says which that was. On Linux, PyPI's wheel
brings CUDA's libraries along; on a machine without such a card it computes on the processor all the same:

    python3 -m venv VENV && VENV/bin/pip install torch torchvision numpy pillow
"""

import sys

import torch

# Layout of the tensors, and whether the network goes through torch.compile.
VARIANTS = {
    "eager": (torch.contiguous_format, False),
    "eager, channels last": (torch.channels_last, False),
    "compiled, channels last": (torch.channels_last, True),
}


def check():
    if int(torch.__version__.split(".")[0]) < 2:
        sys.exit(f"error: this is PyTorch {torch.__version__}\nhint: speed is compared with a current one, 2.x; see tests/bench/peer.py")


def prepared(network, variant):
    """The network as the variant has it."""
    layout, is_compiled = VARIANTS[variant]
    network = network.to(memory_format=layout)
    return torch.compile(network) if is_compiled else network


def best(measure, variants=VARIANTS, largest=False):
    """What `measure` gives for the best of the variants, and its name: the least, or the largest."""
    found = {variant: measure(variant) for variant in variants}
    name = (max if largest else min)(found, key=found.get)
    return found[name], name
