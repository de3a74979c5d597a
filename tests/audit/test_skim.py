"""Files gone through quickly, against Python's own lines."""

import gzip
import json
import random
from pathlib import Path

import pytest
import zstandard

from dimpflow.audit import pieces
from dimpflow.audit.consistency.compare import Comparison
from dimpflow.audit.consistency.pairs import Every, Imported, refused
from dimpflow.audit.skim import skim
from dimpflow.errors import InputError


def lines_of(seed: int, count: int) -> list[bytes]:
    """Resources of several types; some begin with another member, or are short."""
    drawn = random.Random(seed)
    lines = []
    for number in range(count):
        resource = {"resourceType": drawn.choice(["Patient", "PatientX", "Pat", "Condition"]), "id": number}
        if drawn.random() < 0.2:
            resource = dict(reversed(resource.items()))
        text = json.dumps(resource | {"x": "y" * drawn.randrange(40)}, separators=(",", ":"))
        lines.append(drawn.choice([text, text, text, "{}"]).encode() + b"\n")
    return lines


@pytest.fixture(params=[100, 1 << 20])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    size: int = request.param
    monkeypatch.setattr(pieces, "BLOCK", size)
    return size


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
@pytest.mark.parametrize("last", [b"\n", b""])
def test_all_lines_with_their_numbers_and_types(ending: str, last: bytes, block: int, tmp_path: Path) -> None:
    expected = lines_of(1, 300)
    expected[-1] = b'{"resourceType":"Patient"}' + last
    data = b"".join(expected)
    packed = {"": data, ".gz": gzip.compress(data), ".zst": zstandard.compress(data)}[ending]
    path = tmp_path / f"x.ndjson{ending}"
    path.write_bytes(packed)
    found, wanted = [], []
    for part in skim(path):
        assert part.first == len(found)
        found += [part[place] for place in range(len(part.ends))]
        wanted += part.of_types(["Patient", "Condition"])
    assert found == expected
    heads = (b'{"resourceType":"Patient"', b'{"resourceType":"Condition"')
    assert wanted == [
        one for one in expected if one.startswith(heads) or not one.startswith(b'{"resourceType":"')
    ]


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "x.ndjson").touch()
    assert list(skim(tmp_path / "x.ndjson")) == []


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_every_nth_line_that_was_not_refused(step: int, block: int, tmp_path: Path) -> None:
    drawn = random.Random(step)
    imported, kept, gone = [], [], []
    for number, count in enumerate((50, 0, 1, 120)):
        lines = lines_of(number, count)
        away = frozenset(drawn.sample(range(count), count // 3))
        path = tmp_path / f"{number}.ndjson"
        path.write_bytes(b"".join(lines))
        imported.append(Imported(path, away))
        kept += [line for n, line in enumerate(lines) if n not in away]
        gone += [line for n, line in enumerate(lines) if n in away]
    every = Every(step, imported)
    assert list(every) == [(n, kept[n]) for n in range(0, len(kept), step)]
    assert every.total == len(kept)
    assert list(refused(imported)) == gone


@pytest.mark.parametrize("more", [-300, -1, 1, 300])
@pytest.mark.parametrize("said", [900, 50_000])
def test_another_number_of_lines_is_told(more: int, said: int, block: int, tmp_path: Path) -> None:
    """Also if not every line is compared."""
    before, after = tmp_path / "before.ndjson", tmp_path / "after.ndjson"
    before.write_bytes(b"".join(lines_of(1, 900)))
    after.write_bytes(b"".join(lines_of(1, 900 + more)))
    comparison = Comparison([Imported(before)], after, said)
    with pytest.raises(InputError, match="not as many lines"):
        for part in skim(after):
            comparison.take(part)
        comparison.done()
