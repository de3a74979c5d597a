"""Text to FHIRPath expression (FHIRPath 2.0.0, appendix B: grammar and precedence)."""

import re
from typing import NamedTuple

from dimpflow.errors import RuleSetError
from dimpflow.fhirpath.ast import (
    Binary,
    Call,
    Empty,
    Expression,
    Indexer,
    Literal,
    Member,
    This,
    TypeTest,
    Unary,
    parts,
)
from dimpflow.fhirpath.moments import parse as parse_moment

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<datetime>@(?:T\d{2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?)?
        |\d{4}(?:-\d{2}(?:-\d{2})?)?(?:T(?:\d{2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?)?(?:Z|[+-]\d{2}:\d{2})?)?)?))
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<string>'(?:[^'\\]|\\.)*')
    |(?P<quoted>`(?:[^`\\]|\\.)*`)
    |(?P<special>\$this|\$index|\$total)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<symbol><=|>=|!=|!~|[-.()\[\]{},+*/&|<>=~%])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"} | {c: c for c in "\\'\"`/"}

_PRECEDENCE: dict[str, int] = {
    **dict.fromkeys(("*", "/", "div", "mod"), 11),
    **dict.fromkeys(("+", "-", "&"), 10),
    "|": 9,
    **dict.fromkeys(("<", "<=", ">", ">="), 8),
    **dict.fromkeys(("is", "as"), 7),
    **dict.fromkeys(("=", "~", "!=", "!~"), 6),
    **dict.fromkeys(("in", "contains"), 5),
    "and": 4,
    **dict.fromkeys(("or", "xor"), 3),
    "implies": 2,
}
"""How tightly the binary operators bind; the specification of the rules gives this order (tight to loose)."""

_ASSOCIATIVE = frozenset(("and", "or", "|"))
_MOMENTS = {"date": "Date", "dateTime": "DateTime", "time": "Time"}
_MAX_DEPTH = 100


class _Token(NamedTuple):
    kind: str
    text: str
    column: int


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise RuleSetError(f"unexpected character at column {position + 1}")
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(_Token(kind, match.group(), position + 1))
        position = match.end()
    found.append(_Token("end", "the end of the path", len(text) + 1))
    return found


def _unescape(token: _Token) -> str:
    def one(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        if match[2] not in _ESCAPES:
            raise RuleSetError(f"unknown escape \\{match[2]} in the text at column {token.column}")
        return _ESCAPES[match[2]]

    return _ESCAPE.sub(one, token.text[1:-1])


class _Parser:
    """Precedence climbing over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.position = 0
        self.depth = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.position]

    def advance(self) -> _Token:
        token = self.token
        self.position += 1
        return token

    def accept(self, symbol: str) -> bool:
        if self.token.kind == "symbol" and self.token.text == symbol:
            self.position += 1
            return True
        return False

    def expect(self, symbol: str) -> None:
        if not self.accept(symbol):
            raise RuleSetError(f"expected {symbol} at column {self.token.column}, found {self.token.text}")

    def expression(self, minimum: int = 0) -> Expression:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise RuleSetError(f"nested more than {_MAX_DEPTH} levels deep")
        left = self.unary()
        while self.token.kind in ("symbol", "name"):
            operator = self.token.text
            binding = _PRECEDENCE.get(operator, -1)
            if binding < 0 or binding < minimum:
                break
            self.advance()
            if operator in ("is", "as"):
                left = TypeTest(operator, left, self.type_name())
            elif operator in _ASSOCIATIVE:
                sides = [left, self.expression(binding + 1)]
                while self.token.kind in ("symbol", "name") and self.token.text == operator:
                    self.advance()
                    sides.append(self.expression(binding + 1))
                left = _balanced(operator, sides)
            else:
                left = Binary(operator, left, self.expression(binding + 1))
        self.depth -= 1
        return left

    def unary(self) -> Expression:
        operators = []
        while self.token.kind == "symbol" and self.token.text in "+-":
            operators.append(self.advance().text)
        operand = self.postfix()
        for operator in reversed(operators):
            operand = Unary(operator, operand)
        return operand

    def postfix(self) -> Expression:
        left = self.term()
        while True:
            if self.accept("."):
                left = self.invocation(left)
            elif self.accept("["):
                index = self.expression()
                self.expect("]")
                left = Indexer(left, index)
            else:
                return left

    def term(self) -> Expression:
        token = self.token
        if self.accept("("):
            inner = self.expression()
            self.expect(")")
            return inner
        if self.accept("{"):
            self.expect("}")
            return Empty()
        if token.kind == "string":
            return Literal(_unescape(self.advance()), "string")
        if token.kind == "number":
            return Literal(self.advance().text, "decimal" if "." in token.text else "integer")
        if token.kind == "datetime":
            text = self.advance().text[1:]
            kind = "time" if text.startswith("T") else "dateTime" if "T" in text else "date"
            literal = Literal(text.strip("T"), kind)
            if parse_moment(_MOMENTS[kind], str(literal.value)) is None:
                raise RuleSetError(f"there is no such date or time as {token.text} (column {token.column})")
            return literal
        if token.text in ("true", "false") and token.kind == "name":
            return Literal(self.advance().text == "true", "boolean")
        if token.text == "$this":
            self.advance()
            return This()
        if token.text == "%":
            raise RuleSetError(f"external constants are not available (column {token.column})")
        return self.invocation(None)

    def invocation(self, focus: Expression | None) -> Expression:
        token = self.advance()
        if token.kind == "quoted":
            return Member(focus, _unescape(token))
        if token.kind != "name":
            raise RuleSetError(f"expected a name at column {token.column}, found {token.text}")
        if not self.accept("("):
            return Member(focus, token.text)
        if token.text in ("is", "as", "ofType"):
            type_ = self.type_name()
            self.expect(")")
            return TypeTest(token.text, focus, type_)
        arguments: list[Expression] = []
        if not self.accept(")"):
            arguments.append(self.expression())
            while self.accept(","):
                arguments.append(self.expression())
            self.expect(")")
        return Call(focus, token.text, tuple(arguments))

    def type_name(self) -> str:
        """A type name, with or without the prefix `FHIR.` or `System.`."""
        token = self.advance()
        if token.kind == "name" and token.text in ("FHIR", "System") and self.accept("."):
            token = self.advance()
        if token.kind not in ("name", "quoted"):
            raise RuleSetError(f"expected a type name at column {token.column}, found {token.text}")
        return token.text.strip("`")


def parse(text: str) -> Expression:
    """The expression that a text says. RuleSetError, with the column, where it is no FHIRPath."""
    parser = _Parser(text)
    result = parser.expression()
    if parser.token.kind != "end":
        raise RuleSetError(f"unexpected {parser.token.text} at column {parser.token.column}")
    _check_depth(result)
    return result


def _balanced(operator: str, sides: list[Expression]) -> Expression:
    """A chain of one operator as a tree of little depth: a list of 1,000 codes is nothing unusual. What is evaluated when
    stays the same."""
    if len(sides) == 1:
        return sides[0]
    middle = (len(sides) + 1) // 2
    return Binary(operator, _balanced(operator, sides[:middle]), _balanced(operator, sides[middle:]))


def _check_depth(expression: Expression) -> None:
    """RuleSetError where walking the tree could need more of Python's stack than there is."""
    level, depth = [expression], 1
    while level:
        if depth > _MAX_DEPTH:
            raise RuleSetError(f"nested more than {_MAX_DEPTH} levels deep")
        level = [part for one in level for part in parts(one)]
        depth += 1
