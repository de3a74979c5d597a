"""Which FHIRPath a rule may use: everything else is refused when the rule set is loaded (fail closed).

A *path* selects nodes of the resource; a *predicate* stands in `where(...)` and in the cases of generalize; a *value* is
what a case makes of a node.
"""

from dimpflow.errors import RuleSetError
from dimpflow.fhir.table import type_names
from dimpflow.ruleset.ast import Binary, Call, Expression, Literal, Member, This, TypeTest

PATH_FUNCTIONS = ("nodesByType", "where")
PREDICATE_FUNCTIONS = ("where", "exists", "startsWith", "toString")
VALUE_FUNCTIONS = ("toString", "substring", "replaceMatches")
_ARGUMENTS = {
    "nodesByType": (1, 1),
    "where": (1, 1),
    "exists": (0, 1),
    "startsWith": (1, 1),
    "toString": (0, 0),
    "substring": (1, 2),
    "replaceMatches": (2, 2),
}


def _call(call: Call, allowed: tuple[str, ...]) -> None:
    if call.name not in allowed:
        raise RuleSetError(
            f"the function {call.name}() is not available here (there are {', '.join(allowed)})"
        )
    low, high = _ARGUMENTS[call.name]
    if not low <= len(call.arguments) <= high:
        raise RuleSetError(f"{call.name}() takes {low if low == high else f'{low} to {high}'} arguments")


def _text_argument(call: Call, index: int) -> str:
    argument = call.arguments[index]
    if not isinstance(argument, Literal) or argument.kind != "string":
        raise RuleSetError(f"{call.name}() takes a text in quotes")
    return str(argument.value)


def _refuse(expression: Expression) -> None:
    if isinstance(expression, Binary):
        raise RuleSetError(f"the operator {expression.operator} is not available here")
    raise RuleSetError(f"{type(expression).__name__.lower()} is not available here")


def check_path(expression: Expression) -> None:
    """RuleSetError unless the expression only names children, types, nodesByType() and where()."""
    match expression:
        case This() | Member(focus=None):
            pass
        case Member(focus=Expression() as focus):
            check_path(focus)
        case TypeTest(operator="as" | "ofType", operand=operand, type=type_):
            _known_type(type_)
            if operand is not None:
                check_path(operand)
        case Call(focus=focus):
            _call(expression, PATH_FUNCTIONS)
            if focus is not None:
                check_path(focus)
            if expression.name == "where":
                check_predicate(expression.arguments[0])
            else:
                _text_argument(expression, 0)
        case _:
            _refuse(expression)


def check_predicate(expression: Expression) -> None:
    """RuleSetError unless the predicate is made of paths, exists(), startsWith(), `=`, `is`, `and`, `or` and literals."""
    match expression:
        case This() | Member(focus=None) | Literal(kind="string" | "boolean"):
            pass
        case Member(focus=Expression() as focus):
            check_predicate(focus)
        case Binary(operator="and" | "or" | "=", left=left, right=right):
            check_predicate(left)
            check_predicate(right)
            if expression.operator == "=" and not isinstance(right, Literal):
                raise RuleSetError("the operator = takes a text in quotes, true or false on its right")
        case TypeTest(operand=operand, type=type_):
            _known_type(type_)
            if operand is not None:
                check_predicate(operand)
        case Call(focus=focus):
            _call(expression, PREDICATE_FUNCTIONS)
            if focus is not None:
                check_predicate(focus)
            if expression.name == "startsWith":
                _text_argument(expression, 0)
            else:
                for argument in expression.arguments:
                    check_predicate(argument)
        case _:
            _refuse(expression)


def check_value(expression: Expression) -> None:
    """RuleSetError unless the value is a literal or made of `$this`, toString(), substring() and replaceMatches()."""
    match expression:
        case This() | Literal(kind="string" | "boolean"):
            pass
        case Call(focus=Expression() as focus):
            _call(expression, VALUE_FUNCTIONS)
            check_value(focus)
            for index, argument in enumerate(expression.arguments):
                if expression.name == "replaceMatches":
                    _text_argument(expression, index)
                elif not isinstance(argument, Literal) or argument.kind != "integer":
                    raise RuleSetError("substring() takes whole numbers")
        case _:
            _refuse(expression)


def _known_type(name: str) -> None:
    if name not in type_names():
        raise RuleSetError(f"unknown type {name}")
