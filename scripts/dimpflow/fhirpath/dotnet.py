"""Regular expressions of .NET, in which rule sets are written, by Python's engine.

Source: .NET "Regular expression language" and "Substitutions". What the two spell or mean differently is translated; what
Python's engine does not have, or would do otherwise, is refused. .NET works on UTF-16 code units: text beyond ASCII is
matched as such, with classes spelt out as .NET defines them; on ASCII text both mean the same.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache, cached_property

from dimpflow.errors import RuleSetError

_NAMED = re.compile(r"\(\?(?:<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')", re.ASCII)
_PLAIN_GROUP = re.compile(r"\(\?(?:[:=!>]|<[=!]|[ims]+:|#[^)]*\))")
_LEADING_FLAGS = re.compile(r"\(\?[ims]+\)")
_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})\??", re.ASCII)
_BACK_REFERENCE = re.compile(r"\\(?:(\d+)|k<(\w+)>|k'(\w+)')", re.ASCII)
_CODE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4}))")
_CATEGORY = re.compile(r"\\[pP]\{([A-Z][a-z]?)\}")
_SUBSTITUTION = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<number>\d+)|\{(?P<name>\w+)\}|(?P<other>[&`'+_]))", re.ASCII
)
_CONTROL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b"}
_CLASSES = {
    "d": ("Nd",),
    "s": ("Z", "\t\n\v\f\r\x85"),
    "w": ("L", "Mn", "Nd", "Pc"),
}
_JOINERS = "\u200c\u200d"
"""Not in \\w, but no borders of words either."""


@cache
def _ranges(*parts: str) -> str:
    """The inside of a character class: general categories (one or two letters), or characters as such, of the first plane."""
    wanted = {p for p in parts if p[0].isalpha()}
    extra = "".join(p for p in parts if not p[0].isalpha())
    found: list[list[int]] = []
    for code in range(0x10000):
        category = unicodedata.category(chr(code))
        if category in wanted or category[0] in wanted or chr(code) in extra:
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return "".join(f"\\u{low:04x}-\\u{high:04x}" for low, high in found)


@cache
def _complement(inside: str) -> str:
    """The inside of the class of all other characters."""
    pairs = [(int(a, 16), int(b, 16)) for a, b in re.findall(r"\\u(.{4})-\\u(.{4})", inside)]
    found, start = [], 0
    for low, high in [*pairs, (0x10000, 0x10000)]:
        if low > start:
            found.append(f"\\u{start:04x}-\\u{low - 1:04x}")
        start = high + 1
    return "".join(found)


class _Translation:
    """One pass over a pattern. wide: for text of UTF-16 code units; else for ASCII."""

    def __init__(self, pattern: str, wide: bool) -> None:
        self.pattern = _units(pattern)
        self.wide = wide
        self.groups: list[str | None] = []
        self._numbers = self._count()
        flags = _LEADING_FLAGS.match(pattern)
        self.at = flags.end() if flags else 0
        self.source = (flags[0] if flags else "") + "".join(self._parts())

    def _count(self) -> dict[str, int]:
        """.NET's names of groups (numbers and names) to Python's numbers: unnamed groups are counted before named ones."""
        self.groups = []
        at = 0
        while at < len(self.pattern):
            character = self.pattern[at]
            if character == "\\":
                at += 2
                continue
            if character == "[":
                at = self._class_end(at)
                continue
            if character == "(":
                named = _NAMED.match(self.pattern, at)
                if named:
                    self.groups.append(named[1] or named[2])
                elif self.pattern[at + 1 : at + 2] != "?":
                    self.groups.append(None)
            at += 1
        places = list(enumerate(self.groups, start=1))
        order = [i for i, name in places if name is None] + [i for i, name in places if name]
        numbers = {str(net): place for net, place in enumerate(order, start=1)}
        return numbers | {name: place for place, name in places if name} | {"0": 0}

    def number(self, name: str) -> int | None:
        """Python's number of a group that .NET calls so; None if there is none."""
        return self._numbers.get(name.lstrip("0") or "0" if name.isdigit() else name)

    def _class_end(self, at: int) -> int:
        at += 2 if self.pattern[at + 1 : at + 2] == "^" else 1
        at += 1  # a ] in the first place is a character
        while at < len(self.pattern) and self.pattern[at] != "]":
            at += 2 if self.pattern[at] == "\\" else 1
        return at + 1

    def _parts(self) -> Iterator[str]:
        quantified = False
        while self.at < len(self.pattern):
            quantifier = _QUANTIFIER.match(self.pattern, self.at)
            if quantifier:
                if quantified:
                    raise RuleSetError("a quantifier after a quantifier")
                self.at = quantifier.end()
                quantified = True
                yield quantifier[0]
                continue
            quantified = False
            yield self._one()

    def _one(self) -> str:
        character = self.pattern[self.at]
        if character == "(":
            return self._group()
        if character == "[":
            return self._class()
        if character == "\\":
            return self._escape(inside=False)
        self.at += 1
        return character if character in ").|^$" else re.escape(character)

    def _group(self) -> str:
        named = _NAMED.match(self.pattern, self.at)
        plain = _PLAIN_GROUP.match(self.pattern, self.at)
        if named:
            self.at = named.end()
            return f"(?P<{named[1] or named[2]}>"
        if plain:
            self.at = plain.end()
            return plain[0]
        if self.pattern[self.at + 1 : self.at + 2] == "?":
            raise RuleSetError(f"the group {self.pattern[self.at : self.at + 4]}... is not supported")
        self.at += 1
        return "("

    def _class(self) -> str:
        end = self._class_end(self.at)
        if end > len(self.pattern):
            raise RuleSetError("a character class without its end")
        found = "["
        self.at += 1
        if self.pattern[self.at] == "^":
            found += "^"
            self.at += 1
        while self.at < end - 1:
            if self.pattern.startswith("-[", self.at):
                raise RuleSetError("subtraction in character classes is not supported")
            if self.pattern[self.at] == "\\":
                found += self._escape(inside=True)
                continue
            character = self.pattern[self.at]
            found += character if character == "-" else re.escape(character)
            self.at += 1
        self.at = end
        return found + "]"

    def _escape(self, *, inside: bool) -> str:
        code = _CODE.match(self.pattern, self.at)
        if code:
            self.at = code.end()
            return f"\\u{int(code[1] or code[2], 16):04x}"
        category = _CATEGORY.match(self.pattern, self.at)
        if category:
            self.at = category.end()
            known = _ranges(category[1])
            if not known:
                raise RuleSetError(f"the category {category[1]} is not supported")
            return self._set(known, category[0][1] == "P", inside)
        reference = _BACK_REFERENCE.match(self.pattern, self.at)
        if reference and not inside:
            number = self.number(reference[1] or reference[2] or reference[3])
            if not number:
                raise RuleSetError(f"{reference[0]} refers to no group")
            self.at = reference.end()
            return f"(?:\\{number})"
        letter = self.pattern[self.at + 1 : self.at + 2]
        self.at += 2
        if letter in _CONTROL:
            return f"\\x{ord(_CONTROL[letter]):02x}"
        if letter and not letter.isalnum() and letter != "_":
            return re.escape(letter)
        if letter.lower() in _CLASSES:
            if not self.wide:
                return "\\" + letter
            return self._set(_ranges(*_CLASSES[letter.lower()]), letter.isupper(), inside)
        if letter == "b" and inside:
            return "\\b"
        if letter in ("b", "B") and not inside:
            return self._border(letter == "B")
        anchors = {"A": r"\A", "z": r"\Z", "Z": r"(?=\n?\Z)"}
        if letter in anchors and not inside:
            return anchors[letter]
        raise RuleSetError(f"the escape \\{letter} is not supported here")

    @staticmethod
    def _set(known: str, negated: bool, inside: bool) -> str:
        if inside:
            return _complement(known) if negated else known
        return f"[^{known}]" if negated else f"[{known}]"

    def _border(self, negated: bool) -> str:
        if not self.wide:
            return "\\B" if negated else "\\b"
        word = f"[{_ranges(*_CLASSES['w'])}{_JOINERS}]"
        border = f"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))"
        return f"(?!{border})" if negated else border


def _units(text: str) -> str:
    """The text with each character beyond the first plane as its two code units."""
    if text.isascii() or max(text) <= "\uffff":
        return text
    data = text.encode("utf-16-be", "surrogatepass")
    return "".join(chr(data[i] << 8 | data[i + 1]) for i in range(0, len(data), 2))


def _text(units: str) -> str:
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Pattern:
    """A compiled .NET pattern. RuleSetError if it is none, or one that this engine cannot follow exactly."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._ascii = self._compiled(wide=False)
        _ = self._wide if not pattern.isascii() else None  # what is wrong shows when it is loaded

    def _compiled(self, *, wide: bool) -> tuple[re.Pattern[str], _Translation]:
        try:
            translation = _Translation(self._pattern, wide)
            return re.compile(translation.source, 0 if wide else re.ASCII), translation
        except RuleSetError as error:
            raise RuleSetError(f"the regular expression cannot be used: {error}") from None
        except (re.error, OverflowError, IndexError) as error:
            raise RuleSetError(f"the regular expression cannot be used: {error}") from None

    @cached_property
    def _wide(self) -> tuple[re.Pattern[str], _Translation]:
        return self._compiled(wide=True)

    def matches(self, text: str) -> bool:
        """Whether the pattern matches anywhere in the text."""
        if text.isascii():
            return self._ascii[0].search(text) is not None
        return self._wide[0].search(_units(text)) is not None

    def replacer(self, replacement: str) -> Callable[[str], str]:
        """The function that replaces every match; `${name}`, `$1`, `$&` and so on as in .NET."""
        expand = self._expander(replacement)

        def replace(text: str) -> str:
            if text.isascii():
                return self._ascii[0].sub(expand, text)
            return _text(self._wide[0].sub(expand, _units(text)))

        return replace

    def _expander(self, replacement: str) -> Callable[[re.Match[str]], str]:
        number = self._ascii[1].number
        parts: list[Callable[[re.Match[str]], str]] = []
        at = 0
        for found in _SUBSTITUTION.finditer(replacement):
            parts.append(_constant(replacement[at : found.start()]))
            parts.append(_substitution(found, number))
            at = found.end()
        parts.append(_constant(replacement[at:]))
        return lambda match: "".join(part(match) for part in parts)


def _constant(text: str) -> Callable[[re.Match[str]], str]:
    return lambda match: text


def _substitution(
    found: re.Match[str], number: Callable[[str], int | None]
) -> Callable[[re.Match[str]], str]:
    if found["dollar"]:
        return _constant("$")
    if found["other"] == "+":
        raise RuleSetError("$+ in a replacement is not supported; name the group: ${name}")
    if found["other"]:
        return {
            "&": lambda match: str(match[0]),
            "`": lambda match: match.string[: match.start()],
            "'": lambda match: match.string[match.end() :],
            "_": lambda match: match.string,
        }[found["other"]]
    group = number(found["number"] or found["name"])
    if group is None:
        return _constant(found[0])  # a group that does not exist stays as it is written
    return lambda match: match[group] or ""
