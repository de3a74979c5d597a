"""Which FHIRPath a rule set may use."""

import re

import pytest

from dimpflow.errors import RuleSetError
from dimpflow.fhirpath.check import check, check_path, is_computed, may_fail
from dimpflow.fhirpath.parser import parse

FUNCTIONS = {
    "nodesByType": ["'A'"],
    "nodesByName": ["'a'"],
    "where": ["a"],
    "select": ["a"],
    "first": [""],
    "last": [""],
    "children": [""],
    "descendants": [""],
    "iif": ["a, b", "a, b, c"],
    "exists": ["", "a"],
    "empty": [""],
    "not": [""],
    "all": ["a"],
    "count": [""],
    "toString": [""],
    "substring": ["1", "1, 2"],
    "startsWith": ["'a'"],
    "endsWith": ["'a'"],
    "contains": ["'a'"],
    "matches": ["'a'"],
    "replaceMatches": ["'a', 'b'"],
}
"""All that are supported (specification, section 7.3), with every number of arguments that they take."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_and_how_many_arguments_they_take(name: str) -> None:
    taken = {len([a for a in arguments.split(",") if a]) for arguments in FUNCTIONS[name]}
    for arguments in FUNCTIONS[name]:
        check(parse(f"a.{name}({arguments})"))
        check(parse(f"{name}({arguments})"))
    wanted = f"{min(taken)} to {max(taken)}" if len(taken) > 1 else f"{min(taken)}"
    words = re.escape(f"{name}() takes {wanted} argument{'s' if max(taken) != 1 else ''}")
    for number in set(range(5)) - taken:
        many = ", ".join(["'a'"] * number)
        with pytest.raises(RuleSetError, match=f"^{words}$"):
            check(parse(f"a.{name}({many})"))


@pytest.mark.parametrize(
    "source",
    [
        "a | b", "a in b", "a contains b", "a < b", "a <= b", "a > b", "a >= b", "a = b", "a != b", "a ~ b", "a !~ b",
        "a + b", "a - b", "a * b", "a / b", "a div b", "a and b", "a or b", "a xor b", "a implies b", "-a", "a is B",
        "a as B", "a.is(B)", "a.as(B)", "a.ofType(B)", "a[0]", "(a)", "{}", "$this", "@2020", "@T10", "`a b`", "1.0",
    ],
)  # fmt: skip
def test_what_is_accepted(source: str) -> None:
    check(parse(source))
    check(parse(f"x.where({source}).y"))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a mod b", "the operator mod is not supported (there are | in contains "),
        ("a & b", "the operator & is not supported"),
        ("+a", "a sign + before a value is not supported"),
        ("a[b]", "an index in [ ] must be a whole number, not under 0"),
        ("a[-1]", "an index in [ ] must be a whole number, not under 0"),
        ("a[1.0]", "an index in [ ] must be a whole number, not under 0"),
        ("a['1']", "an index in [ ] must be a whole number, not under 0"),
        *(
            (f"a.{name}()", f"the function {name}() is not supported (there are all, as, ")
            for name in (
                "resolve", "hasValue", "memberOf", "htmlChecks", "lowBoundary", "highBoundary", "type", "distinct", "union",
                "repeat", "intersect", "exclude", "skip", "take", "tail", "single", "length", "upper", "replace", "trace",
                "today", "now", "anyTrue", "extension", "Where", "tostring",
            )
        ),
        ("nodesByType(a)", "nodesByType() takes a text in quotes"),
        ("nodesByType(1)", "nodesByType() takes a text in quotes"),
        ("nodesByName(a)", "nodesByName() takes a text in quotes"),
        ("a.matches(b)", "matches() takes a text in quotes"),
        ("a.replaceMatches('a', b)", "replaceMatches() takes a text in quotes"),
        ("a.replaceMatches('a', 1)", "replaceMatches() takes a text in quotes"),
    ],
)  # fmt: skip
def test_what_is_refused(source: str, words: str) -> None:
    """Wherever it stands."""
    around = (
        "{}",
        "({}).b",
        "({})[0]",
        "b | ({})",
        "({}) = b",
        "-({})",
        "({}) is B",
        "b.where({})",
        "({}).first()",
    )
    for one in around:
        with pytest.raises(RuleSetError, match=f"^{re.escape(words)}"):
            check(parse(one.format(source)))


NODES = [
    "a", "a.b", "$this", "{}", "a[0]", "a | b", "a | 1", "a as B", "a.ofType(B)", "as(B)", "nodesByType('A')",
    "nodesByName('a')", "a.where(b = 1)", "a.select(b)", "a.first()", "a.last()", "children()", "a.descendants().b",
    "iif(a, b)", "iif(a, b, 1)", "iif(a, 1, b)", "(a | b).where(c)", "a.where(b).count().b",
]  # fmt: skip
COMPUTED = [
    "1", "'a'", "true", "@2020", "@T10", "-a", "a = b", "a and b", "a + b", "a in b", "1 | 2", "a is B", "'a' as String",
    "'a'.ofType(String)", "(1)[0]", "a.exists()", "a.empty()", "a.not()", "a.all(b)", "a.count()", "a.toString()",
    "a.substring(1)", "a.startsWith('x')", "a.endsWith('x')", "a.contains('x')", "a.matches('x')", "a.toString().first()",
    "a.replaceMatches('x', 'y')", "a.select(b.toString())", "iif(a, 1)", "iif(a, 1, 'x')", "(a = b).where(true)",
]  # fmt: skip


@pytest.mark.parametrize("source", NODES)
def test_paths_that_may_select_elements(source: str) -> None:
    check_path(parse(source))
    assert not is_computed(parse(source))


@pytest.mark.parametrize("source", COMPUTED)
def test_paths_that_only_give_computed_values(source: str) -> None:
    check(parse(source))
    assert is_computed(parse(source))
    with pytest.raises(RuleSetError, match="^the path gives a computed value, not elements of a resource$"):
        check_path(parse(source))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.b[0].first()", False),
        ("a.where(b = 'x' and c ~ 'y' or d != 'z')", False),
        ("a.where(b.exists(c) xor d.empty() implies e.not())", False),
        ("a | nodesByType('A').as(B).ofType(C)", False),
        ("iif(a, b, {}).select($this).children().descendants().last()", False),
        ("a.where(b.all(c) = true)", False),
        ("a.where(b.count() = 1)", False),
        ("a is B", True),
        ("a < b", True),
        ("a >= b", True),
        ("a in b", True),
        ("a contains b", True),
        ("a + b", True),
        ("a - b", True),
        ("a * b", True),
        ("a / b", True),
        ("a div b", True),
        ("-a", True),
        ("a.toString()", True),
        ("a.substring(1)", True),
        ("a.startsWith('x')", True),
        ("a.endsWith('x')", True),
        ("a.contains('x')", True),
        ("a.matches('x')", True),
        ("a.replaceMatches('x', 'y')", True),
        ("a.where(b < c)", True),
        ("a.where(b and (c is D)).e", True),
        ("(a is B).c", True),
        ("(a is B)[0]", True),
        ("(a is B) as C", True),
        ("(a is B) = c", True),
        ("b | (a is B)", True),
        ("iif(a, b, c < d)", True),
    ],
)
def test_whether_evaluation_may_fail(source: str, expected: bool) -> None:
    assert may_fail(parse(source)) is expected
    assert may_fail(None) is False
