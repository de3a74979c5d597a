"""The values that identify people, as far as a compiled loop can take them (see `native.people`); `values` does the rest."""

import numpy as np

from dimpflow.audit.leaks import kinds
from dimpflow.audit.leaks.kinds import Kind
from dimpflow.audit.paths import PERSONS
from dimpflow.audit.walking import Walker, folds, type_numbers
from dimpflow.native import values as native
from dimpflow.native.hashing import Hasher, bytes_of
from dimpflow.native.people import take_values
from dimpflow.native.types import Integers, Numbers

STAFF = "Practitioner"
FAMILY_NAMES = (
    "patient-mothersMaidenName",
    "humanname-own-name",
    "humanname-partner-name",
    "humanname-mothers-family",
    "humanname-fathers-family",
)
"""Extensions of FHIR R4 whose text is a family name, by the ends of their addresses."""
NUMBERS: dict[Kind, int] = {
    kinds.FULL_NAME: native.FULL_NAME,
    kinds.NAME: native.NAME,
    kinds.STAFF: native.STAFF,
    kinds.ADDRESS: native.PLACE,
    kinds.STREET: native.STREET,
    kinds.PHONE: native.PHONE,
    kinds.E_MAIL: native.E_MAIL,
    kinds.BIRTH_DATE: native.BIRTH,
}
"""Kinds as the loop numbers them."""
_VALUES = 1 << 15
"""Values that are taken at a time; more than one name or address can have."""


class People:
    """Takes the values of what a walk has told. Not for several threads."""

    def __init__(self, hasher: Hasher, walker: Walker) -> None:
        self._known = native.known(hasher.key, folds(), _MEMBERS, _words())
        self._room = native.room(_VALUES, walker.lengths, walker.sizes)

    def take(self, block: bytes, events: Integers) -> list[Numbers]:
        """Rows of the kind of a value, the hash of its words and of that by which it is noticed, and the number of its resource.

        events: as the walker has told them; the code of those that are done with becomes 0.
        """
        data, counts = bytes_of(block), self._room.counts
        staff = type_numbers()[STAFF]
        taken = [np.empty((0, native.COLUMNS), np.uint64)]
        at = 0
        while at < len(events):
            counts[0] = 0
            at = take_values(data, events, at, len(events), staff, self._known, self._room)
            rows = self._room.found[: counts[0] * native.COLUMNS]
            taken.append(rows.reshape(-1, native.COLUMNS).copy())
        return taken


def of_kind(rows: Numbers, kind: Kind) -> Numbers:
    """The rows of a kind; of an ordinary one each value once for a resource."""
    found: Numbers = rows[rows[:, 0] == NUMBERS[kind]]
    if not kind.ordinary or kind is kinds.BIRTH_DATE or not len(found):
        return found
    found = found[np.lexsort((found[:, 1], found[:, 3]))]
    new = np.any(found[1:, (1, 3)] != found[:-1, (1, 3)], axis=1)
    found = found[np.concatenate(([True], new))]
    return found


_MEMBERS = {
    b"family": native.FAMILY,
    b"given": native.GIVEN,
    b"text": native.TEXT,
    b"line": native.LINE,
    b"city": native.CITY,
    b"postalCode": native.POSTAL_CODE,
    b"display": native.DISPLAY,
    b"type": native.TYPE,
    b"reference": native.TARGET,
}


def _words() -> dict[bytes, int]:
    """What words are."""
    classes = (
        (native.TITLE, kinds.TITLES),
        (native.PARTICLE, kinds.PARTICLES),
        (native.COUNTRY, kinds.COUNTRY),
        (native.PO_BOX, (kinds.PO_BOX,)),
        (native.PERSON, PERSONS),
        (native.TELLING, FAMILY_NAMES),
    )
    known: dict[bytes, int] = {}
    for what, words in classes:
        for word in words:
            known[word.encode()] = known.get(word.encode(), 0) | what
    return known
