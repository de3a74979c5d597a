"""The check as a whole: what was compared line by line, and all references of both sides, and what is to be said of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dimpflow.audit.consistency.compare import Compared
from dimpflow.audit.consistency.pairs import Imported, refused
from dimpflow.audit.links import Links
from dimpflow.audit.naming import shown_path
from dimpflow.audit.survey import Survey
from dimpflow.audit.walking import Walker, links_of
from dimpflow.native.marks import Marker


@dataclass(frozen=True)
class Consistency:
    """before, after: all references; compared: what was compared line by line."""

    before: Links
    after: Links
    compared: Compared

    @property
    def faults(self) -> list[str]:
        """What is not as it was, in words; empty if all is. References that have gone are for the reader to judge."""
        one, two = self.before, self.after
        found = []
        if self.compared.unlike:
            found.append(f"{self.compared.unlike} lines have become resources of another type")
        if not self.compared.groups:
            found.append(
                "references that meant the same do not do so any more, or others have come to mean the same"
            )
        if one.references - one.resolved < two.references - two.resolved:
            found.append(
                f"{two.references - two.resolved} references lead to nothing in these data, before it were "
                f"{one.references - one.resolved}"
            )
        if one.to_patients == two.to_patients and one.per_patient != two.per_patient:
            found.append("the numbers of references to each patient are not what they were")
        return found

    def as_facts(self) -> dict[str, Any]:
        """Plain JSON, in numbers and paths."""
        return {
            "state": "failed" if self.faults else "passed",
            "faults": self.faults,
            "lines": self.compared.lines,
            "references": {"before": _told(self.before), "after": _told(self.after)},
            "patients": {"before": _spread(self.before), "after": _spread(self.after)},
            "compared": {
                "every": self.compared.step,
                "mentions": self.compared.mentions,
                "gone": _gone(self.compared.gone),
            },
            "kept": {"lines": self.compared.profile.lines, "paths": self.compared.profile.rows()},
        }


def references(imported: Sequence[Imported], survey: Survey) -> tuple[Links, Links]:
    """All references before and after. survey: what was seen of the import and of the result (see `leaks`).

    Raises InputError and OutputError.
    """
    marker, walker = Marker(), Walker(survey.hasher)
    for line in refused(imported):
        survey.before.remove(links_of(marker(line), walker, survey.hasher))
    return survey.before.links(), survey.after.links()


def _gone(counts: Counter[str]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for path, count in counts.items():
        found[shown_path(path)] += count
    return dict(sorted(found.items()))


def _told(links: Links) -> dict[str, int]:
    return {
        "things": links.things,
        "references": links.references,
        "resolved": links.resolved,
        "distinct": links.meant,
    }


def _spread(links: Links) -> dict[str, int]:
    """How many patients, and least, middle and most references to one."""
    values = sorted(links.per_patient.elements())
    if not values:
        return {"patients": 0}
    return {
        "patients": len(values),
        "least": values[0],
        "middle": values[len(values) // 2],
        "most": values[-1],
    }
