"""Rows of a benchmark with the machine and the versions they were made on; and the comparison of two such files.

    python3 tests/bench/record.py OLD.json NEW.json

prints every row that both have, ours as a multiple of what it was.
"""

import json
import os
import pathlib
import platform
import subprocess
import sys


def machine():
    """What a figure means nothing without."""
    described = pathlib.Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor()
    ask = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip()
    return {"processor": processor, "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2), "commit": commit}


def save(path, peer, rows):
    """`rows`: name → {"ours": …, "peer": …, "unit": …}."""
    content = {"machine": machine(), "peer": peer, "rows": rows}
    unfinished = pathlib.Path(f"{path}.tmp")
    unfinished.write_text(json.dumps(content, indent=1) + "\n")
    unfinished.replace(path)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    old, new = (json.loads(pathlib.Path(path).read_text()) for path in sys.argv[1:])
    for name, content in [("old", old), ("new", new)]:
        print(f"{name}: {content['machine']}, {content['peer']}")
    print("| row | unit | old | new | new / old | peer |\n|---|---|---:|---:|---:|---:|")
    for row, after in new["rows"].items():
        if before := old["rows"].get(row):
            ratio = after["ours"] / before["ours"]
            print(f"| {row} | {after['unit']} | {before['ours']:.1f} | {after['ours']:.1f} | {ratio:.2f} | {after['peer']:.1f} |")


if __name__ == "__main__":
    main()
