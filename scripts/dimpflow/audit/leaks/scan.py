"""Searches blocks of lines of a result.

Nearly all of a result comes again and again, or holds no word that begins a value. So a block is cut into members, new ones into
strings, new strings into words, all at once, and only words that no block had before are looked up. Lines are parsed only if they
have a string in which a value was found.
"""

import re
from collections.abc import Iterator

import orjson

from dimpflow.audit.leaks.match import Match, Matcher
from dimpflow.audit.leaks.places import Nature, Place, places
from dimpflow.audit.leaks.tally import Tally
from dimpflow.audit.leaks.words import distinct_words, fold, is_moment, unescape
from dimpflow.errors import InputError
from dimpflow.fhir.table import RESOURCE_TYPES

_REMEMBERED = 100_000
"""Members, strings and words without a value that are not looked at again; if strings, with a length of at most..."""
_LONG = 200  # bytes
_MOMENT = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?")
_FULL_BIRTH = re.compile(rb'"birthDate" ?: ?"\d{4}-\d\d-\d\d"')
_A_DAY = 8  # characters of `1.1.1980`
_BETWEEN = (b"", b":", b",", b"{", b"}", b"[", b"]")
"""How what stands between strings begins."""
_NEXT = b'","'
"""Between two members, the first of them a string; within no string but `,`."""
_MEMBER = re.compile(rb"\w+")
_TYPES = frozenset(type_.lower() for type_ in RESOURCE_TYPES)


class Scanner:
    """One process's search; `take` for every block of whole lines."""

    def __init__(self, matcher: Matcher, common_from: int) -> None:
        self._matcher = matcher
        self.common_from = common_from
        self._clean_members: set[bytes] = set()
        self._clean: set[bytes] = set()
        self._clean_words: set[bytes] = set()

    def take(self, block: bytes) -> Tally:
        """Count what is in a block of whole lines. InputError: a line is no JSON."""
        tally = Tally(
            self.common_from, lines=block.count(b"\n") + (not block.endswith(b"\n")), bytes=len(block)
        )
        text = unescape(block)
        if b'"birthDate"' in text:
            tally.dates = len(_FULL_BIRTH.findall(text))
        suspects = self._suspects(text)
        if suspects:
            texts = {suspect.decode("utf-8", "replace") for suspect in suspects}
            for line in _lines_with(suspects, text, block):
                self._line(line, texts, tally)
        return tally

    def _suspects(self, text: bytes) -> set[bytes]:
        """The strings of a block with a value in them."""
        # Cut at line ends too, since strings are looked for in lines later; "-=" would walk through all that is clean.
        members = set(text.replace(b"\n", _NEXT).split(_NEXT)) - self._clean_members
        new = set(b'"'.join(members).split(b'"')) - self._clean
        pieces = list(new)
        folded = fold(b"\0".join(pieces).decode("utf-8", "replace"))
        fresh = distinct_words(folded) - self._clean_words
        hits = self._matcher.anchors(fresh)
        values = self._with_values(pieces, folded, hits) | self._with_births(pieces, b"birthTime" in text)
        short = self._short(pieces) - values
        fresh -= hits
        found = values | short
        if found:
            new -= found
            members = {one for one in members if found.isdisjoint(one.split(b'"'))}
        for memory, seen in (
            (self._clean_members, members),
            (self._clean, new),
            (self._clean_words, fresh),
        ):
            if len(memory) > _REMEMBERED:
                memory.clear()
            memory |= seen
        return {one for one in values if not _names_members(one, text)} | {
            one for one in short if _is_id(one, text)
        }

    def _with_values(self, pieces: list[bytes], folded: str, hits: set[bytes]) -> set[bytes]:
        """Strings that have one of the words, and by it a value. folded: all strings, between them NUL."""
        found = set()
        for hit in hits:
            word = hit.decode("utf-8", "replace")
            index, last, at = 0, 0, folded.find(word)
            while at >= 0:
                index += folded.count("\0", last, at)
                end = folded.find("\0", at)
                last = end if end >= 0 else len(folded)
                if self._matcher.values(folded[folded.rfind("\0", 0, at) + 1 : last]):
                    found.add(pieces[index])
                at = folded.find(word, last)
        return found

    def _with_births(self, pieces: list[bytes], all_moments: bool) -> set[bytes]:
        """Strings with a birth date, but for times on a day, which are those of events (in no text are there so many digits)."""
        births = self._matcher.births
        dated = [
            one
            for one in pieces
            if len(one) >= _A_DAY
            and (b"-" in one or b"." in one)
            and (one[10:11] != b"T" or all_moments or not _MOMENT.fullmatch(one))
        ]
        return {one for one in dated if births(fold(one.decode("utf-8", "replace")))}

    def _short(self, pieces: list[bytes]) -> set[bytes]:
        """Strings that are, or end with, a short id."""
        if not (longest := self._matcher.longest_short):
            return set()
        ends = [one for one in pieces if len(one) - one.rfind(b"/") <= longest + 1 or one.startswith(b"urn:")]
        return {
            one
            for one in ends
            if one[:1] not in _BETWEEN
            and len(one) - one.rfind(b":" if one.startswith(b"urn:") else b"/") <= longest + 1
            and self._matcher.short(fold(one.decode("utf-8", "replace")))
        }

    def _line(self, line: bytes, suspects: set[str], tally: Tally) -> None:
        try:
            resource = orjson.loads(line)
        except ValueError:
            resource = None
        if not isinstance(resource, dict):
            raise InputError(
                "the result of the job has a line that is no JSON object; remove it and run again"
            )
        for place in places(resource):
            text = place.text
            # A string that has no escapes was looked at as it is.
            if text in suspects or not text.isprintable() or '"' in text or "\\" in text or place.number:
                folded = fold(text)
                if matches := self._matches(place, folded):
                    tally.take(place, folded, matches, self._matcher)

    def _matches(self, place: Place, folded: str) -> list[Match]:
        matcher = self._matcher
        nature = place.nature
        if nature in (Nature.DATE, Nature.BIRTH) and is_moment(folded):
            return matcher.births(folded) if nature is Nature.BIRTH else []
        head, _, tail = folded.partition("/")
        typed = nature is Nature.ID and head in _TYPES  # "Patient/1" is not the id "patient-1"
        matches = matcher.values(tail if typed else folded) + matcher.births(folded)
        if not matches and nature is Nature.ID:
            matches = matcher.short(folded)
        return matches


def _names_members(piece: bytes, text: bytes) -> bool:
    """Whether a string is nowhere but before a colon."""
    if not _MEMBER.fullmatch(piece):
        return False
    quoted = b'"%b"' % piece
    return text.count(quoted) == text.count(quoted + b":")


def _is_id(piece: bytes, text: bytes) -> bool:
    """Whether a string stands where ids and identifiers do."""
    return re.search(rb'"(?:id|value|fullUrl|url|reference)" ?: ?"%b"' % re.escape(piece), text) is not None


def _lines_with(suspects: set[bytes], text: bytes, block: bytes) -> Iterator[bytes]:
    """The lines of `block` that have one of the strings. text: the same lines without escapes."""
    for plain, line in zip(text.split(b"\n"), block.split(b"\n"), strict=True):
        if not suspects.isdisjoint(plain.split(b'"')):
            yield line
