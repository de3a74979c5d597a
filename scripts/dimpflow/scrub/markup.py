"""What a reader sees of a text with tags and entities, and how to change it there without touching the markup."""

import re
from collections.abc import Callable
from html import unescape
from typing import NamedTuple

Span = tuple[int, int]

_INLINE = frozenset(
    (
        "a", "abbr", "acronym", "b", "bdo", "big", "cite", "code", "dfn", "em", "font", "i", "kbd", "mark", "q", "s", "samp",
        "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var",
    )
)  # fmt: skip
"""Elements that do not divide a word (XHTML as FHIR R4 section 2.4.4 allows it)."""

_ENTITY = r"&(?:\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
_MARKUP = re.compile(
    rf"""(?P<comment><!--[^-]*+(?:-(?!->)[^-]*+)*+(?:-->)?+)
    |(?P<cdata><!\[CDATA\[|\]\]>)
    |(?P<tag></?(?P<name>[A-Za-z][A-Za-z0-9:]*+)
        (?:\s++[A-Za-z_][\w:.-]*+\s*+=\s*+(?:"[^"<]*+"|'[^'<]*+'))*+\s*+/?>)
    |(?P<entity>{_ENTITY})""",
    re.VERBOSE,
)
"""Without backtracking: possessive, and no tag goes on beyond the next `<`. What is no whole tag is text."""
_INLINE_MARKUP = re.compile(
    rf"(?P<tag></?(?P<name>{'|'.join(sorted(_INLINE))})\s*+/?>)|(?P<entity>{_ENTITY})", re.IGNORECASE
)
_ATTRIBUTE = re.compile(r"""([A-Za-z_][\w:.-]*+)(\s*+=\s*+)("[^"<]*+"|'[^'<]*+')""")


MOST_TAGS = 200
plain_tags: dict[str, str] = {}
"""Tags without attributes that were met, and the outermost, to what is seen of them. Where one stands between `<` and the next `>`,
the pattern finds it, whatever is around it."""

_OUTERMOST = '<div xmlns="http://www.w3.org/1999/xhtml">'


class Piece(NamedTuple):
    """Characters that are seen. start, end: where in what is seen; source: where in the text; exact: each stands for itself."""

    start: int
    end: int
    source: int
    source_end: int
    exact: bool


class Markup:
    """A text with markup. seen: what a reader sees; elements that divide words are line ends.

    xhtml: whether all tags are markup; otherwise (a string, Markdown) only inline ones without attributes are.
    """

    def __init__(self, text: str, *, xhtml: bool) -> None:
        self.text = text
        self._pieces: list[Piece] = []
        self.hidden: list[tuple[Span, bool]] = []
        """Spans that are not seen but hold text: attributes of a tag (True) and comments."""
        self.seen = (xhtml and self._plainly()) or self._read(_MARKUP if xhtml else _INLINE_MARKUP)

    def _plainly(self) -> str:
        """What is seen where all markup is tags that were met before and hold no text; '' where that cannot be said. It is what
        `_read` gives, in a third of the time."""
        text = self.text
        if not text.startswith("<") or "&" in text or "]]>" in text:
            return ""
        seen, pieces = list[str](), list[Piece]()
        at = length = 0
        for one in text[1:].split("<"):
            tag, closed, behind = one.partition(">")
            shown = plain_tags.get(tag) if closed else None
            if shown is None:
                return ""
            at += len(one) + 1
            length += len(shown)
            if behind:
                size = len(behind)
                pieces.append(Piece(length, length + size, at - size, at, True))
                length += size
            seen += shown, behind
        self._pieces = pieces
        return "".join(seen)

    def _read(self, markup: re.Pattern[str]) -> str:
        """What is seen."""
        text, seen = self.text, list[str]()
        at = length = 0
        for match in markup.finditer(text):
            start, end = match.span()
            if at < start:
                seen.append(text[at:start])
                self._pieces.append(Piece(length, length + start - at, at, start, True))
                length += start - at
            at = end
            shown = self._shown(match)
            if match.lastgroup == "entity" and shown:
                self._pieces.append(Piece(length, length + len(shown), start, end, False))
            seen.append(shown)
            length += len(shown)
        if at < len(text):
            seen.append(text[at:])
            self._pieces.append(Piece(length, length + len(text) - at, at, len(text), True))
        return "".join(seen)

    def _shown(self, match: re.Match[str]) -> str:
        """What is seen of a piece of markup."""
        kind = match.lastgroup
        if kind == "entity":
            return unescape(match[0])
        if kind == "comment":
            self.hidden.append((match.span(), False))
        if kind != "tag":
            return ""
        shown = "" if match["name"].lower() in _INLINE else "\n"
        if "=" in match[0] and match[0] != _OUTERMOST:
            self.hidden.append((match.span(), True))
        elif len(plain_tags) < MOST_TAGS:
            plain_tags[match[0][1:-1]] = shown
        return shown

    def replaced(self, spans: list[Span], marker: str, hidden: Callable[[str], str]) -> str:
        """The text with spans of what is seen replaced, tags between them left, and what is hidden worked on."""
        edits: list[tuple[int, int, str]] = []
        pieces = iter(self._pieces)
        piece = next(pieces, None)
        for start, end in spans:
            first = True
            while piece is not None and piece.end <= start:
                piece = next(pieces, None)
            while piece is not None and piece.start < end:
                here, there = piece.source, piece.source_end
                if piece.exact:
                    here += max(start - piece.start, 0)
                    there -= max(piece.end - end, 0)
                edits.append((here, there, marker if first else ""))
                first = False
                if piece.end > end:
                    break
                piece = next(pieces, None)
        for (start, end), tag in self.hidden:
            old = self.text[start:end]
            edits.append((start, end, _ATTRIBUTE.sub(_each_value(hidden), old) if tag else hidden(old)))
        return edited(self.text, sorted(edits))


def edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    """A text with parts replaced, given in order."""
    parts, at = [], 0
    for start, end, new in edits:
        parts += [text[at:start], new]
        at = end
    parts.append(text[at:])
    return "".join(parts)


def _each_value(hidden: Callable[[str], str]) -> Callable[[re.Match[str]], str]:
    def change(match: re.Match[str]) -> str:
        name, equals, value = match.groups()
        if name.startswith("xmlns"):
            return match[0]
        return f"{name}{equals}{value[0]}{hidden(value[1:-1])}{value[-1]}"

    return change
