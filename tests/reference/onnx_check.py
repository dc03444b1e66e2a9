#!/usr/bin/env python3
"""Checks exported ONNX models against the outputs that Solstice computed for the same input.

    python3 tests/reference/onnx_check.py FOLDER

For every NAME.onnx in FOLDER there is a NAME.safetensors with the tensors `tiles` [n, bands, px, px], `embedding`
[n, width] and, for a model with a head, `logits` [n, classes]. Needs onnx, onnxruntime, safetensors and numpy.
Ends with "N passed, N failed"; the exit code is 1 when one failed or none was found.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file

# Convolutions are summed in another order: about 1e-6 a layer.
TOLERANCE = 1e-4


def check(path):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected = load_file(path.with_suffix(".safetensors"))
    tiles = expected.pop("tiles")
    names = [output.name for output in session.get_outputs()]
    assert set(names) == set(expected), f"outputs {names}, expected {sorted(expected)}"
    worst = 0.0
    # The batch axis is free: all tiles at once, then one alone.
    for part in (slice(None), slice(0, 1)):
        found = dict(zip(names, session.run(None, {"tiles": tiles[part]})))
        for name, value in found.items():
            reference = expected[name][part]
            assert value.shape == reference.shape, f"{name} has shape {value.shape}, expected {reference.shape}"
            worst = max(worst, float(np.abs(value - reference).max() / np.abs(reference).max()))
    assert worst <= TOLERANCE, f"largest relative difference {worst:.2e}"
    return worst


def main(folder):
    passed = failed = 0
    for path in sorted(Path(folder).glob("*.onnx")):
        try:
            print(f"{path.stem}: largest relative difference {check(path):.1e}")
            passed += 1
        except Exception as problem:  # the next model is checked all the same
            print(f"{path.stem}: FAILED: {problem}")
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
