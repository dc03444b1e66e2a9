"""Kills `trainer gather` with signal 9 at random moments, continues it each time, and compares every byte with what an
undisturbed run wrote.

    python3 gather_kill.py TRAINER UNDISTURBED_DIR OUT --kills 50 -- gather --stac … (without --out)
"""
import argparse
import hashlib
import pathlib
import random
import shutil
import subprocess
import time


def files(root):
    found = {}
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if path.is_file() and not any(part.startswith(".") for part in parts):
            found["/".join(parts)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("trainer")
    parser.add_argument("undisturbed", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--longest", type=float, default=1.0, help="seconds before a kill, at most")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    shutil.rmtree(args.out, ignore_errors=True)
    rng = random.Random(1)
    command = [args.trainer, *args.command, "--out", str(args.out)]
    kills = 0
    while True:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if kills < args.kills:
            time.sleep(rng.uniform(0.02, args.longest))
            if process.poll() is None:
                process.kill()
                kills += 1
                process.wait()
                continue
            # Done before it could be killed: begin the last place anew, so that there is something to interrupt.
            places = sorted(path for path in args.out.iterdir() if path.name.isdigit())
            for path in rng.sample(places, min(20, len(places))):
                shutil.rmtree(path)
            continue
        _, err = process.communicate()
        assert process.returncode == 0, err
        break
    one, other = files(args.undisturbed), files(args.out)
    differ = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    print(f"{kills} kills; {len(other)} files, {len(differ)} of them differ {differ[:5]}")
    raise SystemExit(bool(differ))


main()
