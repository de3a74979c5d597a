"""FHIRPath expressions as immutable, comparable trees (FHIRPath 2.0.0, section 3 and its grammar).

`focus=None` means that the expression starts at its context: the node that a path or a predicate is applied to.
"""

from collections.abc import Iterator
from dataclasses import dataclass


class Expression:
    """Any FHIRPath expression."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Literal(Expression):
    """A string, boolean or number; numbers as text, with `kind` `integer` or `decimal`; dates and times as text."""

    value: str | bool
    kind: str


@dataclass(frozen=True, slots=True)
class Empty(Expression):
    """`{}`."""


@dataclass(frozen=True, slots=True)
class This(Expression):
    """`$this`."""


@dataclass(frozen=True, slots=True)
class Member(Expression):
    """`focus.name`."""

    focus: Expression | None
    name: str


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """`focus.name(arguments)`."""

    focus: Expression | None
    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Indexer(Expression):
    """`focus[index]`."""

    focus: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class Unary(Expression):
    """`-x` or `+x`."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    """`left operator right`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class TypeTest(Expression):
    """`operand is T` or `operand as T`; also the functions `is(T)`, `as(T)` and `ofType(T)`."""

    operator: str
    operand: Expression | None
    type: str


def parts(expression: Expression) -> Iterator[Expression]:
    """The expressions that an expression is directly made of."""
    names: tuple[str, ...] = expression.__slots__
    for name in names:
        value = getattr(expression, name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Expression):
                yield part
