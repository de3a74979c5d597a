"""Downloads beside a plain stream to the disk: `python tests/bench_download.py`.

The plain stream is what a short script would do: `requests`, iter_content of 1 MB, write; with a session of the same kind, from
the same server, a process of its own on another core if there is one. download() is measured without and with the checker of
TORCH's lines; both also make the SHA-256 and wait for the disk. Each way fetches all files in a process of its own, so that its
peak of memory can be told; the ways take turns, and the median of the rounds counts. Nothing is asserted about times.
"""

import argparse
import itertools
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from dimpflow.clients.access import Access, open_session
from dimpflow.clients.download import Patience, download
from dimpflow.clients.retry import Retry
from dimpflow.clients.torch.lines import TorchLines

WAYS = ("plain", "unchecked", "checked")
AIM = 0.5
"""Of the plain stream's speed."""
MOST_MEMORY = 150
"""MB of a process."""
PATIENTS = 400
"""Different ones; their lines come again and again."""


def fill(folder: Path, files: int, size: int) -> None:
    """Files of TORCH's shape, together of about `size` bytes."""
    from generate import generate

    folder.mkdir()
    generate(folder / "cohort", PATIENTS, shape="torch")
    lines = [
        line
        for path in sorted((folder / "cohort").glob("*.ndjson"))
        if not path.stem.endswith("_consent")
        for line in path.read_bytes().splitlines(keepends=True)
    ]
    again = itertools.cycle(lines)
    for number in range(files):
        with (folder / f"{number}.ndjson").open("wb") as file:
            while file.tell() < size // files:
                file.write(next(again))


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a file server in a process of its own, until the end of its standard input."""
    with subprocess.Popen(
        [sys.executable, __file__, "--serve", folder],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin and process.stdout
        address = re.search(r"http://\S+", process.stdout.readline())
        if address is None:
            raise SystemExit("the file server does not start")
        yield address[0]
        process.stdin.close()


def serve(folder: Path) -> None:
    from doubles.files import FileServer

    with FileServer(folder) as server:
        print(server.url, flush=True)
        sys.stdin.read()


def fetch(way: str, url: str, files: int, folder: Path) -> None:
    """All files, one after the other; prints bytes, seconds, CPU seconds and the peak of memory in MB."""
    session = open_session(Access(url=url, section="bench"), {}, connections=1)
    retry, patience = Retry(1, 1, 1), Patience(ready_retries=0)
    before = peak_memory()
    total, start, cpu = 0, time.perf_counter(), time.process_time()
    for number in range(files):
        address, target = f"{url}/{number}.ndjson", folder / f"{number}.ndjson"
        if way == "plain":
            headers = {"Accept-Encoding": "identity"}
            with session.get(address, stream=True, headers=headers) as answer, target.open("wb") as file:
                for block in answer.iter_content(1 << 20):
                    file.write(block)
                total += file.tell()
            continue
        total += download(
            session,
            address,
            target,
            key="bench.url",
            auth_key="bench.auth",
            retry=retry,
            patience=patience,
            check=TorchLines if way == "checked" else None,
        ).bytes
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    found = {"bytes": total, "seconds": seconds, "cpu": cpu, "peak": peak_memory(), "before": before}
    print(json.dumps(found))


def peak_memory() -> float:
    """MB of this process so far. Linux passes on what getrusage says to a program that takes over the process, so not that."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        if found:
            return int(found[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def measured(way: str, url: str, files: int, folder: Path) -> dict[str, float]:
    """`fetch` in a process of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        command = [
            sys.executable,
            __file__,
            "--fetch",
            way,
            "--url",
            url,
            "--files",
            str(files),
            "--folder",
            out,
        ]
        found: dict[str, float] = json.loads(
            subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        )
    return found


def compare(files: int, size: int, rounds: int, folder: Path) -> None:
    print(
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f}; {files} files, {size // 10**6} MB; median of {rounds}"
    )
    fill(folder / "served", files, size)
    samples: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with serving(folder / "served") as url:
        measured("plain", url, files, folder)  # so that all files are in the system's cache
        for _ in range(rounds):
            for way in WAYS:
                samples[way].append(measured(way, url, files, folder))
    for way, found in samples.items():
        speed = statistics.median(one["bytes"] / one["seconds"] / 1e6 for one in found)
        share = statistics.median(
            plain["seconds"] / one["seconds"] for plain, one in zip(samples["plain"], found, strict=True)
        )
        cpu = statistics.median(one["cpu"] for one in found)
        peak, before = max(one["peak"] for one in found), max(one["before"] for one in found)
        print(
            f"{way:10}{speed:6.0f} MB/s   {share:5.2f} of plain   CPU {cpu:5.2f} s   peak {peak:4.0f} MB ({before:.0f} before)"
        )
    print(f"(aim: {AIM} of plain, under {MOST_MEMORY} MB)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mb", type=int, default=1000, help="size of all files together (default 1000)")
    parser.add_argument("--files", type=int, default=20, help="how many files (default 20)")
    parser.add_argument("--repeat", type=int, default=3, help="rounds (default 3)")
    parser.add_argument(
        "--folder",
        type=Path,
        default=None,
        help="where to put a folder for the time being (default: the system's)",
    )
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--fetch", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
    elif given.fetch:
        fetch(given.fetch, given.url, given.files, given.folder)
    else:
        with tempfile.TemporaryDirectory(dir=given.folder, prefix="download-") as folder:
            compare(given.files, given.mb * 10**6, given.repeat, Path(folder))


if __name__ == "__main__":
    main()
