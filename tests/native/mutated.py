"""Walks through lines with bytes lost, doubled or changed, and says what was found: `python mutated.py FOLDER SEED`.

Run without compilation (NUMBA_DISABLE_JIT=1), a place outside of the data is an IndexError; compiled, nobody would notice.
"""

import hashlib
import random
import sys
import warnings
from pathlib import Path

import numpy as np
import orjson

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

from dimpflow.audit.leaks.kinds import ANCHORS, KINDS  # noqa: E402
from dimpflow.audit.leaks.values import Gatherer  # noqa: E402
from dimpflow.audit.walking import folds  # noqa: E402
from dimpflow.native.folding import letters_of  # noqa: E402
from dimpflow.native.hashing import Hasher  # noqa: E402
from dimpflow.native.ids import LONGEST_WORD  # noqa: E402
from dimpflow.native.marks import Marker  # noqa: E402
from dimpflow.native.strings import COLUMNS, TALLY, WORD_ROOM, Known, Wanted, find  # noqa: E402


def mutated(line: bytes, drawn: random.Random) -> bytes:
    """The same with something wrong in it."""
    at = drawn.randrange(len(line))
    match drawn.randrange(6):
        case 0:
            return line[:at]
        case 1:
            return line[:at] + line[at + 1 :]
        case 2:
            return line[:at] + drawn.choice(b'"\\{}[]:, \xc3\xe2\xf0u\n').to_bytes() + line[at + 1 :]
        case 3:
            return line[:at] + line[max(at - 9, 0) :]
        case 4:
            return line.replace(b'":', b'" :').replace(b",", b" , ")
        case _:
            return line


def main(folder: Path, seed: int) -> None:
    """Print a digest of all that the loops tell."""
    warnings.simplefilter("ignore")  # numbers of 64 bits may overflow
    drawn = random.Random(seed)
    lines = [line for path in sorted(folder.glob("*.ndjson")) for line in path.read_bytes().splitlines()]
    lines = [mutated(line, drawn) for line in drawn.sample(lines, 60)]
    hasher = Hasher(b"a key of 16 byte")
    digest = hashlib.sha256()
    gatherer = Gatherer(hasher)
    for line in lines:
        try:
            for array in gatherer.take(line):
                digest.update(array.tobytes())
        except orjson.JSONDecodeError:
            digest.update(b"no JSON")
    collected = gatherer.collected()
    for kind in (*KINDS, ANCHORS):
        digest.update(collected.numbers(kind).tobytes())
    full = np.full(8, (1 << 64) - 1, np.uint64)
    sizes, letters = np.ones(LONGEST_WORD + 1, np.uint8), letters_of(folds())
    for array in (full, sizes, letters):
        array.setflags(write=False)
    wanted = Wanted(hasher.key, letters, folds(), full, full, sizes, 9)
    known = Known(np.zeros(16, np.uint64), np.zeros(64, np.uint64), np.zeros(16, np.uint64))
    out, word, tally = (
        np.empty(50 * COLUMNS, np.int64),
        np.empty(WORD_ROOM, np.uint8),
        np.zeros(TALLY, np.int64),
    )
    marker = Marker()
    for line in lines:
        at, marked = 0, marker(line)
        digest.update(marked.marks.bits.tobytes())
        while at < len(line):
            count, at = find(marked.data, marked.marks, at, wanted, known, word, tally, out)
            digest.update(out[: count * COLUMNS].tobytes() + tally.tobytes())
    print(digest.hexdigest())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
