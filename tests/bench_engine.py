"""The engine alone against the floor: `make bench-engine`.

The floor is what any Python program that reads and writes these lines must at least do: split, orjson.loads, orjson.dumps,
join. Both get the same bytes in the same process, in turns, pinned to one core, and CPU time counts: the machine's speed and
its other work cancel out in the ratios. Before each measurement of the engine all its memories of values (hashes, pseudonyms,
dates) are emptied; its compiled walks stay. Nothing is asserted about times.
"""

import argparse
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from dimpflow.engine import run_state
from dimpflow.engine.engine import Engine
from dimpflow.engine.methods.cache import Cache
from dimpflow.fhir import primitives
from dimpflow.fhirpath import moments
from dimpflow.ndjson import BLOCK
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options
from dimpflow.scrub import search, spellings
from dimpflow.scrub.gather import TermsGatherer
from dimpflow.scrub.terms_store import TermsStore, write_terms
from generate import Shape, generate
from shared import SHARED

ROOT = Path(__file__).parents[1]
RULESETS = ROOT / "tests" / "rulesets"
MII = SHARED / "conformance" / "rulesets" / "mii-dup-base.yaml"
THIRD_PARTY = {
    "Synthea": SHARED / "data" / "extra" / "synthea-ndjson",
    "MII test data": SHARED / "data" / "ndjson",
}
RULE_SETS = {
    "minimal": RULESETS / "minimal.yaml",
    "MII": MII if MII.exists() else RULESETS / "mii-like.yaml",
    "HIPAA-like": RULESETS / "hipaa-like.yaml",
}
KEEP_TEXT = "keep text"
"""Our rule set that scrubs; its terms are gathered before, unmeasured, and read from the file as the step dimp does."""
SCRUBBING = {KEEP_TEXT: ROOT / "config" / "rulesets" / "default-keep-text.yaml"}
KEY = {"DIMP_CRYPTO_HASH_KEY": "a key for measuring only"}
GOALS = {"minimal": (0.33, 0.50), "MII": (0.30, 0.42), "HIPAA-like": (0.22, 0.33)}
"""Share of the floor's speed that the engine must have, and should have, on lines that are no Bundles."""
KEEP_TEXT_GOAL = (0.15, 0.2)
"""The same for texts that are scrubbed, in Bundles, too."""
BUNDLE_GOAL = (0.6, 0.85)
"""Speed on Bundles over that on the same resources, one a line."""
START_GOAL = (0.5, 0.25)
"""Seconds from the start of a process to the first line."""
MEMORY_GOAL = (128, 96)
"""MB of memory, for an input of any size."""

LINES, BUNDLES, OF_BUNDLES = "one a line", "Bundles", "the same, one a line"
BATCH = 64  # lines that are written at once, as in the step dimp
REPEATED_BYTES = 6_000_000
MEMORY_BYTES = 100_000_000
PASSES = 10
STARTS = 5


@dataclass(frozen=True, slots=True)
class DataSet:
    """Lines in blocks as they are read from a file."""

    name: str
    blocks: list[bytes]
    bytes: int
    resources: int


@dataclass(slots=True)
class Times:
    """CPU seconds of each round, for one data set: of the floor, and of the engine by rule set."""

    floor: list[float] = field(default_factory=list)
    engine: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def share(self, rules: str) -> float:
        """The engine's speed over the floor's: the median over the rounds."""
        return statistics.median(f / e for f, e in zip(self.floor, self.engine[rules], strict=True))


# ---- data ------------------------------------------------------------------------------------------------------------


def data_set(name: str, lines: list[bytes]) -> DataSet:
    """Lines packed into blocks; a Bundle counts as the resources in it."""
    blocks, block, size = list[bytes](), list[bytes](), 0
    for line in lines:
        if block and size + len(line) > BLOCK:
            blocks.append(b"\n".join(block))
            block, size = [], 0
        block.append(line)
        size += len(line) + 1
    blocks.append(b"\n".join(block))
    resources = sum(line.count(b'"resource":{') or 1 for line in lines)
    return DataSet(name, blocks, sum(len(line) + 1 for line in lines), resources)


def lines_of(folder: Path) -> list[bytes]:
    """All lines of a folder, without TORCH's consent audit."""
    files = sorted(path for path in folder.glob("*.ndjson") if not path.stem.endswith("_consent"))
    return [line for path in files for line in path.read_bytes().splitlines()]


def generated(folder: Path, size: int, shape: Shape = "ndjson") -> Path:
    """A cohort of that size; one that is there already serves again."""
    cohort = folder / f"cohort-{shape}-{size // 10**6}"
    if not cohort.is_dir():
        print(f"generating {size / 1e6:.0f} MB in {cohort} ...", flush=True)
        new = cohort.with_suffix(".new")
        generate(new, size=size, seed=1, shape=shape)
        new.rename(cohort)
    return cohort


def data_sets(folder: Path, size: int) -> list[DataSet]:
    """What is measured: our own cohort three ways, and others' data where it lies beside the project."""
    bundles = lines_of(generated(folder, size, "torch"))
    entries = (entry for line in bundles for entry in orjson.loads(line)["entry"])
    found = [
        data_set(LINES, lines_of(generated(folder, size))),
        data_set(BUNDLES, bundles),
        data_set(OF_BUNDLES, [orjson.dumps(entry["resource"]) for entry in entries]),
    ]
    for name, place in THIRD_PARTY.items():
        if place.is_dir():
            lines = lines_of(place)
            found.append(data_set(name, lines * (REPEATED_BYTES // sum(map(len, lines)) + 1)))
    return found


# ---- throughput ------------------------------------------------------------------------------------------------------


def floor(data: DataSet) -> None:
    for block in data.blocks:
        b"\n".join([orjson.dumps(orjson.loads(line)) for line in block.split(b"\n")])


def deidentify(engine: Engine, data: DataSet) -> None:
    """As the step dimp does it."""
    work = engine.deidentify
    for block in data.blocks:
        lines = block.split(b"\n")
        for start in range(0, len(lines), BATCH):
            b"\n".join([work(line) for line in lines[start : start + BATCH]])


def terms_of(sets: list[DataSet], path: Path) -> TermsStore:
    """The terms of all patients, written and opened as the workflow does."""
    gatherer = TermsGatherer()
    for data in sets:
        for block in data.blocks:
            for line in block.split(b"\n"):
                gatherer.take(line)
    write_terms(path, [gatherer.rows()])
    return TermsStore(path)


def forget() -> None:
    """Empties all that was remembered about values, as if no line had come yet; compiled walks stay."""
    Cache.clear_all()
    for module in (primitives, moments, run_state, search, spellings):
        for thing in vars(module).values():
            if hasattr(thing, "cache_clear"):
                thing.cache_clear()
            elif isinstance(thing, spellings.Stems):
                thing.clear()


def cpu_seconds(work: Callable[[], None]) -> float:
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(
    sets: list[DataSet], engines: dict[str, Engine], terms: TermsStore, repeat: int
) -> dict[str, Times]:
    """Seconds by data set. One round over everything goes before, unmeasured: it compiles the walks."""
    for data in sets:
        for engine in engines.values():
            deidentify(engine, data)
    times = {data.name: Times() for data in sets}
    for _ in range(repeat):
        for data in sets:
            times[data.name].floor.append(cpu_seconds(partial(floor, data)))
            for name, engine in engines.items():
                forget()
                terms.forget()
                times[data.name].engine[name].append(cpu_seconds(partial(deidentify, engine, data)))
    return times


# ---- new processes ---------------------------------------------------------------------------------------------------


def fresh(rules: Path, folder: Path, passes: int, strict: bool) -> list[float]:
    """Peak memory in MB, after each pass, of a new process that de-identifies a folder (0 passes: its first line)."""
    script = ROOT / "tests" / "benchmarks" / "fresh_process.py"
    arguments = [str(rules), str(folder), str(passes), "strict" if strict else "compat"]
    done = subprocess.run([sys.executable, script, *arguments], stdout=subprocess.PIPE, check=True)
    peaks: list[float] = json.loads(done.stdout)
    return peaks


def start_seconds(rules: Path, folder: Path, strict: bool) -> float:
    """From the start of a process to its first line and its end; wall clock, the median of some."""

    def once() -> float:
        start = time.perf_counter()
        fresh(rules, folder, 0, strict)
        return time.perf_counter() - start

    once()  # leaves bytecode behind
    return statistics.median(once() for _ in range(STARTS))


# ---- report ----------------------------------------------------------------------------------------------------------


def throughput(sets: list[DataSet], times: dict[str, Times], engines: Iterable[str]) -> list[dict[str, Any]]:
    """Prints the table and gives its rows."""
    rows = []
    head = f"{'MB/s':>8}{'resources/s':>13}{'of floor':>10}{'must':>7}{'aim':>7}"
    print(f"{'data':22}{'MB':>6}{'resources':>11}  {'rules':12}{head}")
    for data in sets:
        base = statistics.median(times[data.name].floor)
        speed = f"{data.bytes / base / 1e6:8.1f}{data.resources / base:13.0f}"
        print(f"{data.name:22}{data.bytes / 1e6:6.1f}{data.resources:11}  {'(floor)':12}{speed}{1:10.3f}")
        for name in engines:
            seconds = statistics.median(times[data.name].engine[name])
            row = {
                "data": data.name,
                "rules": name,
                "share_of_floor": round(times[data.name].share(name), 4),
                "mb_per_second": round(data.bytes / seconds / 1e6, 2),
                "resources_per_second": round(data.resources / seconds),
                "seconds": [round(one, 5) for one in times[data.name].engine[name]],
                "floor_seconds": [round(one, 5) for one in times[data.name].floor],
            }
            rows.append(row)
            speed = f"{row['mb_per_second']:8.1f}{row['resources_per_second']:13}"
            goal = KEEP_TEXT_GOAL if name == KEEP_TEXT else GOALS[name] if data.name != BUNDLES else ()
            goals = "".join(f"{share:7.2f}" for share in goal)
            print(f"{'':41}{name:12}{speed}{row['share_of_floor']:10.3f}{goals}")
    return rows


def bundles_over_lines(sets: list[DataSet], times: dict[str, Times], rules: str) -> float:
    """Speed on Bundles over that on their resources one a line, in MB of input a second."""
    size = {data.name: data.bytes for data in sets}
    rounds = zip(times[OF_BUNDLES].engine[rules], times[BUNDLES].engine[rules], strict=True)
    return statistics.median(size[BUNDLES] / size[OF_BUNDLES] * lines / bundles for lines, bundles in rounds)


def print_row(title: str, values: dict[str, Any], style: str, goal: tuple[float, float]) -> None:
    cells = "".join(f"{name} {value:{style}}  " for name, value in values.items())
    print(f"{title:44}{cells}(must {goal[0]}, aim {goal[1]})")


def pin() -> str:
    """Puts this process and its children on one core, where the system allows it."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"core {core}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--mb", type=int, default=20, help="size of each of our two cohorts in MB (default 20)"
    )
    parser.add_argument("--repeat", type=int, default=9, help="rounds; the median counts (default 9)")
    parser.add_argument("--strict", action="store_true", help="apply the rules strictly")
    parser.add_argument(
        "--memory", action="store_true", help="also the peak memory over 1 GB (takes a minute or two)"
    )
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "bench", help="for the cohorts and engine.json (default bench/)"
    )
    given = parser.parse_args()

    sets = data_sets(given.folder, given.mb * 10**6)
    where = pin()
    options = Options(strict=given.strict, reference_date=date(2026, 8, 7))
    engines = {name: Engine(load_rule_set(path, {}, options)) for name, path in RULE_SETS.items()}
    terms = terms_of(sets, given.folder / "terms.jsonl")
    strictly = replace(options, strict=True)  # as the workflow applies our own
    for name, path in SCRUBBING.items():
        engines[name] = Engine(load_rule_set(path, KEY, strictly), terms=terms)
    mode = "strict" if given.strict else "compat"
    python = f"Python {platform.python_version()}"
    print(
        f"CPU time, cold, median of {given.repeat}, {where}, load {os.getloadavg()[0]:.1f}, {python}, {mode}"
    )
    print(f"MII rules: {RULE_SETS['MII'].name}\n", flush=True)
    times = measure(sets, engines, terms, given.repeat)
    report: dict[str, Any] = {
        "python": platform.python_version(),
        "mode": mode,
        "rules": {name: path.name for name, path in (RULE_SETS | SCRUBBING).items()},
        "throughput": throughput(sets, times, engines),
    }
    print()
    ratios = {name: bundles_over_lines(sets, times, name) for name in engines}
    report["bundles_over_lines"] = ratios
    print_row("Bundles / the same, one a line (MB/s)", ratios, ".2f", BUNDLE_GOAL)
    cohort = generated(given.folder, given.mb * 10**6)
    starts = {name: start_seconds(path, cohort, given.strict) for name, path in RULE_SETS.items()}
    report["start_seconds"] = starts
    print_row("start to first line (s, wall)", starts, ".2f", START_GOAL)
    if given.memory:
        cohort = generated(given.folder, MEMORY_BYTES)
        peaks = {name: fresh(path, cohort, PASSES, given.strict) for name, path in RULE_SETS.items()}
        report["peak_mb"] = peaks
        for number in (1, PASSES):
            title = f"peak memory after {number * MEMORY_BYTES / 1e6:.0f} MB (MB)"
            print_row(title, {name: found[number - 1] for name, found in peaks.items()}, ".0f", MEMORY_GOAL)
    (given.folder / "engine.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
