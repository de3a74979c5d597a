"""The way to a DIMP service, beside a loop that sends one resource after the other: `make bench-dimp`.

The loop is what a short script would do: one `requests` session without the environment's settings, a POST for each resource,
the answer parsed. It runs in each round, in turn with our step `dimp` (which also checks, journals and writes), against the same
servers: our double of the service, with the engine, and one that sends back what came. Both are processes of their own, on
another core if there is one, and wait as long as asked before each answer. How many resources go through depends on the speed,
so that each measurement takes about as long. The median of the rounds' ratios counts. Nothing is asserted about times.
"""

import argparse
import gc
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import requests

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from bench_engine import ROOT, RULE_SETS, generated, lines_of
from dimpflow.clients.access import Access, open_session
from dimpflow.clients.dimp_service import DimpService, Wrapping, operation_url
from dimpflow.clients.retry import Retry
from dimpflow.service_rules import packing_for
from dimpflow.steps.batches import Packing
from dimpflow.steps.dimp_remote import Remote, deidentify_shard_remotely
from remote.shards import Shards

RULES = RULE_SETS["minimal"]
SERVERS = ("engine", "canned")
LATENCIES = (0, 5, 50)
"""Milliseconds before each answer."""
CONNECTIONS = (1, 4, 16)
AIMS = ((5, False, (16,), 12), (0, True, CONNECTIONS, 20))
"""Latency, packing, connections, and how many times as fast as the loop."""
LEAST, MOST = 64, 48_000
"""Resources in a measurement; more than MOST would take long to prepare."""
COHORT_BYTES = 20 * 10**6
RETRY = Retry(max_attempts=2, initial_backoff_ms=1, max_backoff_ms=5)

Work = Callable[[], None]


class Sample(NamedTuple):
    """What a resource took: seconds by the clock, and of this process's CPU."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Way:
    """How the resources go to a server. connections: 0 for the loop."""

    server: str
    latency: int
    connections: int = 0
    packed: bool = False


@dataclass(slots=True)
class Cell:
    """A way, the resources that go it in each round, and what they took."""

    resources: int
    work: Work
    samples: list[Sample] = field(default_factory=list)

    def measure(self) -> Sample:
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        self.work()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return Sample(wall / self.resources, cpu / self.resources)

    def typical(self) -> Sample:
        """Medians."""
        walls, cpus = zip(*self.samples, strict=True)
        return Sample(statistics.median(walls), statistics.median(cpus))

    def times(self, loop: "Cell") -> float:
        """How many times as fast as the loop, by the clock."""
        return statistics.median(l.wall / s.wall for l, s in zip(loop.samples, self.samples, strict=True))  # noqa: E741


# ---- servers ---------------------------------------------------------------------------------------------------------


def cores() -> tuple[set[int], set[int]] | None:
    """For the client, and for the servers. None where the system has only one, or does not allow it."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    found = sorted(os.sched_getaffinity(0))
    return ({found[0]}, {found[-1]}) if len(found) > 1 else None


@contextmanager
def serving(name: str, latency: int) -> Iterator[str]:
    """The address of a server in a process of its own, on the cores that this process may use at the moment."""
    script = Path(__file__).parent / "doubles" / "dimp.py"
    options = ["--rules", str(RULES), "--port", "0", "--latency", str(latency)]
    options += ["--canned"] if name == "canned" else []
    with subprocess.Popen([sys.executable, script, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            address = re.search(r"http://[\d.]+:\d+", process.stdout.readline())
            if address is None:
                raise SystemExit("the double of the service does not start")
            yield address[0]
        finally:
            process.terminate()


# ---- ways ------------------------------------------------------------------------------------------------------------


class Ways:
    """What is measured, on some lines (shuffled, so that any number of them is a mixture), in a folder for shards."""

    def __init__(
        self, lines: Sequence[bytes], folder: Path, urls: dict[tuple[str, int], str], stack: ExitStack
    ) -> None:
        self._lines = lines
        self._folder = folder
        self._urls = urls
        self._sessions: dict[tuple[str, int, int], requests.Session] = {}
        self._stack = stack
        self._shards: dict[int, Shards] = {}

    def cell(self, way: Way, resources: int) -> Cell:
        url = self._urls[way.server, way.latency]
        if not way.connections:
            lines = list(islice(cycle(self._lines), resources))
            session = self._stack.enter_context(requests.Session())
            session.trust_env = False
            return Cell(resources, lambda: one_by_one(session, operation_url(url), lines))
        shards = self._shard(resources)
        remote = self._remote(way, url)
        return Cell(resources, lambda: as_the_step(remote, shards))

    def _shard(self, resources: int) -> Shards:
        if resources not in self._shards:
            lines = list(islice(cycle(self._lines), resources))
            self._shards[resources] = Shards(self._folder / str(resources), lines, RULES)
        return self._shards[resources]

    def _remote(self, way: Way, url: str) -> Remote:
        """With connections that stay open: a job opens its own once."""
        key = (way.server, way.latency, way.connections)
        if key not in self._sessions:
            access = Access(url=url, section="services.dimp")
            self._sessions[key] = self._stack.enter_context(
                open_session(access, {}, connections=way.connections)
            )
        service = DimpService(self._sessions[key], url, RETRY, wrapping=Wrapping(), compress=False)
        packing = packing_for(RULES, {}, {})[0] if way.packed else Packing()
        assert packing.most > 1 or not way.packed
        return Remote(service, packing, way.connections, allow_empty=False, identity="benchmark")


def one_by_one(session: requests.Session, url: str, lines: Sequence[bytes]) -> None:
    """The loop."""
    headers = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
    for line in lines:
        answer = session.post(url, data=line, headers=headers)
        answer.raise_for_status()
        orjson.loads(answer.content)


def as_the_step(remote: Remote, shards: Shards) -> None:
    """A job's work on its shard."""
    deidentify_shard_remotely(
        remote,
        *shards.split(1),
        shards.imported,
        shards.out(1),
        shards.folder / "counts.json",
        on_invalid="fail",
        rejected=shards.rejected(1),
    )


def ways() -> list[Way]:
    """The loop first, for each server and latency."""
    return [
        Way(server, latency, connections, packed)
        for server in SERVERS
        for latency in LATENCIES
        for connections, packed in [(0, False), *((n, p) for p in (False, True) for n in CONNECTIONS)]
    ]


def measure(all_ways: Ways, seconds: float, repeat: int) -> dict[Way, Cell]:
    """All ways in turns. A short try goes before, unmeasured, and says how many resources take about `seconds`."""
    cells: dict[Way, Cell] = {}
    for way in ways():
        connections = max(way.connections, 1)
        tried = all_ways.cell(way, connections * (200 if way.packed else 12))
        tried.measure()  # opens the connections
        wanted = int(seconds / tried.measure().wall)
        cells[way] = all_ways.cell(way, round_down(min(max(wanted, LEAST), MOST)))
    for _ in range(repeat):
        for cell in cells.values():
            cell.samples.append(cell.measure())
    return cells


def round_down(number: int) -> int:
    """To two digits, so that ways of about the same speed share a shard."""
    unit = 10 ** max(len(str(number)) - 2, 0)
    return max(number // unit * unit, LEAST)


# ---- report ----------------------------------------------------------------------------------------------------------


def show(cells: dict[Way, Cell]) -> list[dict[str, Any]]:
    """Prints the table and gives its rows."""
    rows = []
    print(" " * 38 + "".join(f"{f'{n} connection' + 's' * (n > 1):>29}" for n in CONNECTIONS))
    columns = f"{'times':>9}{'per s':>10}{'CPU µs':>10}" * len(CONNECTIONS)
    print(f"{'server':8}{'ms':>3}   {'the loop':16}{'':8}{columns}")
    for way, loop in cells.items():
        if way.connections:
            continue
        base = loop.typical()
        rows.append(row_of(way, loop, loop))
        for packed in (False, True):
            line = f"{way.server:8}{way.latency:3}{1 / base.wall:7.0f}/s{base.cpu * 1e6:5.0f} µs"
            line = f"{'' if packed else line:30}{'packed' if packed else 'singly':8}"
            for connections in CONNECTIONS:
                one = Way(way.server, way.latency, connections, packed)
                row = row_of(one, cells[one], loop)
                rows.append(row)
                line += f"{row['times_the_loop']:9.1f}{row['resources_per_second']:10}{row['cpu_us_per_resource']:10.0f}"
            print(line)
    return rows


def row_of(way: Way, cell: Cell, loop: Cell) -> dict[str, Any]:
    typical = cell.typical()
    return {
        "server": way.server,
        "latency_ms": way.latency,
        "connections": way.connections or 1,
        "way": ("packed" if way.packed else "singly") if way.connections else "loop",
        "times_the_loop": round(cell.times(loop), 2),
        "resources": cell.resources,
        "resources_per_second": round(1 / typical.wall),
        "cpu_us_per_resource": round(typical.cpu * 1e6, 1),
        "times_in_cpu": round(loop.typical().cpu / typical.cpu, 2),
        "seconds": [round(one.wall * cell.resources, 4) for one in cell.samples],
    }


def show_aims(cells: dict[Way, Cell]) -> None:
    for latency, packed, numbers, aim in AIMS:
        for server in SERVERS:
            loop = cells[Way(server, latency)]
            found = "   ".join(
                f"{n}: {cells[Way(server, latency, n, packed)].times(loop):.1f}" for n in numbers
            )
            kind = "packed" if packed else "singly"
            print(f"{latency} ms, {kind}, {server}, times the loop by connections  {found}   (aim {aim})")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=3, help="rounds; the median counts (default 3)")
    parser.add_argument(
        "--seconds", type=float, default=0.8, help="a measurement takes about as long (default 0.8)"
    )
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "bench", help="for the cohort and dimp.json (default bench/)"
    )
    given = parser.parse_args()

    lines = lines_of(generated(given.folder, COHORT_BYTES))
    random.Random(1).shuffle(lines)
    split = cores()
    with ExitStack() as stack:
        if split:
            os.sched_setaffinity(0, split[1])  # of which a process that starts takes over
        urls = {
            (server, latency): stack.enter_context(serving(server, latency))
            for server in SERVERS
            for latency in LATENCIES
        }
        if split:
            os.sched_setaffinity(0, split[0])
        where = f"client and server on cores {min(split[0])} and {min(split[1])}" if split else "not pinned"
        facts = {
            "machine": f"{platform.system()} {platform.machine()}",
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load": round(os.getloadavg()[0], 1),
        }
        print(
            f"{facts['machine']}, {facts['cores']} cores, Python {facts['python']}, load {facts['load']}; {where}; "
            f"median of {given.repeat}; rules: {RULES.name}; resources of {sum(map(len, lines)) // len(lines)} bytes",
            flush=True,
        )
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=given.folder, prefix="dimp-")))
        cells = measure(Ways(lines, folder, urls, stack), given.seconds, given.repeat)
    print()
    rows = show(cells)
    print()
    show_aims(cells)
    report = {**facts, "rounds": given.repeat, "rules": RULES.name, "rows": rows}
    (given.folder / "dimp.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
