"""The terms that identify a person, from the Patient resource or that of a relative: folded, so that they are searched for in all
spellings.

Taken are the names (each part, birth name, mother's name), the address (lines, street without number, place; the postal code
beside it), identifiers and the id, telephone, e-mail, the full date of birth; of contact persons the same. Of staff, the names.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgspec

from dimpflow.fhir.model import Node
from dimpflow.scrub.spellings import (
    FOLDED_PARTICLES,
    cut,
    fold,
    local_number,
    national_number,
    run,
    street_forms,
    words,
)

SHORTEST_CODE = 4
"""Letters and digits of an identifier that is searched for; a shorter one would be found everywhere."""
SHORTEST_NAME = 2
SHORTEST_RUN = 6
"""Letters from which a name is also found where it is divided (`Seiden-berg`), or with others in one word; and so for lines."""

_PARTS = re.compile(r"[\s\-‐-―/,;()]+")
_HOUSE_NUMBER = re.compile(r"[\s,]+\d+\s*[A-Za-z]?(\s*[-/+]\s*\d+\s*[A-Za-z]?)?\s*$")
_PLACE_HEAD = re.compile(r"\s*[(/,]|\s+(?:am|an|a\.|bei|b\.|ob|o\.|vor|v\.|im|in|i\.)\s", re.IGNORECASE)
_FULL_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SCHEME = re.compile(r"^[a-z]+:(//)?", re.IGNORECASE)
_MOST = 2000
"""Characters of a text that is taken for a name or a line; longer ones are none."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What to search for, folded. words: names of persons and places as whole words; runs: what may be divided or stand in a
    longer word, with nothing between its words; codes: numbers and lines; phones: without what may stand before them; births:
    YYYY-MM-DD; beside: what goes where it stands before one of the others (`von`, the postal code)."""

    words: set[str] = field(default_factory=set)
    runs: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)
    phones: set[str] = field(default_factory=set)
    births: set[str] = field(default_factory=set)
    beside: set[str] = field(default_factory=set)

    def encode(self) -> bytes:
        """As compact bytes without line ends: the same for the same terms."""
        return _encode([sorted(one) for one in self._all()])

    @classmethod
    def decode(cls, data: bytes) -> "Terms":
        """The way back. ValueError for what is none."""
        lists = _decode(data)
        if len(lists) != len(cls.__slots__):
            raise ValueError("no terms")
        return cls(*lists)

    def add(self, other: "Terms") -> None:
        """Take in those of the same patient from elsewhere."""
        for mine, theirs in zip(self._all(), other._all(), strict=True):
            mine |= theirs

    def _all(self) -> tuple[set[str], ...]:
        return self.words, self.runs, self.codes, self.phones, self.births, self.beside


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[set[str]]).decode
_read = msgspec.json.Decoder().decode


def terms_of(patient: bytes | Node) -> Terms:
    """The terms of a Patient resource, as JSON or as a typed object.

    What is not as FHIR has it is passed over: the engine refuses such a resource, and says where. msgspec.DecodeError for what is
    no JSON.
    """
    resource = _read(patient if isinstance(patient, bytes) else _encode(patient))
    if not isinstance(resource, dict):
        return Terms()
    terms = terms_of_relative(resource)
    _code(terms, resource.get("id"))
    return terms


def terms_of_relative(person: dict[str, Any]) -> Terms:
    """The terms of a resource about a person, without its id, which nobody writes into a text."""
    terms = Terms()
    _of_person(terms, person)
    for identifier in objects(person.get("identifier")):
        _code(terms, identifier.get("value"))
    birth = person.get("birthDate")
    if isinstance(birth, str) and _FULL_DATE.fullmatch(birth.strip()):
        terms.births.add(birth.strip())
    for contact in objects(person.get("contact")):
        _of_person(terms, contact)
    _extensions(terms, person)
    return terms


def names_of(person: dict[str, Any] | str) -> Terms:
    """The names of a resource about a person, or a name as it is displayed, to be found as words of their own only: of staff there
    are many, and what is only words costs no time."""
    found = Terms()
    if isinstance(person, str):
        _name(found, person)
    else:
        for name in objects(person.get("name")):
            _human_name(found, name)
    return Terms(words=found.words, beside=found.beside)


def _of_person(terms: Terms, person: dict[str, Any]) -> None:
    for name in objects(person.get("name")):
        _human_name(terms, name)
    for address in objects(person.get("address")):
        _address(terms, address)
    for telecom in objects(person.get("telecom")):
        _telecom(terms, telecom)


def _extensions(terms: Terms, holder: dict[str, Any]) -> None:
    """Names, addresses and numbers in extensions: mother's maiden name, place of birth and what sites add."""
    for extension in objects(holder.get("extension")):
        for key, take in (
            ("valueHumanName", _human_name),
            ("valueAddress", _address),
            ("valueContactPoint", _telecom),
        ):
            for value in objects(extension.get(key)):
                take(terms, value)
        for identifier in objects(extension.get("valueIdentifier")):
            _code(terms, identifier.get("value"))
        if str(extension.get("url")).endswith("Name"):
            _name(terms, extension.get("valueString"))
        _extensions(terms, extension)


# ---- names -----------------------------------------------------------------------------------------------------------


def _human_name(terms: Terms, name: dict[str, Any]) -> None:
    for text in _texts([name.get("family"), name.get("given"), name.get("text")]):
        _name(terms, text)
    for key in ("_family", "_given", "_text"):
        for beside in objects(name.get(key)):
            for extension in objects(beside.get("extension")):
                _name(terms, extension.get("valueString"))


def _name(terms: Terms, text: Any) -> None:
    """A name of one part or more. A part that is a common word (`von`, `Graf`) counts only if there is nothing else."""
    if not isinstance(text, str) or len(text) > _MOST:
        return
    parts = [part for part in _PARTS.split(text) if words(part)]
    particles = [part for part in parts if run(part) in FOLDED_PARTICLES]
    own = [part for part in parts if part not in particles] or parts[-1:]
    for part in own:
        _word(terms, part)
    for first, second in pairwise(own):
        terms.words.add(run(first) + run(second))  # AnnaLena
    terms.beside.update(run(part) for part in particles)


def _word(terms: Terms, text: str) -> None:
    """One word, however it is divided: O'Brien."""
    found = [word for word in cut(text)[1::2] if len(word) >= SHORTEST_NAME and not word.isdigit()]
    folded = [fold(word) for word in found]
    terms.words.update(key for key in folded if key not in FOLDED_PARTICLES or len(found) == 1)
    if found:
        _whole(terms, run(text))


def _whole(terms: Terms, key: str) -> None:
    if not key.isdigit():
        terms.words.add(key)
        if len(key) >= SHORTEST_RUN:
            terms.runs.add(key)


# ---- addresses -------------------------------------------------------------------------------------------------------


def _address(terms: Terms, address: dict[str, Any]) -> None:
    for line in _texts([address.get("line")]):
        _line(terms, line)
    for beside in objects(address.get("_line")):
        for extension in objects(beside.get("extension")):
            url = str(extension.get("url"))
            if url.endswith(("streetName", "postBox", "additionalLocator")):
                _line(terms, extension.get("valueString"))
    for place in _texts([address.get("city"), address.get("district")]):
        _place(terms, place)
    for code in _texts([address.get("postalCode")]):
        _postal_code(terms, code)
    for part in re.split(r"[,;\n]", "".join(_texts([address.get("text")]))):
        code, _, place = part.strip().partition(" ")
        if place and re.sub(r"\w+-", "", code).isdigit():
            _postal_code(terms, code)
            _place(terms, place)
        else:
            _line(terms, part)


def _line(terms: Terms, line: Any) -> None:
    """A line of an address, and the street without the number."""
    if not isinstance(line, str) or len(line) > _MOST:
        return
    street = _HOUSE_NUMBER.sub("", line)
    if street != line:
        terms.codes.update(form for form in street_forms(line) if len(form) >= SHORTEST_RUN)
    for form in street_forms(street):
        _phrase(terms, street, form)


def _place(terms: Terms, place: str) -> None:
    """A place, and what stands before `am Main`, `(Saale)`."""
    for text in {place, _PLACE_HEAD.split(place, 1)[0]}:
        _phrase(terms, text, run(text))


def _phrase(terms: Terms, text: str, key: str) -> None:
    """A street or a place: one word as a name is, several only together."""
    found = words(text)
    if len(found) > 1 and len(key) >= SHORTEST_RUN:
        terms.codes.add(key)
    elif len(found) == 1 and found[0] not in FOLDED_PARTICLES:
        _word(terms, text)
        _whole(terms, key)


def _postal_code(terms: Terms, code: str) -> None:
    terms.beside.update(word for word in words(code) if len(word) > 3)


# ---- numbers ---------------------------------------------------------------------------------------------------------


def _code(terms: Terms, value: Any) -> None:
    if isinstance(value, str) and sum(map(str.isalnum, value)) >= SHORTEST_CODE and len(value) <= _MOST:
        terms.codes.update({run(value)} - {""})  # `²²²²` has no words


def _telecom(terms: Terms, telecom: dict[str, Any]) -> None:
    for value in _texts([telecom.get("value")]):
        if "@" in value:
            _mail(terms, value)
        elif telecom.get("system") == "url":
            _code(terms, _SCHEME.sub("", value))
        else:
            found = {national_number(value), local_number(value)} - {""}
            terms.phones.update(found)
            if not found:
                _code(terms, value)


def _mail(terms: Terms, value: str) -> None:
    """An address, and its part before the @; where that is too short, also as `name (at) place`."""
    name, _, host = _SCHEME.sub("", value).rpartition("@")
    _code(terms, f"{name} {host}")
    if len(run(name)) >= SHORTEST_RUN:
        terms.codes.add(run(name))
    else:
        _code(terms, f"{name} at {host}")


# ---- reading whatever comes ------------------------------------------------------------------------------------------


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of an element, given once or in a list."""
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict):
            yield one


def _texts(values: list[Any]) -> Iterator[str]:
    for value in values:
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and len(one) <= _MOST:
                yield one
