"""k-means on many vectors beside scikit-learn's, on the same number of threads: seconds and the largest memory.

    python3 tests/bench/kmeans.py KMEANS_BENCH_BINARY [VECTORS 1000000] [WIDTH 512] [CLUSTERS 320] [ITERATIONS 10]

The binary is target/…/deps/kmeans-… after `cargo bench -p solstice-tests --profile dev --bench kmeans --no-run`. Both start
from rows drawn at random, make as many Lloyd iterations, and assign once more. Needs scikit-learn.
"""

import json
import resource
import subprocess
import sys
import time


def peer(count, width, clusters, iterations):
    import numpy as np
    from sklearn.cluster import KMeans

    random = np.random.default_rng(1)
    centres = random.random((clusters, width), dtype=np.float32)
    rows = random.random((count, width), dtype=np.float32)
    for start in range(0, count, 4096):
        rows[start:start + 4096] += centres[np.arange(start, min(start + 4096, count)) % clusters]
    start = time.perf_counter()
    KMeans(clusters, init="random", n_init=1, max_iter=iterations, tol=0, algorithm="lloyd", copy_x=False).fit(rows)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def main():
    if sys.argv[1:2] == ["--peer"]:
        return peer(*map(int, sys.argv[2:]))
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sizes = (sys.argv[2:] + ["1000000", "512", "320", "10"][len(sys.argv) - 2:])[:4]
    print("| | seconds | largest memory, MiB |\n|---|---:|---:|")
    for name, command in [("Solstice", [sys.argv[1], *sizes]), ("scikit-learn", [sys.executable, __file__, "--peer", *sizes])]:
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        print(f"| {name} | {found['seconds']:.1f} | {found['peak_mib']:.0f} |")


if __name__ == "__main__":
    main()
