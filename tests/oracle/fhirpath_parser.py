"""The accepted part of FHIRPath as a syntax tree (2.4); everything else is a ValueError."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from .regex import NetRegex, compile_net, from_units
from .temporal import Temporal, read_temporal


@dataclass(frozen=True)
class Computed:
    """An item that is no node: `kind` is the system type, such as String."""

    kind: str
    value: bool | int | Decimal | str | Temporal


@dataclass(frozen=True)
class Literal:
    """A constant."""

    item: Computed


@dataclass(frozen=True)
class Empty:
    """`{}`."""


@dataclass(frozen=True)
class This:
    """The surrounding context: `$this`, and what names and functions without a focus start from."""


@dataclass(frozen=True)
class Name:
    """A name behind a focus."""

    focus: "Expression"
    name: str


@dataclass(frozen=True)
class Index:
    """`focus[position]`."""

    focus: "Expression"
    position: int


@dataclass(frozen=True)
class TypeTest:
    """`is`, `as` and `ofType`, as operator or function."""

    focus: "Expression"
    operator: str
    type_name: str


@dataclass(frozen=True)
class Nodes:
    """`nodesByType` and `nodesByName`."""

    focus: "Expression"
    function: str
    wanted: str


@dataclass(frozen=True)
class Match:
    """`matches`, and `replaceMatches` if there is a replacement."""

    focus: "Expression"
    regex: NetRegex
    replacement: str | None


@dataclass(frozen=True)
class Call:
    """Any other function."""

    focus: "Expression"
    function: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True)
class Minus:
    """Unary minus."""

    operand: "Expression"


@dataclass(frozen=True)
class Operation:
    """A binary operator."""

    operator: str
    left: "Expression"
    right: "Expression"


Expression = Literal | Empty | This | Name | Index | TypeTest | Nodes | Match | Call | Minus | Operation

_FUNCTIONS = {
    "where": {1},
    "exists": {0, 1},
    "empty": {0},
    "not": {0},
    "first": {0},
    "last": {0},
    "select": {1},
    "all": {1},
    "count": {0},
    "children": {0},
    "descendants": {0},
    "iif": {2, 3},
    "toString": {0},
    "substring": {1, 2},
    "startsWith": {1},
    "endsWith": {1},
    "contains": {1},
}
# Loosest first (2.4).
_LEVELS = (
    {"implies"},
    {"or", "xor"},
    {"and"},
    {"in", "contains"},
    {"=", "~", "!=", "!~"},
    {"is", "as"},
    {"<", "<=", ">", ">="},
    {"|"},
    {"+", "-"},
    {"*", "/", "div"},
)
_RESERVED = {"true", "false", "and", "or", "xor", "implies", "div", "mod"}

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<quoted>`(?:[^`\\]|\\.)*`)
    | (?P<temporal>@T?[0-9](?:[0-9T:]|[-+.](?=[0-9]))*Z?)
    | (?P<decimal>[0-9]+\.[0-9]+)
    | (?P<integer>[0-9]+)
    | (?P<name>\$this\b|[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign><=|>=|!=|!~|[=~<>|+\-*/.,()\[\]{}])
    | (?P<end>$)
    )""",
    re.VERBOSE | re.DOTALL,
)
_TEMPORAL = re.compile(
    r"@(?P<date>[0-9]{4}(?:-[0-9]{2}){0,2})(?P<t>T(?P<clock>[0-9:.]+(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)?"
    r"|@T(?P<time>[0-9:.]+)"
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "/": "/", "\\": "\\", "'": "'", '"': '"', "`": "`"}


@cache
def parse(text: str) -> Expression:
    """The syntax tree."""
    return _Parser(text).everything()


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while not self.tokens or self.tokens[-1][0] != "end":
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise ValueError(f"FHIRPath: cannot read {text[at : at + 20]!r}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self.at = 0

    def everything(self) -> Expression:
        expression = self._level(0)
        if self._peek()[0] != "end":
            raise ValueError(f"FHIRPath: unexpected {self._peek()[1]!r}")
        return expression

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.at]

    def _next(self) -> tuple[str, str]:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def _take(self, sign: str) -> bool:
        if self._peek() == ("sign", sign):
            self.at += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise ValueError(f"FHIRPath: {sign} expected, not {self._peek()[1]!r}")

    def _level(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        left = self._level(level + 1)
        while self._peek()[0] in {"sign", "name"} and self._peek()[1] in _LEVELS[level]:
            operator = self._next()[1]
            if operator in {"is", "as"}:
                left = TypeTest(left, operator, self._type_name())
            else:
                left = Operation(operator, left, self._level(level + 1))
        return left

    def _unary(self) -> Expression:
        if self._take("-"):
            return Minus(self._unary())
        expression = self._term()
        while True:
            if self._take("."):
                expression = self._invocation(expression)
            elif self._take("["):
                kind, text = self._next()
                if kind != "integer":
                    raise ValueError("FHIRPath: an index is an integer literal")
                self._expect("]")
                expression = Index(expression, int(text))
            else:
                return expression

    def _term(self) -> Expression:
        kind, text = self._peek()
        if kind == "sign":
            if self._take("("):
                inner = self._level(0)
                self._expect(")")
                return inner
            self._expect("{")
            self._expect("}")
            return Empty()
        if kind == "name" and text == "$this":
            self.at += 1
            return This()
        if kind in {"name", "quoted"} and text not in {"true", "false"}:
            return self._invocation(This())
        self.at += 1
        return Literal(_constant(kind, text))

    def _invocation(self, focus: Expression) -> Expression:
        if self._peek() == ("name", "div"):
            self._next()  # behind a point it can only be the element of a Narrative
            return Name(focus, "div")
        name = self._identifier()
        if not self._take("("):
            return Name(focus, name)
        if name in {"nodesByType", "nodesByName"}:
            wanted = self._string_literal()
            self._expect(")")
            return Nodes(focus, name, wanted)
        if name in {"is", "as", "ofType"}:
            type_name = self._type_name()
            self._expect(")")
            return TypeTest(focus, name, type_name)
        if name in {"matches", "replaceMatches"}:
            return self._match(focus, name)
        arguments: list[Expression] = []
        if not self._take(")"):
            arguments.append(self._level(0))
            while self._take(","):
                arguments.append(self._level(0))
            self._expect(")")
        if len(arguments) not in _FUNCTIONS.get(name, set()):
            raise ValueError(f"FHIRPath: no function {name} with {len(arguments)} arguments")
        return Call(focus, name, tuple(arguments))

    def _match(self, focus: Expression, name: str) -> Expression:
        regex = compile_net(self._string_literal())
        replacement = None
        if name == "replaceMatches":
            self._expect(",")
            replacement = self._string_literal()
            # Its mistakes are to show at load time as well.
            regex.replacer(replacement)
        self._expect(")")
        return Match(focus, regex, replacement)

    def _identifier(self) -> str:
        kind, text = self._next()
        if kind == "quoted":
            return _unescaped(text[1:-1])
        if kind != "name" or text in _RESERVED or text.startswith("$"):
            raise ValueError(f"FHIRPath: a name expected, not {text!r}")
        return text

    def _type_name(self) -> str:
        name = self._identifier()
        if self._take("."):
            if name not in {"FHIR", "System"}:
                raise ValueError(f"FHIRPath: no types in {name!r}")
            name = self._identifier()
        return name

    def _string_literal(self) -> str:
        kind, text = self._next()
        if kind != "string":
            raise ValueError("FHIRPath: a string literal expected")
        return _unescaped(text[1:-1])


def _constant(kind: str, text: str) -> Computed:
    if kind == "string":
        return Computed("String", _unescaped(text[1:-1]))
    if kind == "integer":
        return Computed("Integer", int(text))
    if kind == "decimal":
        return Computed("Decimal", Decimal(text))
    if text in {"true", "false"}:
        return Computed("Boolean", text == "true")
    match = _TEMPORAL.fullmatch(text) if kind == "temporal" else None
    if match is None:
        raise ValueError(f"FHIRPath: unexpected {text!r}")
    if match["time"]:
        form, plain = "Time", match["time"]
    elif match["t"]:
        # `@2015T` is a dateTime with the precision of a year: the T is syntax, not text.
        form, plain = "DateTime", match["date"] + (match["t"] if match["clock"] else "")
    else:
        form, plain = "Date", match["date"]
    value = read_temporal(form, plain, literal=True)
    if value is None:
        raise ValueError(f"FHIRPath: {text} is no date or time")
    return Computed(form, value)


def _unescaped(text: str) -> str:
    def escape(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        if match[2] not in _ESCAPES:
            raise ValueError(f"FHIRPath: escape \\{match[2]}")
        return _ESCAPES[match[2]]

    plain = re.sub(r"\\(?:u([0-9A-Fa-f]{4})|(.))", escape, text, flags=re.DOTALL)
    whole = from_units(plain)
    if "\ufffd" in whole and "\ufffd" not in plain:
        raise ValueError("FHIRPath: half a surrogate pair")
    return whole
