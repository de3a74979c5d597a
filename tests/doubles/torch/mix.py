"""Mixes of faults, drawn from a seed ("torch-crtdl", section 3.4, at its end)."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from doubles.torch.faults import LINES, On, TorchFault
from doubles.torch.jobs import Divert, Scenario

_STATUS = (
    "429", "500", "502", "503", "504", "reset", "reset-headers", "reset-middle", "truncated", "wrong-length", "slow", "trickle",
    "gzip", "chunked",
)  # fmt: skip
_FILE = (
    "403", "404", "408", "429", "500", "502", "503", "504", "reset", "reset-headers", "reset-body", "truncated",
    "truncated-at-line", "chunked", "chunked-truncated", "gzip", "no-ranges", "slow", "trickle", "empty",
)  # fmt: skip
"""Not "too-large-length": a client finds out only by the next request, so it counts twice."""
_TASK = ("429", "502", "503", "504", "slow", "gzip", "chunked")
_FILES = ("core", "batch", "batch-2", "batch-3")
_ELSEWHERE = "https://torch.foreign.example/"


class Mix(NamedTuple):
    """final: what no client gets over; None in a mix of transient faults."""

    scenario: Scenario
    faults: list[TorchFault]
    final: TorchFault | Divert | None


def random_mix(seed: int, transient_only: bool = True) -> Mix:
    """The same for the same seed. A client gets over the transient ones with 5 attempts for a request, 10 for a file that is not
    ready (403, 404, empty), 3 reads of a manifest, 2 `$resume`, and 3 status requests that answer 404; Retry-After is 1 s at most.

    At most 3 requests in a row fail of those to one endpoint or for one file. A kick-off meets nothing but 429, since all else could
    mean that there is a job. transient_only: False puts in one thing that must end an import.
    """
    draw = random.Random(f"mix/{seed}")
    scenario = _scenario(draw)
    faults: list[TorchFault] = []
    if draw.random() < 0.3:
        faults.append(_fault("429", "kickoff", draw, at=(1,)))
    if draw.random() < 0.4:
        faults.append(_fault(draw.choice(("429", "502", "503")), "metadata", draw, at=(1,)))
    restart = draw.randrange(3, 9) if draw.random() < 0.3 else 0
    for at in _sparse(draw, 14, 0.35, 2):
        if not restart - 2 <= at <= restart + 2:
            faults.append(_fault(draw.choice(_STATUS), "status", draw, at=(at,)))
    if restart:
        faults.append(TorchFault("restart", "status", at=(restart,), times=1, value=2))
    for at in _sparse(draw, 8, 0.25, 2):
        faults.append(_fault(draw.choice(_TASK), "task", draw, at=(at,)))
    if draw.random() < 0.3:
        faults.append(
            TorchFault(draw.choice(("cut-json", "invalid-json", "html")), "manifest", at=(1,), times=1)
        )
    for name in _FILES:
        for at in _sparse(draw, 6, 0.45, 3):
            faults.append(_fault(draw.choice(_FILE), "file", draw, at=(at,), name=name))
    if transient_only:
        return Mix(scenario, faults, None)
    final = _final(draw, scenario.not_found)
    if isinstance(final, Divert):
        diverts = (*(one for one in scenario.diverts if one.at < final.at), final)
        return Mix(Scenario(1, 1, 3, 1, scenario.not_found, diverts), faults, final)
    return Mix(scenario, [final, *faults], final)


def _scenario(draw: random.Random) -> Scenario:
    diverts: list[Divert] = []
    if draw.random() < 0.3:
        diverts.append(Divert("BACKWARDS", at=draw.randrange(5, 8)))
    if draw.random() < 0.3:
        kind = draw.choice(("PAUSED", "FROZEN", "TEMP_FAILED"))
        diverts.append(Divert(kind, at=draw.randrange(2, 5), polls=draw.randrange(1, 4)))
    if draw.random() < 0.2:
        diverts.append(Divert("TEMP_FAILED", at=draw.randrange(9, 12)))
    return Scenario(
        pending=draw.randrange(3),
        cohort=draw.randrange(3),
        batches=draw.randrange(1, 6),
        core=draw.randrange(3),
        not_found=draw.choice((0, 0, 0, 1, 2)),
        diverts=tuple(diverts),
        issues=(("warning", "Attribute masked", "Condition.code"),) if draw.random() < 0.3 else (),
    )


def _sparse(draw: random.Random, last: int, share: float, most: int) -> list[int]:
    """Numbers from 1 on, never more than `most` in a row."""
    found: list[int] = []
    row = 0
    for number in range(1, last + 1):
        row = row + 1 if row < most and draw.random() < share else 0
        if row:
            found.append(number)
    return found


def _fault(
    kind: str, on: On, draw: random.Random, *, at: Sequence[int], name: str | None = None
) -> TorchFault:
    value: float | str | None = None
    if kind == "slow":
        value = draw.uniform(0.005, 0.03)
    elif kind == "trickle":
        value = 200_000
    elif kind in ("429", "503"):
        value = draw.choice((None, "0", "1", "Thu, 01 Jan 2015 00:00:00 GMT", "soon"))
    return TorchFault(kind, on, name, at, 1, value)


_KICKOFFS = (
    "401", "403", "404", "413", "torch-500", "accepted-reset", "no-location", "bad-location", "redirect",
)  # fmt: skip
_MANIFESTS = (
    "html", "invalid-json", "cut-json", "array", "no-output", "output-string", "entry-without-url", "duplicate-urls", "dot-dot",
    "encoded-dot-dot", "odd-name", "core-twice", "missing-file", "unlisted-batch", "no-extension", "not-completed",
    "too-many-lines", "empty-output",
)  # fmt: skip


def _final(draw: random.Random, later: int) -> TorchFault | Divert:
    """Something that no client gets over, nor ends before. later: status requests that find no job yet."""
    match draw.choice(("kickoff", "job", "status", "manifest", "file", "lines")):
        case "kickoff":
            kind = draw.choice(_KICKOFFS)
            return TorchFault(kind, "kickoff", value=_ELSEWHERE if kind == "redirect" else None)
        case "job":
            kind = draw.choice(("FAILED", "CANCELLED", "DELETED", "TEMP_FAILED"))
            return Divert(kind, at=later + draw.randrange(1, 5), stubborn=kind == "TEMP_FAILED")
        case "status":
            if draw.random() < 0.5:
                return TorchFault("lost-volume", "status", at=(draw.randrange(1, 3),))
            return TorchFault(draw.choice(("401", "403")), "status")
        case "manifest":
            return TorchFault(draw.choice(_MANIFESTS), "manifest")
        case "file":
            kind = draw.choice(("401", "404", "403", "html", "redirect"))
            name = draw.choice(("core", "batch"))
            return TorchFault(kind, "file", name, value=_ELSEWHERE if kind == "redirect" else None)
    damages = [kind for kind in LINES if kind != "huge-line"]
    return TorchFault(draw.choice(damages), "file", draw.choice(("core", "batch")))
