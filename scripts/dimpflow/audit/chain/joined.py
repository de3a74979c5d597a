"""Where a result and its parts differ."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 1 << 18  # bytes


@dataclass(frozen=True)
class Difference:
    """line: of the result, part_line: of the part, from 1; part: its path as source/shard."""

    line: int
    part: str
    part_line: int


def first_difference(result: Path, parts: Sequence[Path]) -> Difference | None:
    """The first line in which a plain result and its parts, one after another, differ; None if they do not. OSError: a file that
    cannot be read."""
    line = 1
    with open(result, "rb") as whole:
        for part in parts:
            part_line = 1
            for block in _blocks(part):
                other = whole.read(len(block))
                if other != block:
                    before = block.count(b"\n", 0, _same(block, other))
                    return Difference(line + before, _name(part), part_line + before)
                newlines = block.count(b"\n")
                line, part_line = line + newlines, part_line + newlines
        if whole.read(1) and parts:  # the result goes on
            return Difference(line, _name(parts[-1]), part_line)
    return None


def _blocks(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _same(one: bytes, other: bytes) -> int:
    """How many bytes are the same from the beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _name(part: Path) -> str:
    return "/".join(part.parts[-2:])
