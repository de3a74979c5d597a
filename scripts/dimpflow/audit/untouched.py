"""What is in the result as it came, by path."""

from collections.abc import Mapping
from typing import Any

Facts = dict[str, Any]


def untouched(consistency: Mapping[str, Any]) -> Facts | None:
    """Values that are as they were, by path, as the check of the consistency has counted them; None if it was not run.

    That check compares every n-th line: `lines` says how many, `of` how many there are. The numbers are those of the compared lines
    and nothing more; a path that none of them has is missing.
    """
    kept = consistency.get("kept")
    if not kept:
        return None
    paths = {row["path"]: row["kept"] for row in kept["paths"] if row["kept"]}
    return {"lines": kept["lines"], "of": consistency["lines"], "paths": paths}
