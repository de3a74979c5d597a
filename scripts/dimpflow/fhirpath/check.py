"""Which FHIRPath a rule set may use (specification of the rules, section 7.3): everything else is refused when it is loaded."""

from dimpflow.errors import RuleSetError
from dimpflow.fhirpath.ast import Binary, Call, Expression, Indexer, Literal, Member, TypeTest, Unary

_ARGUMENTS = {
    "nodesByType": (1, 1), "nodesByName": (1, 1), "where": (1, 1), "select": (1, 1), "first": (0, 0), "last": (0, 0),
    "children": (0, 0), "descendants": (0, 0), "iif": (2, 3), "exists": (0, 1), "empty": (0, 0), "not": (0, 0),
    "all": (1, 1), "count": (0, 0), "toString": (0, 0), "substring": (1, 2), "startsWith": (1, 1), "endsWith": (1, 1),
    "contains": (1, 1), "matches": (1, 1), "replaceMatches": (2, 2),
}  # fmt: skip
"""Functions, with how many arguments they take; `is`, `as` and `ofType` take a type and are parsed as such."""

_LITERAL_ONLY = ("nodesByType", "nodesByName", "matches", "replaceMatches")
"""Functions whose arguments are looked at when the rule set is loaded."""

_OPERATORS = (
    "|", "in", "contains", "<", "<=", ">", ">=", "=", "!=", "~", "!~", "+", "-", "*", "/", "div", "and", "or", "xor", "implies",
)  # fmt: skip

_ELEMENTS = ("nodesByType", "nodesByName", "where", "select", "first", "last", "children", "descendants")
"""Functions that give elements of the resource, if what they are applied to does; all others give computed values."""


def check(expression: Expression) -> None:
    """RuleSetError, with what is wrong, unless the expression is of a form that is evaluated exactly."""
    match expression:
        case Member(focus=focus) | TypeTest(operand=focus):
            if focus is not None:
                check(focus)
        case Indexer(focus=focus, index=index):
            check(focus)
            if not (isinstance(index, Literal) and index.kind == "integer"):
                raise RuleSetError("an index in [ ] must be a whole number, not under 0")
        case Binary(operator=operator, left=left, right=right):
            if operator not in _OPERATORS:
                raise RuleSetError(
                    f"the operator {operator} is not supported (there are {' '.join(_OPERATORS)})"
                )
            check(left)
            check(right)
        case Unary(operator=operator, operand=operand):
            if operator != "-":
                raise RuleSetError("a sign + before a value is not supported")
            check(operand)
        case Call():
            _check_call(expression)
        case _:
            pass


def _check_call(call: Call) -> None:
    if call.name not in _ARGUMENTS:
        known = ", ".join(sorted([*_ARGUMENTS, "is", "as", "ofType"]))
        raise RuleSetError(f"the function {call.name}() is not supported (there are {known})")
    low, high = _ARGUMENTS[call.name]
    if not low <= len(call.arguments) <= high:
        wanted = str(low) if low == high else f"{low} to {high}"
        raise RuleSetError(f"{call.name}() takes {wanted} argument{'s' if high != 1 else ''}")
    if call.focus is not None:
        check(call.focus)
    for argument in call.arguments:
        if call.name in _LITERAL_ONLY and not (isinstance(argument, Literal) and argument.kind == "string"):
            raise RuleSetError(f"{call.name}() takes a text in quotes")
        check(argument)


def check_path(expression: Expression) -> None:
    """RuleSetError unless the expression is accepted and may select elements (a value that is computed is no element)."""
    check(expression)
    if is_computed(expression):
        raise RuleSetError("the path gives a computed value, not elements of a resource")


def is_computed(expression: Expression) -> bool:
    """Whether the result can only be computed values."""
    match expression:
        case Literal() | Unary():
            return True
        case Binary(operator="|", left=left, right=right):
            return is_computed(left) and is_computed(right)
        case Binary():
            return True
        case TypeTest(operator=operator, operand=operand):
            return operator == "is" or (operand is not None and is_computed(operand))
        case Indexer(focus=focus):
            return is_computed(focus)
        case Call(name="select", arguments=(argument,)):
            return is_computed(argument)
        case Call(name="iif", arguments=(_, *branches)):
            return all(is_computed(branch) for branch in branches)
        case Call(focus=focus, name=name):
            return name not in _ELEMENTS or (focus is not None and is_computed(focus))
    return False


def may_fail(expression: Expression | None) -> bool:
    """Whether evaluating the expression can fail on some resource, so that it must be evaluated even where its result cannot
    matter: the FHIR Pseudonymizer evaluates every rule on every resource, and a failure refuses the resource."""
    match expression:
        case Binary(operator=operator, left=left, right=right):
            fails = operator in ("<", "<=", ">", ">=", "in", "contains", "+", "-", "*", "/", "div")
            return fails or may_fail(left) or may_fail(right)
        case TypeTest(operator=operator, operand=operand):
            return operator == "is" or may_fail(operand)
        case Member(focus=focus):
            return may_fail(focus)
        case Indexer(focus=focus):
            return may_fail(focus)
        case Unary():
            return True
        case Call(focus=focus, name=name, arguments=arguments):
            fails = name in (
                "toString",
                "substring",
                "startsWith",
                "endsWith",
                "contains",
                "matches",
                "replaceMatches",
            )
            return fails or may_fail(focus) or any(may_fail(argument) for argument in arguments)
    return False
