"""The whole job against the floor: `make bench`.

The floor is what any Python program that reads and writes these lines must at least do: split into lines, orjson.loads,
orjson.dumps, join. It is measured in the same run, on the same bytes, on one core; the machine's speed cancels out in the
ratios. The job is timed from the start of `snakemake` to its end: import, split, de-identification, both results files.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import orjson

from generate import generate

ROOT = Path(__file__).parents[1]
BLOCK = 1 << 17


def floor(files: list[Path]) -> float:
    """Seconds for the round trip of all lines, in blocks as the engine reads them."""
    start = time.perf_counter()
    for path in files:
        rest = b""
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                lines = (rest + block).split(b"\n")
                rest = lines.pop()
                b"\n".join([orjson.dumps(orjson.loads(line)) for line in lines])
    return time.perf_counter() - start


def job(folder: Path, cohort: Path, cores: int, rules: str) -> float:
    """Seconds of a whole run in an empty working directory."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--directory", str(folder)]
    settings = [f"input={cohort}", "job=bench"] + (
        [f"services={{dimp: {{anonymization_config: {rules}}}}}"] if rules else []
    )
    environ = {**os.environ, "DIMP_CRYPTO_HASH_KEY": "a key for benchmarks only"}
    start = time.perf_counter()
    done = subprocess.run(
        [*command, "--cores", str(cores), "--config", *settings], env=environ, capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    status = json.loads((folder / "jobs" / "bench" / "status.json").read_bytes())
    assert status["state"] == "completed", status["state"]
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mb", type=int, default=2000, help="size of the cohort in MB (default 2000)")
    parser.add_argument("--shape", choices=["ndjson", "torch"], default="ndjson")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument(
        "--repeat", type=int, default=3, help="runs of each, interleaved; the median counts (default 3)"
    )
    parser.add_argument("--rules", default="", help="rule set (default: config/rulesets/default.yaml)")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "bench", help="for the cohort, the jobs and result.json"
    )
    arguments = parser.parse_args()

    cohort = arguments.folder / f"cohort-{arguments.shape}-{arguments.mb}"
    if not cohort.is_dir():
        print(f"generating {arguments.mb} MB in {cohort} ...", flush=True)
        generate(cohort, size=arguments.mb * 10**6, seed=1, shape=arguments.shape)
    files = sorted(p for p in cohort.glob("*.ndjson") if "_consent" not in p.name)
    size = sum(p.stat().st_size for p in files)
    lines = [line for p in files for line in p.read_bytes().splitlines()]
    resources = sum(line.count(b'"resource":{') or 1 for line in lines)
    del lines

    floors: list[float] = []
    times: dict[int, list[float]] = {cores: [] for cores in arguments.cores}
    for _ in range(arguments.repeat):
        floors.append(floor(files))
        for cores in arguments.cores:
            times[cores].append(job(arguments.folder / f"run-{cores}", cohort, cores, arguments.rules))
    base = statistics.median(floors)
    print(
        f"\n{len(files)} files, {size / 1e6:.0f} MB, {resources} resources, median of {arguments.repeat}, load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'':14}{'seconds':>9}{'MB/s':>9}{'resources/s':>13}{'of the floor':>14}{'speed-up':>10}")
    print(f"{'floor, 1 core':14}{base:9.2f}{size / base / 1e6:9.1f}{resources / base:13.0f}{1:14.3f}")
    report = {"files": len(files), "bytes": size, "resources": resources, "floor_seconds": base, "jobs": {}}
    first = None
    for cores in arguments.cores:
        seconds = statistics.median(times[cores])
        first = first or seconds
        share = base / seconds
        print(
            f"{f'job, {cores} core' + 's' * (cores > 1):14}{seconds:9.2f}{size / seconds / 1e6:9.1f}"
            f"{resources / seconds:13.0f}{share:14.3f}{first / seconds:10.2f}"
        )
        report["jobs"][str(cores)] = {
            "seconds": seconds,
            "share_of_floor": share,
            "speed_up": first / seconds,
        }
    (arguments.folder / "result.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
