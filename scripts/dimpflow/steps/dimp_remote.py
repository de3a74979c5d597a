"""dimp: one shard, de-identified by a FHIR Pseudonymizer over HTTP; for every line in, one line out, in the same order."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any, Literal

import orjson

from dimpflow.atomic import AtomicFile
from dimpflow.bundles import cut, join_entries, peek
from dimpflow.clients.answers import WrongAnswerError, check, pack, unpack
from dimpflow.clients.dimp_service import KEY, DimpService, FailedError, StoppedError, TooLargeError
from dimpflow.clients.labels import join_answers
from dimpflow.errors import InputError, LineError, ServiceError
from dimpflow.ndjson import read_errors, write_json
from dimpflow.steps.batches import Batch, Packing, batches
from dimpflow.steps.journal import Journal
from dimpflow.steps.refused import Refused, described, refusal, set_aside

_HOPELESS = 20
"""Lines that the service fails on before it has answered any, after which it is not asked for more."""

Answer = bytes | LineError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Remote:
    """How a service is asked. identity: of everything but the lines that its answers depend on; connections: requests at a time."""

    service: DimpService
    packing: Packing
    connections: int
    allow_empty: bool
    identity: str


def identity_of(cfg: Mapping[str, Any], packing: Packing) -> str:
    """Of a configuration without secrets (keys as fingerprints), for Remote."""
    text = json.dumps([cfg, packing.most, packing.bytes], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def deidentify_shard_remotely(
    remote: Remote,
    shard: Path,
    index: Path,
    imported: Path,
    out: Path,
    counts: Path,
    *,
    on_invalid: Literal["fail", "quarantine"],
    rejected: Path,
) -> None:
    """As `deidentify_shard`, with a service in place of the engine. Until all answers are there they are kept in a hidden file
    beside `out`.

    Raises InputError where the service refuses lines, ServiceError where it cannot be asked or answers with something else; what
    has been answered by then is kept.
    """
    with read_errors(index):
        facts: dict[str, Any] = orjson.loads(index.read_bytes())
    rejected.unlink(missing_ok=True)
    with Journal(out.with_name(f".{out.stem}.journal"), remote.identity) as kept:
        run = _Run(remote, kept, shard, facts["chunks"], imported, facts["start"])
        run.ask()
        with AtomicFile(out) as target:
            run.write(target)
            if run.refused and on_invalid == "fail":
                raise InputError(refusal(imported, facts["start"], run.refused))
            if run.lines != facts["lines"]:
                raise InputError(
                    f"{shard}: {run.lines} lines, but its index says {facts['lines']}; remove both and run again"
                )
            if run.refused:
                set_aside(shard, facts["chunks"], run.refused, rejected, imported, facts["start"])
        content = {
            "lines": run.lines - len(run.refused),
            "rejected": len(run.refused),
            **({"refused": [number for number, _ in run.refused]} if run.refused else {}),
            "bytes": target.bytes,
            "sha256": target.sha256,
            "resources": dict(sorted(run.resources.items())),
            "rules": [],
        }
        write_json(counts, content, durable=False)
        kept.remove()
    asked = remote.service.counts
    log.info("%d requests to the service, %d of them repeated", asked.requests, asked.repeated)


class _Run:
    """Asks for the batches of a shard and puts the answers together."""

    def __init__(
        self,
        remote: Remote,
        journal: Journal,
        shard: Path,
        chunks: list[tuple[int, int]],
        imported: Path,
        start: int,
    ) -> None:
        self._remote = remote
        self._journal = journal
        self._journaling = Lock()
        self._shard = shard
        self._chunks = chunks
        self._imported = imported
        self._start = start
        self._answered = len(journal)
        self._failed = 0
        self._not_kept: dict[int, list[Answer]] = {}
        """Answers to batches of which a line was refused: the next run asks for them again."""
        self.refused: list[Refused] = []
        self.lines = 0
        self.resources: Counter[str] = Counter()

    def _batches(self) -> Iterator[Batch]:
        return batches(self._shard, self._chunks, self._remote.packing)

    # ---- asking ------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """All batches that are not in the journal, several at a time; as many wait, so that no connection does."""
        running: dict[Future[tuple[int, int]], Batch] = {}
        done: SimpleQueue[Future[tuple[int, int]]] = SimpleQueue()
        with ThreadPoolExecutor(self._remote.connections) as pool:
            try:
                for batch in self._batches():
                    if self._journal.has(batch.number, batch.lines):
                        continue
                    future = pool.submit(self._asked, batch)
                    running[future] = batch
                    future.add_done_callback(done.put)
                    if len(running) >= 2 * self._remote.connections:
                        self._collect(running, done.get())
                while running:
                    self._collect(running, done.get())
            except BaseException:
                self._remote.service.stop.set()
                raise

    def _collect(
        self, running: dict[Future[tuple[int, int]], Batch], future: Future[tuple[int, int]]
    ) -> None:
        batch = running.pop(future)
        try:
            good, failed = future.result()
        except StoppedError:
            return  # the reason is still to come
        except WrongAnswerError as error:
            raise self._placed(batch, error) from None
        self._look_for_hope(good, failed)

    def _placed(self, batch: Batch, error: WrongAnswerError) -> ServiceError:
        (place,) = described(self._imported, self._start, [(batch.first, LineError(str(error)))])
        many = f" (or one of the {len(batch.lines) - 1} lines after it)" if len(batch.lines) > 1 else ""
        return ServiceError(f"{place}{many}")

    def _look_for_hope(self, good: int, failed: int) -> None:
        self._answered += good
        self._failed += failed
        if not self._answered and self._failed >= _HOPELESS:
            raise ServiceError(
                f"{KEY}.url: the service answers to none of the first {self._failed} lines; its log says why"
            )

    def _asked(self, batch: Batch) -> tuple[int, int]:
        """Keeps the answers, before the thread asks for anything else: a run that is killed loses one batch a connection at most.

        How many lines were answered, and on how many the service failed."""
        try:
            if batch.kind == "pack":
                answers = self._together(batch.lines)
            else:
                answers = [self._alone(batch.lines[0], part=batch.kind == "chunk")]
        except StoppedError:
            raise
        except ServiceError:
            self._remote.service.stop.set()
            raise
        good = [answer for answer in answers if isinstance(answer, bytes)]
        if len(good) == len(answers):
            with self._journaling:
                self._journal.add(batch.number, batch.lines, good)
        else:
            self._not_kept[batch.number] = answers
        return len(good), sum(isinstance(answer, FailedError) for answer in answers)

    def _together(self, lines: list[bytes]) -> list[Answer]:
        if len(lines) == 1:
            return [self._alone(lines[0])]
        try:
            answer = self._remote.service.ask(pack(lines, numbered=self._remote.packing.numbered), failures=1)
            return [
                *unpack(
                    lines,
                    answer,
                    numbered=self._remote.packing.numbered,
                    allow_empty=self._remote.allow_empty,
                )
            ]
        except LineError:  # one of them is the reason, and alone it gets the answer that is its own
            middle = len(lines) // 2
            return self._together(lines[:middle]) + self._together(lines[middle:])

    def _alone(self, line: bytes, *, part: bool = False) -> Answer:
        """part: of a Bundle, of which nothing may be left where the whole is not emptied."""
        try:
            answer = self._remote.service.ask(line)
            check(line, answer, allow_empty=self._remote.allow_empty or part)
            return answer
        except TooLargeError as error:
            return self._in_parts(line, error, part=part)
        except LineError as error:
            return error

    def _in_parts(self, line: bytes, error: TooLargeError, *, part: bool) -> Answer:
        """A Bundle that the service finds too large, in halves."""
        halves = cut(line, len(line) // 2 + 1)
        if len(halves) < 2:
            return error
        answer = _joined(halves, [self._alone(half, part=True) for half in halves])
        if not part and isinstance(answer, bytes):
            check(line, answer, allow_empty=self._remote.allow_empty)
        return answer

    # ---- putting together --------------------------------------------------------------------------------------

    def write(self, target: AtomicFile) -> None:
        """All answers, in the order of the lines."""
        sent: list[bytes] = []
        parts: list[Answer] = []
        for batch in self._batches():
            answers = self._not_kept.get(batch.number) or self._journal.answers(batch.number)
            if batch.kind != "chunk":
                self._take(target, batch.first, answers)
                continue
            sent += batch.lines
            parts += answers
            if not batch.left:
                self._take(target, batch.first, [self._whole(batch, sent, parts)])
                sent, parts = [], []

    def _whole(self, last: Batch, sent: list[bytes], parts: list[Answer]) -> Answer:
        """The answer for a cut Bundle."""
        answer = _joined(sent, parts)
        if isinstance(answer, bytes):
            try:
                check(join_entries(sent), answer, allow_empty=self._remote.allow_empty)
            except WrongAnswerError as error:
                raise self._placed(last, error) from None
        return answer

    def _take(self, target: AtomicFile, first: int, answers: list[Answer] | list[bytes]) -> None:
        good = [answer for answer in answers if isinstance(answer, bytes)]
        if len(good) < len(answers):
            self.refused += [
                (number, answer)
                for number, answer in enumerate(answers, first)
                if isinstance(answer, LineError)
            ]
        self.lines += len(answers)
        if good:
            target.write(b"\n".join(good) + b"\n")
            self.resources.update(map(peek, good))


def _joined(sent: list[bytes], parts: list[Answer]) -> Answer:
    """A cut Bundle's answer; refused as a whole if one of its chunks is."""
    good: list[bytes] = []
    for part in parts:
        if isinstance(part, LineError):
            return part
        good.append(part)
    try:
        return join_answers(sent, good)
    except LineError as error:
        return error
