"""What compiled walks write down while they run: counts per rule, and whose resource it is."""


class Subject:
    """The id of the resource that is being walked, for rules that make a pseudonym of it."""

    id: str | None = None


class Counters:
    """Per rule: nodes that it selected and took, values that it worked on, and nodes that count as both."""

    def __init__(self, rules: int) -> None:
        self.matched = [0] * rules
        self.changed = [0] * rules
        self.both = [0] * rules

    def take(self, rule: int) -> tuple[int, int]:
        """(matched, changed) since the last call."""
        both = self.both[rule]
        taken = self.matched[rule] + both, self.changed[rule] + both
        self.matched[rule] = self.changed[rule] = self.both[rule] = 0
        return taken
