"""The balance of a result: every line that came in went out, or was rejected or left out on purpose, and counted."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from dimpflow.errors import InputError
from dimpflow.steps.results import Digest

Facts = dict[str, Any]

_LEFT_OUT = ("dropped", "empty_bundles")
"""In the manifests of imports that leave something out on purpose."""


def read_facts(path: Path) -> Facts:
    """A small JSON file that a step has left.

    Raises:
        InputError: it is not there or not whole.
    """
    try:
        facts: Facts = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        raise InputError(f"{path} cannot be read or is not whole; remove it and run again") from None
    return facts


def import_facts(manifests: Sequence[Facts], digest: Digest) -> Facts:
    """What import_results.json says: totals, and the counts of every source. What was left out on purpose is there if there
    was anything to look for."""
    names = ("source", "lines", "rejected", "resources", "sha256_input")
    sources = [
        {name: manifest[name] for name in (*names, *_LEFT_OUT) if name in names or name in manifest}
        for manifest in manifests
    ]
    totals: Facts = {}
    if any("dropped" in source for source in sources):
        totals["dropped"] = _sum(source.get("dropped", {}) for source in sources)
    if any("empty_bundles" in source for source in sources):
        totals["empty_bundles"] = sum(source.get("empty_bundles", 0) for source in sources)
    return {**_facts(sources, digest), **totals}


def dimp_facts(manifests: Sequence[Facts], counts: Mapping[str, Sequence[Facts]], digest: Digest) -> Facts:
    """What dimp_results.json says: totals, the counts of every source (in `counts`: of its shards) and of every rule.

    Raises:
        InputError: lines are missing, or there are too many.
    """
    sources = []
    for manifest in manifests:
        name, parts = manifest["source"], counts[manifest["source"]]
        lines, rejected = sum(part["lines"] for part in parts), sum(part["rejected"] for part in parts)
        if lines + rejected != manifest["lines"]:
            raise InputError(
                f"{name}: {manifest['lines']} lines were imported, but {lines} were de-identified and {rejected} "
                "rejected; remove its folders in split/ and dimp/ and run again"
            )
        resources = _sum(part["resources"] for part in parts)
        sources.append({"source": name, "lines": lines, "rejected": rejected, "resources": resources})
    rules = _rules(part for parts in counts.values() for part in parts)
    return {**_facts(sources, digest), "rules": rules}


def _facts(sources: Sequence[Facts], digest: Digest) -> Facts:
    lines = sum(source["lines"] for source in sources)
    if lines != digest.lines:
        raise InputError(f"the result has {digest.lines} lines, but its parts should have {lines}; run again")
    return {
        "lines": lines,
        "rejected": sum(source["rejected"] for source in sources),
        "bytes": digest.bytes,
        "sha256": digest.sha256,
        "file_sha256": digest.file_sha256,
        "resources": _sum(source["resources"] for source in sources),
        "sources": list(sources),
    }


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for name, count in one.items():
            total[name] = total.get(name, 0) + count
    return dict(sorted(total.items()))


def _rules(parts: Iterable[Facts]) -> list[Facts]:
    """Counts of every rule over all shards; all shards have had the same rules. Where they took what is for audit.json."""
    total: dict[int, Facts] = {}
    for part in parts:
        for rule in part["rules"]:
            named = {name: rule[name] for name in ("rule", "path", "method")}
            known = total.setdefault(rule["rule"], {**named, "matched": 0, "changed": 0})
            known["matched"] += rule["matched"]
            known["changed"] += rule["changed"]
    return [total[number] for number in sorted(total)]
