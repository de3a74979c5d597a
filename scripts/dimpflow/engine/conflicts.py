"""Rules that look at what an earlier rule changes.

The FHIR Pseudonymizer applies one rule after the other, so a predicate sees the result of the rules before it; one walk for
all rules asks each predicate on the unchanged resource. Where that could make a difference, the rule set is refused.
"""

from collections.abc import Iterator

from dimpflow.engine.selection import Arrival, Item, Taken
from dimpflow.engine.walks import Walks
from dimpflow.errors import RuleSetError
from dimpflow.ruleset.ast import Binary, Call, Expression, Member, TypeTest
from dimpflow.ruleset.rules import Keep, Rule

Names = tuple[str, ...]


def refuse_conflicts(walks: Walks, arrival: Arrival) -> None:
    """RuleSetError if a predicate that is asked at a node may read what a rule of smaller rank changes at or below it."""
    for item in sorted(arrival.open):
        earlier = _only_before(arrival, item)
        for path in sorted(reads(walks.selector.condition(item))):
            for taken in _changes(walks, earlier, path):
                _refuse(walks.selector.rules[item.rule], walks.selector.rules[taken.rule], path)


def reads(expression: Expression | None, focus: Names = ()) -> set[Names]:
    """The element names, from the node on which it is asked, along which an expression reads."""
    match expression:
        case Member() | Call(name="where" | "exists" | "startsWith" | "toString") | TypeTest():
            base = _path(expression, focus)
            found = {base}
            inner: Expression | None = expression
            while inner is not None:
                if isinstance(inner, Call):
                    for argument in inner.arguments:
                        found |= reads(argument, _path(inner.focus, focus))
                inner = inner.operand if isinstance(inner, TypeTest) else getattr(inner, "focus", None)
            return found
        case Binary(left=left, right=right):
            return reads(left, focus) | reads(right, focus)
    return {focus}


def _path(expression: Expression | None, focus: Names) -> Names:
    match expression:
        case Member(focus=inner, name=name):
            base = _path(inner, focus)
            return base if name[0].isupper() else (*base, name)
        case Call(focus=inner):
            return _path(inner, focus)
        case TypeTest(operand=inner):
            return _path(inner, focus)
    return focus


def _only_before(arrival: Arrival, item: Item) -> Arrival:
    """The node as it would be with only the rules before an item's rule (an open item outranks the rule in effect)."""
    return Arrival(
        arrival.type,
        frozenset(other for other in arrival.below if other.rank < item.rank),
        None,
        None,
        frozenset(other for other in arrival.open if other.rank < item.rank),
    )


def _changes(walks: Walks, arrival: Arrival, path: Names) -> Iterator[Taken]:
    """Rules that may change something on a path below a node that they did not take themselves."""
    for node in _answers(walks, arrival):
        if node.taken != arrival.taken or not path:
            continue  # taken by an earlier rule: then the later one, whose predicate reads here, does nothing anyway
        for element, child in walks.children(node):
            if element.name != path[0] or element.resource:
                continue
            for settled in _answers(walks, child):
                if settled.taken is not None and not isinstance(walks.method(settled), Keep):
                    yield settled.taken
                else:
                    yield from _changes(walks, settled, path[1:])


def _answers(walks: Walks, arrival: Arrival) -> Iterator[Arrival]:
    """What a node can become, whatever its predicates say."""
    if arrival.settled:
        yield arrival
        return
    groups: dict[Expression, set[Item]] = {}
    for item in arrival.open:
        groups.setdefault(walks.selector.condition(item), set()).add(item)
    choices = [frozenset[Item]()]
    for group in groups.values():
        choices += [choice | group for choice in choices]
    for choice in choices:
        yield from _answers(walks, walks.selector.decide(arrival, choice))


def _refuse(later: Rule, earlier: Rule, path: Names) -> None:
    raise RuleSetError(
        f"rule {later.number} ({later.path}) looks at {'.'.join(path)}, which rule {earlier.number} ({earlier.path}) may "
        f"change before; put rule {later.number} above rule {earlier.number}"
    )
