"""The structure of references: which mentions mean the same, compared before and after without knowing what they mean.

A value is known by a hash of the process (SipHash with a key that nobody knows). For each value the random numbers of its places
are added up, so values that stand at the same places have the same sum; the sums of all values, mixed once more, are added up
again. If the two totals agree, the mentions fall into the same groups on both sides, but for a chance of one in 2^64.
"""

from collections.abc import Iterable

from dimpflow.audit.references import Mention

MASK = (1 << 64) - 1


class Groups:
    """What one side mentions, in groups of the same value."""

    def __init__(self) -> None:
        self._sums: dict[int, int] = {}
        self.mentions = 0

    def add(self, line: int, mentions: Iterable[Mention]) -> None:
        """line: number of the line, the same on both sides; mentions: in the same order on both sides."""
        for place, (_, value, _node) in enumerate(mentions):
            if value.startswith("#"):
                value = f"{line}{value}"  # it means something within its resource alone
            self._put(hash(value), hash(f"{line} {place}"))
            self.mentions += 1

    def merge(self, other: "Groups") -> None:
        """Adds what another one has seen, in a process of the same hashes."""
        for value, places in other._sums.items():
            self._put(value, places)
        self.mentions += other.mentions

    @property
    def mark(self) -> int:
        """Equal for the same groups."""
        return sum(hash(str(places)) for places in self._sums.values()) & MASK

    def _put(self, value: int, places: int) -> None:
        self._sums[value] = (self._sums.get(value, 0) + places) & MASK
