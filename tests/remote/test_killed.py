"""Killed at any moment and run again: the same bytes, and nothing that was answered is asked again."""

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from shards import RULESETS, TODAY, Shards, bundle, parsed, patient

from doubles.dimp import DimpDouble

RULES = RULESETS / "mii-like.yaml"
KILLS = 20


@pytest.mark.parametrize(("pack", "connections"), [(1, 1), (5, 1), (1, 4)])
def test_killed_at_random_moments(tmp_path: Path, pack: int, connections: int) -> None:
    draw = random.Random(connections * 10 + pack)
    lines = [
        *(patient(n) for n in range(300 * pack)),
        bundle(1, 6),
        *(patient(n) for n in range(10_000, 10_030)),
    ]
    data = Shards(tmp_path, lines, RULES, limit=500)
    whole = Shards(tmp_path / "whole", lines, RULES, limit=500).embedded()
    with DimpDouble(RULES, reference_date=TODAY, latency=0.002) as double:
        for _ in range(KILLS):
            before = len(double.posts)
            process = subprocess.Popen(
                command(double.url, pack, connections, data), stderr=subprocess.DEVNULL
            )
            enough = before + draw.randrange(1, 12)
            while len(double.posts) < enough and process.poll() is None:
                time.sleep(0.0005)
            time.sleep(draw.random() * 0.004)
            process.kill()
            process.wait()
            assert not data.out(1).exists()
        subprocess.run(command(double.url, pack, connections, data), check=True)
        times = Counter(seen.sha256 for seen in double.posts)
    assert parsed(data.out(1).read_bytes()) == parsed(whole)
    assert not data.journal().exists()
    # what was on its way when the process died had to be sent again, and nothing else
    assert sum(times.values()) - len(times) <= KILLS * connections
    assert len(times) > KILLS


def command(url: str, pack: int, connections: int, data: Shards) -> list[str]:
    script = Path(__file__).with_name("one_run.py")
    return [sys.executable, str(script), url, str(pack), str(connections), str(data.folder), str(data.rules)]


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    """However many requests go out at a time."""
    lines = [patient(n) for n in range(200)]
    found = set()
    for connections in (1, 8):
        data = Shards(tmp_path / str(connections), lines, RULES)
        with DimpDouble(RULES, reference_date=TODAY, latency=0.001) as double:
            found.add(data.remote(double.url, pack=7, connections=connections))
    assert len(found) == 1
