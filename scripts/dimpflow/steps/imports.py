"""import: one source, checked line by line and passed on unchanged."""

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import msgspec

from dimpflow.errors import InputError, LineError
from dimpflow.fhir.table import RESOURCE_TYPES
from dimpflow.ndjson import BLOCK, AtomicFile, Data, open_input, utf8_fault, write_json
from dimpflow.sources import Source
from dimpflow.steps.sieve import BundlePolicy, Sieve, Sifted

_BOM = b"\xef\xbb\xbf"
_SHOWN = 20  # bad lines listed in an error or log

Block: TypeAlias = bytes | bytearray

log = logging.getLogger(__name__)


class _Head(msgspec.Struct, gc=False):
    """All that import wants to know of a line.

    msgspec skips the other members without making objects, and checks their grammar all the same: numbers,
    escapes, control characters, commas, what follows. It leaves UTF-8 to us. Numbers of any size and
    repeated members pass.
    """

    resourceType: str


_decode = msgspec.json.Decoder(_Head).decode


def import_source(
    source: Source,
    out: Path,
    manifest: Path,
    rejected: Path,
    on_invalid: Literal["fail", "quarantine"],
    *,
    bundles: BundlePolicy | None = None,
) -> None:
    """Copy the lines of `source` to `out` and write its manifest.

    A line must be UTF-8 and a JSON object with a known resourceType. A BOM, CRLF, blank lines and a missing
    last line end are mended. With "quarantine", bad lines go to `rejected` as they are. A document is one
    line; it is compacted (white space between tokens only) if it has line breaks.

    bundles: what is left out on purpose. The manifest has the numbers: `dropped` by resource type if types are
    named, `empty_bundles` if these are skipped. All else of a line keeps its bytes.

    Raises:
        InputError: a file that cannot be read, or bad lines: `file:line: reason`, the first 20, their number.
    """
    rejected.unlink(missing_ok=True)
    with ExitStack() as stack:
        # A plain file is hashed by its blocks, and only once as long as output and input are the same.
        packed_digest = hashlib.sha256() if source.compression else None
        stream = stack.enter_context(open_input(source.path, source.compression, packed_digest))
        target = stack.enter_context(AtomicFile(out, 0o600, dir_mode=0o700))
        sieve = Sieve(bundles) if bundles else None
        importer = _Importer(source, target, rejected if on_invalid == "quarantine" else None, sieve, stack)
        if source.document:
            importer.take_document(stream.read())
        else:
            for block in _whole_lines(stream):
                importer.take_block(block)
                del block  # before the next one is put together, which may be long
        importer.refuse_bad_lines()
    importer.warn_of_rejected()
    content = {
        "source": source.name,
        "lines": importer.lines,
        "bytes": target.bytes,
        "longest_line": importer.longest,
        "resources": dict(importer.resources),
        "rejected": importer.bad,
        "sha256_input": (packed_digest or importer.input_digest or target.digest).hexdigest(),
        "sha256": target.sha256,
        **(importer.left_out(bundles) if bundles else {}),
    }
    write_json(manifest, content, 0o600, dir_mode=0o700, durable=False)


def _whole_lines(stream: BinaryIO) -> Iterator[Block]:
    """Blocks that end with a line; a line longer than a block comes alone and is held in memory once."""
    rest = bytearray()
    while data := stream.read(BLOCK):
        end = data.rfind(b"\n") + 1
        if not end:
            rest += data
            continue
        first = data.find(b"\n") + 1 if len(rest) > BLOCK else 0
        if first:  # end the long line first, so that nothing else is joined to it
            rest += data[:first]
            yield rest
            rest = bytearray()
        if first < end:
            yield bytes(rest) + data[first:end]
        rest = bytearray(data[end:])
    if rest:
        yield rest


class _Importer:
    """Checks blocks of lines, counts, and writes the good ones."""

    def __init__(
        self, source: Source, target: AtomicFile, rejected: Path | None, sieve: Sieve | None, stack: ExitStack
    ) -> None:
        self.lines = 0
        self.longest = 0
        self.resources: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.empty = 0
        self.bad = 0
        self.input_digest: Any = None  # of a plain file; None as long as the output is the same
        self._source = source
        self._target = target
        self._rejected = rejected
        self._rejects: AtomicFile | None = None
        self._sieve = sieve
        self._stack = stack
        self._seen = 0  # physical lines
        self._bad_lines: list[str] = []

    def take_block(self, block: Block) -> None:
        """One or more whole lines; only the last one of the file may lack its end."""
        lines = _clean_lines(block)
        sifted: Sequence[Sifted] = []
        if self._sieve is None:
            types = _types(lines)
        else:
            sifted = _sifted(self._sieve, lines)
            types = [one.type for one in sifted]
        if not types:
            self._note_input(block)
            for piece in _lines(block):
                self._take_line(piece)
        elif any(one.changed for one in sifted):
            self._note_input(block)
            self._seen += len(lines)
            for line, one in zip(lines, sifted, strict=True):
                self._pass_on(line, one)
        else:
            self._pass_block(block, lines, types)

    def _pass_block(self, block: Block, lines: Sequence[Block], types: Sequence[str]) -> None:
        """All of a block, as it is."""
        self.resources.update(types)
        self.lines += len(lines)
        self._seen += len(lines)
        self.longest = max(self.longest, max(map(len, lines)) - lines[-1].endswith(b"\n"))
        ends = block.endswith(b"\n")
        if not ends or self.input_digest is not None:
            self._note_input(block)
        self._target.write(block)
        if not ends:
            self._target.write(b"\n")

    def _take_line(self, line: memoryview) -> None:
        if self._seen == 0 and bytes(line[: len(_BOM)]) == _BOM:
            line = line[len(_BOM) :]
        self._seen += 1
        if bytes(line[-1:]) == b"\r":
            line = line[:-1]
        if not bytes(line[:256]).strip() and not bytes(line).strip():
            return
        reason = self._take_resource(line)
        if reason:
            self._reject(line, reason)

    def take_document(self, data: bytes) -> None:
        """A file that is one resource or Bundle."""
        self._note_input(data)
        document = data.removeprefix(_BOM).strip()
        self._seen = 1
        if not document:
            return
        reason = _fault(document)
        if not reason:
            if b"\n" in document or b"\r" in document:
                document = msgspec.json.format(document, indent=-1)
            reason = self._take_resource(document)
        if reason.startswith("something follows"):
            reason += "; if the file has a resource on each line, name it .ndjson"
        if reason:
            self._reject(data, reason)

    def _take_resource(self, line: memoryview | bytes) -> str:
        """Pass it on, or say what is wrong with it."""
        reason = _fault(line)
        if reason:
            return reason
        if self._sieve is None:
            self._pass_on(line, Sifted(_decode(line).resourceType, ((0, len(line)),)))
            return ""
        try:
            self._pass_on(line, self._sieve.sift(bytes(line)))
        except LineError as error:
            return error.reason
        return ""

    def _pass_on(self, line: Data, sifted: Sifted) -> None:
        """What is left of a line, and its end."""
        self.dropped.update(sifted.dropped)
        self.empty += sifted.empty
        if not sifted.kept:
            return
        self.lines += 1
        self.resources[sifted.type] += 1
        self.longest = max(self.longest, sum(end - start for start, end in sifted.kept))
        view = memoryview(line)
        for start, end in sifted.kept:
            self._target.write(view[start:end])
        self._target.write(b"\n")

    def _reject(self, line: Data, reason: str) -> None:
        self.bad += 1
        if self.bad <= _SHOWN:
            self._bad_lines.append(f"{self._source.path}:{self._seen}: {reason}")
        if self._rejected is None:
            return
        if self._rejects is None:
            self._rejects = self._stack.enter_context(AtomicFile(self._rejected, 0o600, dir_mode=0o700))
        self._rejects.write(line)
        self._rejects.write(b"\n")

    def _note_input(self, block: Block) -> None:
        """From here on the output differs from the input: go on with a digest of its own for the input."""
        if self._source.compression:
            return
        if self.input_digest is None:
            self.input_digest = self._target.digest.copy()
        self.input_digest.update(block)

    def refuse_bad_lines(self) -> None:
        if not self.bad or self._rejected is not None:
            return
        ways_out = "mend the file, or set import.on_invalid: quarantine to set bad lines aside"
        if self.bad == 1:
            raise InputError(f"{self._bad_lines[0]}; {ways_out}")
        listed = f", the first {_SHOWN} are" if self.bad > _SHOWN else ""
        head = f"{self._source.path}: {self.bad} bad lines; {ways_out}{listed}:"
        raise InputError("\n".join([head, *self._bad_lines]))

    def left_out(self, policy: BundlePolicy) -> dict[str, Any]:
        """For the manifest, and for the log."""
        facts: dict[str, Any] = {}
        told = []
        if policy.drop:
            facts["dropped"] = {name: self.dropped[name] for name in sorted(policy.drop)}
            told = [f"{count} x {name}" for name, count in facts["dropped"].items()]
        if policy.skip_empty:
            facts["empty_bundles"] = self.empty
            told.append(f"{self.empty} Bundles without entries")
        log.info("%s: left out: %s", self._source.path, ", ".join(told))
        return facts

    def warn_of_rejected(self) -> None:
        """For the log, after the files are complete."""
        for line in self._bad_lines:
            log.warning("%s; set aside", line)
        if self.bad:
            log.warning("%s: %d bad lines set aside in %s", self._source.path, self.bad, self._rejected)


def _clean_lines(block: Block) -> Sequence[Block]:
    """The lines of a block that may pass as it is, if they are FHIR; none if it has to be looked at line by line."""
    if b"\r" in block or utf8_fault(block) >= 0:
        return []
    end = len(block) - block.endswith(b"\n")
    if block.find(b"\n", 0, end) < 0:
        # One line, maybe a long one: no copy is made. Its end is white space to the decoder.
        return [block]
    return block.split(b"\n") if end == len(block) else block.split(b"\n")[:-1]


def _types(lines: Sequence[Block]) -> Sequence[str]:
    """The type of each line; none if one may not pass."""
    try:
        types = [_decode(line).resourceType for line in lines]
    except (msgspec.DecodeError, RecursionError):
        return []
    return types if set(types) <= RESOURCE_TYPES else []


def _sifted(sieve: Sieve, lines: Sequence[Block]) -> Sequence[Sifted]:
    """What becomes of each line; none if one may not pass."""
    try:
        return [sieve.sift(line) for line in lines]
    except (LineError, msgspec.DecodeError, RecursionError):
        return []


def _lines(block: Block) -> Iterator[memoryview]:
    """The lines of a block, without copying them."""
    view = memoryview(block)
    at = 0
    while at < len(view):
        end = block.find(b"\n", at)
        end = len(view) if end < 0 else end
        yield view[at:end]
        at = end + 1


def _fault(line: memoryview | bytes) -> str:
    """What is wrong with a line; empty if nothing. Never a word of its content."""
    place = utf8_fault(line)
    if place >= 0:
        return f"not UTF-8 at byte {place + 1} of the line"
    try:
        name = _decode(line).resourceType
    except RecursionError:
        return "not FHIR: nested too deeply"
    except msgspec.ValidationError as error:
        return _wrong_shape(str(error))
    except msgspec.DecodeError as error:
        return _wrong_grammar(str(error))
    return "" if name in RESOURCE_TYPES else "not FHIR R4: unknown resourceType"


def _wrong_shape(message: str) -> str:
    if "missing required field" in message:
        return "not FHIR: no resourceType"
    if "$.resourceType" in message:
        return "not FHIR: resourceType is not a string"
    found = re.search(r"got `(\w+)`", message)
    return f"not FHIR: JSON {found[1] if found else 'value'}, not an object"


def _wrong_grammar(message: str) -> str:
    place = re.search(r"\(byte (\d+)\)", message)
    if "truncated" in message:
        return "not JSON: the line ends too early, it seems cut off"
    if place is None:
        return "not JSON"
    if "trailing characters" in message:  # here the number is of the byte after
        return f"something follows the JSON object at byte {place[1]} of the line"
    return f"not JSON at byte {int(place[1]) + 1} of the line"
