"""Regular expressions and replacement patterns of .NET, done with Python's; what would behave differently is refused.

.NET sees text as UTF-16 code units, and so does everything here: text is taken apart into units, and put together
again at the end.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

_LAST_UNIT = 0xFFFF
_DOLLAR = re.compile(r"\$(?:([0-9]+)|\{([A-Za-z0-9_]+)\}|([$&`'+_]))")
Ranges = list[tuple[int, int]]


@dataclass(frozen=True)
class NetRegex:
    """A compiled .NET pattern; groups go by the number that .NET gives them."""

    compiled: re.Pattern[str]
    numbers: dict[int, str]
    names: dict[str, str]

    def is_match(self, text: str) -> bool:
        """Whether it matches anywhere."""
        return self.compiled.search(to_units(text)) is not None

    def replace(self, text: str, replacement: str) -> str:
        """The text with every match replaced by a .NET replacement pattern."""
        return from_units(self.compiled.sub(self.replacer(replacement), to_units(text)))

    def replacer(self, replacement: str) -> Callable[[re.Match[str]], str]:
        """What stands for a match, from $1, ${1}, ${name}, $$ and $&; ValueError for the other signs."""
        units = to_units(replacement)
        parts: list[tuple[str, str | int]] = []
        end = 0
        for match in _DOLLAR.finditer(units):
            parts.append(("text", units[end : match.start()]))
            parts.append(self._replacement_part(match))
            end = match.end()
        parts.append(("text", units[end:]))

        def expand(match: re.Match[str]) -> str:
            return "".join(str(part) if kind == "text" else match[part] or "" for kind, part in parts)

        return expand

    def _replacement_part(self, match: re.Match[str]) -> tuple[str, str | int]:
        number, name, sign = match.groups()
        if sign == "$":
            return "text", "$"
        if sign == "&":
            return "group", 0
        if sign:
            raise ValueError(f"replacement pattern: ${sign}")
        key = number or name
        if not key.isdigit():
            group: str | int | None = self.names.get(key)
        else:
            group = self.numbers.get(int(key)) if int(key) else 0
        # A group that is not there leaves its text, says .NET.
        return ("text", match.group()) if group is None else ("group", group)


def to_units(text: str) -> str:
    """One character for each UTF-16 code unit."""
    data = text.encode("utf-16-be", "surrogatepass")
    return "".join(chr(data[i] << 8 | data[i + 1]) for i in range(0, len(data), 2))


def from_units(units: str) -> str:
    """The text again; half a surrogate pair is left as U+FFFD."""
    return units.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")


def compile_net(pattern: str) -> NetRegex:
    """ValueError if the pattern is wrong, or not known to mean the same here."""
    units = to_units(pattern)
    # Back references can only be resolved when all groups are known, so the pattern is read twice.
    scout = _Translator(units, numbers=None, names=None)
    scout.translate()
    numbers, names = scout.numbering()
    translated = _Translator(units, numbers=numbers, names=names).translate()
    try:
        return NetRegex(re.compile(translated), numbers, names)
    except (re.error, OverflowError) as problem:
        raise ValueError(f"regular expression: {problem}") from None


# --- sets of code units ---


@cache
def _categories() -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for unit in range(_LAST_UNIT + 1):
        category = unicodedata.category(chr(unit))
        for name in (category, category[0]):
            found.setdefault(name, set()).add(unit)
    return {name: frozenset(units) for name, units in found.items()}


@cache
def _known_set(letter: str) -> frozenset[int]:
    """What \\w, \\d and \\s stand for in .NET; Python's own differ a little."""
    of = _categories()
    sets = {
        "w": of["L"] | of["Mn"] | of["Nd"] | of["Pc"],
        "d": of["Nd"],
        "s": frozenset(map(ord, "\t\n\v\f\r\x85")) | of["Z"],
    }
    units = sets[letter.lower()]
    return units if letter.islower() else _everything() - units


@cache
def _everything() -> frozenset[int]:
    return frozenset(range(_LAST_UNIT + 1))


@cache
def _as_class(units: frozenset[int]) -> str:
    if not units:
        return "(?!)"
    ranges: Ranges = []
    for unit in sorted(units):
        if ranges and ranges[-1][1] == unit - 1:
            ranges[-1] = (ranges[-1][0], unit)
        else:
            ranges.append((unit, unit))
    return "[" + "".join(f"\\u{first:04x}-\\u{last:04x}" for first, last in ranges) + "]"


_SIMPLE_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b"}
_QUANTIFIER = re.compile(r"(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})")


class _Translator:
    """One pass over a pattern. Each step answers (Python's text, may it match the empty text)."""

    def __init__(self, units: str, numbers: dict[int, str] | None, names: dict[str, str] | None) -> None:
        self.units = units
        self.at = 0
        self.numbers = numbers
        self.names = names
        self.unnamed_groups: list[str] = []
        self.named_groups: dict[str, str] = {}
        self.open_lookbehinds = 0

    def numbering(self) -> tuple[dict[int, str], dict[str, str]]:
        """.NET counts the unnamed groups first, then the named ones."""
        order = [*self.unnamed_groups, *self.named_groups.values()]
        return dict(enumerate(order, start=1)), self.named_groups

    def translate(self) -> str:
        text, _ = self._alternatives()
        if self.at < len(self.units):
            raise ValueError("regular expression: too many )")
        return text

    def _take(self, text: str) -> bool:
        if self.units.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def _next(self) -> str:
        if self.at >= len(self.units):
            raise ValueError("regular expression: ends too early")
        self.at += 1
        return self.units[self.at - 1]

    def _match(self, pattern: str) -> str | None:
        match = re.compile(pattern).match(self.units, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match.group()

    def _alternatives(self) -> tuple[str, bool]:
        branches = [self._sequence()]
        while self._take("|"):
            branches.append(self._sequence())
        return "|".join(text for text, _ in branches), any(empty for _, empty in branches)

    def _sequence(self) -> tuple[str, bool]:
        texts: list[str] = []
        all_empty = True
        while self.at < len(self.units) and self.units[self.at] not in "|)":
            text, empty = self._atom()
            quantifier = self._match(_QUANTIFIER.pattern)
            if quantifier:
                if empty:
                    # Loops over nothing, and repeated assertions, are not the same everywhere.
                    raise ValueError("regular expression: repeats what may be empty")
                text += quantifier + ("?" if self._take("?") else "")
                if self._match(_QUANTIFIER.pattern):
                    raise ValueError("regular expression: nested quantifier")
                empty = quantifier in "*?" or re.match(r"\{0+[,}]", quantifier) is not None
            texts.append(text)
            all_empty = all_empty and empty
        return "".join(texts), all_empty

    def _atom(self) -> tuple[str, bool]:
        char = self._next()
        if char == "(":
            return self._group()
        if char == "[":
            return _as_class(self._class()), False
        if char == "\\":
            return self._escape()
        if char == ".":
            return "[^\\n]", False
        if char in "^$":
            return char, True
        if char in "*+?" or (char == "{" and re.compile(r"[0-9]+(,[0-9]*)?\}").match(self.units, self.at)):
            raise ValueError("regular expression: quantifier of nothing")
        return re.escape(char), False

    def _group(self) -> tuple[str, bool]:
        opening, is_assertion = "(?:", False
        if self._take("?"):
            name = self._match(r"<[A-Za-z_][A-Za-z0-9_]*>") or self._match(r"'[A-Za-z_][A-Za-z0-9_]*'")
            sign = None if name else self._match(r":|>|=|!|<=|<!")
            if name:
                opening = self._capture(name[1:-1])
            elif sign:
                opening, is_assertion = f"(?{sign}", sign in {"=", "!", "<=", "<!"}
            else:
                raise ValueError("regular expression: this kind of group")
        else:
            opening = self._capture(None)
        behind = opening in {"(?<=", "(?<!"}
        self.open_lookbehinds += behind
        inside, empty = self._alternatives()
        self.open_lookbehinds -= behind
        if not self._take(")"):
            raise ValueError("regular expression: a ) is missing")
        return f"{opening}{inside})", empty or is_assertion

    def _capture(self, name: str | None) -> str:
        if self.open_lookbehinds:
            # .NET goes through a lookbehind from right to left, so groups can capture something else.
            raise ValueError("regular expression: group inside a lookbehind")
        own = f"g{len(self.unnamed_groups) + len(self.named_groups)}"
        if name is None:
            self.unnamed_groups.append(own)
        elif name in self.named_groups:
            raise ValueError("regular expression: two groups of one name")
        else:
            self.named_groups[name] = own
        return f"(?P<{own}>"

    def _escape(self) -> tuple[str, bool]:
        char = self.units[self.at : self.at + 1]
        if char and char in "wWdDsS":
            self.at += 1
            return _as_class(_known_set(char)), False
        if self._take("b") or self._take("B"):
            word = _as_class(_known_set("w") | {0x200C, 0x200D})
            one, two = f"(?<={word})(?!{word})", f"(?<!{word})(?={word})"
            if char == "B":
                one, two = f"(?<={word})(?={word})", f"(?<!{word})(?!{word})"
            return f"(?:{one}|{two})", True
        if self._take("A"):
            return "\\A", True
        if self._take("z"):
            return "\\Z", True
        if self._take("Z"):
            return "(?=\\n?\\Z)", True
        if char and char in "123456789":
            number = self._match(r"[0-9]+") or ""
            return self._back_reference(self.numbers and self.numbers.get(int(number)))
        name = self._match(r"k<[A-Za-z_][A-Za-z0-9_]*>")
        if name:
            return self._back_reference(self.names and self.names.get(name[2:-1]))
        if char and char in "pP":
            return _as_class(self._category()), False
        return re.escape(self._escaped_char()), False

    def _back_reference(self, group: str | dict[int, str] | dict[str, str] | None) -> tuple[str, bool]:
        if self.numbers is None:
            return "", True
        if not isinstance(group, str):
            raise ValueError("regular expression: reference to no group")
        return f"(?P={group})", True

    def _category(self) -> frozenset[int]:
        text = self._match(r"[pP]\{[A-Z][a-z]?\}")
        if text is None or text[2:-1] not in _categories():
            raise ValueError("regular expression: this kind of \\p")
        units = _categories()[text[2:-1]]
        return units if text[0] == "p" else _everything() - units

    def _escaped_char(self) -> str:
        hexadecimal = self._match(r"u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}")
        if hexadecimal:
            return chr(int(hexadecimal[1:], 16))
        char = self._next()
        if char in _SIMPLE_ESCAPES:
            return _SIMPLE_ESCAPES[char]
        if char in "0_" or char.isalnum():
            raise ValueError(f"regular expression: escape \\{char}")
        return char

    def _class(self) -> frozenset[int]:
        negated = self._take("^")
        units: frozenset[int] = frozenset()
        first = True
        while first or not self._take("]"):
            if self.units.startswith("-[", self.at):
                raise ValueError("regular expression: subtraction of classes")
            item = self._class_item()
            if self.units.startswith("-", self.at) and self.units[self.at + 1 : self.at + 2] != "]":
                self.at += 1
                last = "" if self.units.startswith("[", self.at) else self._class_item()
                if not (isinstance(item, str) and isinstance(last, str)) or not item <= last:
                    raise ValueError("regular expression: range in a class")
                item = frozenset(range(ord(item), ord(last) + 1))
            units |= frozenset({ord(item)}) if isinstance(item, str) else item
            first = False
        return _everything() - units if negated else units

    def _class_item(self) -> str | frozenset[int]:
        char = self._next()
        if char != "\\":
            return char
        char = self.units[self.at : self.at + 1]
        if char and char in "wWdDsS":
            self.at += 1
            return _known_set(char)
        if char and char in "pP":
            return self._category()
        if self._take("b"):
            return "\b"
        return self._escaped_char()
