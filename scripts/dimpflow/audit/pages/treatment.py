"""What a rule does to its elements, in words: from its method and settings, and the parameters of the rule set."""

from collections.abc import Iterator
from functools import cache

from dimpflow.audit.pages import treatment_words as words
from dimpflow.audit.pages.frame import Language, Said, number
from dimpflow.audit.pages.kinds import parts_of
from dimpflow.fhir.table import PRIMITIVE_TYPES, RESOURCE_TYPES, elements, is_type
from dimpflow.fhirpath.ast import Call, Expression, Literal, This
from dimpflow.ruleset.options import Options
from dimpflow.ruleset.reach import selected_types, why_never
from dimpflow.ruleset.rules import (
    CryptoHash,
    DateShift,
    Decrypt,
    Encrypt,
    Generalize,
    Keep,
    Method,
    Parameters,
    Perturb,
    Pseudonymize,
    Redact,
    Remove,
    Rule,
    RuleSet,
    Scrub,
    Substitute,
)

_DATES = frozenset(("date", "dateTime", "instant"))
_ONLY = {
    DateShift: ("date", _DATES),
    Perturb: ("number", frozenset(("decimal", "integer", "positiveInt", "unsignedInt"))),
    Scrub: ("text", frozenset(("string", "markdown", "xhtml"))),
}
"""Methods that work on some types of values only."""


def treatment(rule: Rule, parameters: Parameters, options: Options, language: Language) -> str:
    """What happens to what the rule selects."""
    if why_never(rule):
        return words.NEVER.by(language)
    selected = selected_types(rule)
    match rule.method:
        case Keep():
            return words.KEPT.by(language)
        case Remove():
            return (words.REMOVED if selected <= PRIMITIVE_TYPES else words.WHOLLY).by(language)
        case Redact():
            return _redacted(rule, selected, parameters, language)
        case Substitute(text=text):
            return (words.REMOVED if text is None else words.FIXED).by(language)
        case Pseudonymize(value_from="Resource.id", prefix=prefix):
            words_for = words.PER_PATIENT if rule.resource_type == "Patient" else words.PER_RESOURCE
            return words_for.by(language).format(_begins(prefix))
    what, only = _ONLY.get(type(rule.method), ("value", PRIMITIVE_TYPES))
    changed = _changed(rule, selected, parameters, options, language)
    if selected <= only:
        return changed
    rest = "" if only is PRIMITIVE_TYPES else words.REST_STAYS.by(language)
    return f"{words.IN_IT[what].by(language)}{changed}{rest}"


def _changed(
    rule: Rule, selected: frozenset[str], parameters: Parameters, options: Options, language: Language
) -> str:
    """What a method does to a value."""
    method: Method = rule.method
    match method:
        case CryptoHash(truncate=0):
            return words.REMOVED.by(language)
        case CryptoHash(truncate=length):
            name = "BLAKE3" if parameters.hash_algorithm == "blake3" else "HMAC-SHA256"
            cut = words.LENGTH.by(language).format(length) if length is not None and length < 64 else ""
            return words.HASH.by(language).format(name) + cut
        case Encrypt():
            return words.ENCRYPTED.by(language)
        case Decrypt():
            return words.DECRYPTED.by(language)
        case DateShift():
            return _shifted(method, parameters, options, language)
        case Perturb():
            return _noisy(method, language)
        case Generalize():
            return _generalized(rule, method, selected, language)
        case Scrub(marker=marker, unknown=unknown):
            rest = words.UNKNOWN_REMOVED if unknown == "redact" else words.UNKNOWN_KEPT
            return words.SCRUBBED.by(language).format(marker) + rest.by(language)
        case Pseudonymize(prefix=prefix):
            return words.PSEUDONYM.by(language).format(_begins(prefix))
    raise AssertionError(f"no words for {type(method).__name__}")


def _begins(prefix: str) -> str:
    """What pseudonyms of a rule begin with."""
    return f" ({prefix}…)" if prefix else ""


def _redacted(rule: Rule, selected: frozenset[str], parameters: Parameters, language: Language) -> str:
    spared = list(_spared(rule, selected, parameters))
    if spared == [words.YEARS_STAY] and selected <= _DATES:
        return words.YEARS_STAY.by(language)
    gone = (words.REMOVED if selected <= PRIMITIVE_TYPES else words.EMPTIED).by(language)
    return "; ".join([gone, *(one.by(language) for one in spared)])


def _spared(rule: Rule, selected: frozenset[str], parameters: Parameters) -> Iterator[Said]:
    """What the parameters leave of values that are selected, or that stand below. In strict mode an instant is removed in any case."""
    types = {type_ for key in selected for type_ in _within(key)}
    if parameters.partial_dates and types & (_DATES - {"instant"} if rule.strict else _DATES):
        yield words.YEARS_STAY
    parts = parts_of(rule)
    if parameters.partial_ages and ("Age" in types or ("Age", "value") in parts):
        yield words.AGES_STAY
    if parameters.partial_zips and ("Address" in types or ("Address", "postalCode") in parts):
        yield words.ZIPS_STAY_BUT if parameters.restricted_zips else words.ZIPS_STAY


@cache
def _within(key: str) -> frozenset[str]:
    """The types of a node and of what stands in it, but in its extensions, which can hold anything."""
    found, stack = set[str](), [*RESOURCE_TYPES] if key == "Resource" else [key]
    while stack:
        one = stack.pop()
        if one not in found and one != "Extension":
            found.add(one)
            stack += (
                [element.type for element in elements(one) if not element.resource] if is_type(one) else []
            )
    return frozenset(found)


def parameters_in_words(rule_set: RuleSet, language: Language) -> str:
    """What the rule set's parameters spare, wherever a rule removes; "" if nothing."""
    parameters = rule_set.parameters
    zips = words.ZIPS_STAY_BUT if parameters.restricted_zips else words.ZIPS_STAY
    spared = (
        (parameters.partial_dates, words.YEARS_STAY),
        (parameters.partial_ages, words.AGES_STAY),
        (parameters.partial_zips, zips),
    )
    said = [one.by(language) for given, one in spared if given]
    return words.EVERYWHERE.by(language).format("; ".join(said)) if said else ""


def _shifted(method: DateShift, parameters: Parameters, options: Options, language: Language) -> str:
    if method.offset is not None or parameters.shift_offset is not None:
        days = words.DAYS
    elif parameters.shift_prefix and not options.strict:
        days = words.SAME_DAYS
    else:
        days = words.KEYED[options.strict]
    rest = words.NOT_WHOLE_YEAR if parameters.partial_dates else words.NOT_WHOLE
    return words.SHIFTED.by(language).format(days.by(language)) + rest.by(language)


def _noisy(method: Perturb, language: Language) -> str:
    half = method.span / 2
    width = f"{(half * 100 if method.proportional else half).normalize():f}"
    if language == "de":
        width = width.replace(".", ",")
    return words.NOISE.by(language).format(
        words.PER_CENT.by(language).format(width) if method.proportional else width
    )


def _generalized(rule: Rule, method: Generalize, selected: frozenset[str], language: Language) -> str:
    lengths = [_kept_characters(value) for _, value in method.cases]
    if len(lengths) == 1 and isinstance(method.cases[0][0], This) and lengths[0]:
        return _cut(rule, lengths[0], selected).by(language).format(number(lengths[0]))
    rest = words.ELSE_REMOVED if method.other_values == "redact" else words.ELSE_KEPT
    count = number(len(lengths))
    cases = Said(
        "1 case" if len(lengths) == 1 else f"{count} cases",
        "1 Fall" if len(lengths) == 1 else f"{count} Fälle",
    )
    return words.CASES.by(language).format(cases.by(language)) + rest.by(language)


def _cut(rule: Rule, length: int, selected: frozenset[str]) -> Said:
    if selected and selected <= _DATES and length in (4, 7):
        return words.TO_YEAR if length == 4 else words.TO_MONTH
    # the name of the element is the last word of a path that only names elements
    return words.CUT_DIGITS if rule.path.endswith(".postalCode") else words.CUT


def _kept_characters(value: Expression) -> int:
    """How many characters at the beginning a case keeps; 0 if it does something else."""
    match value:
        case Call(
            focus=This() | Call(focus=This(), name="toString"),
            name="substring",
            arguments=(Literal(value="0"), Literal(value=str(length))),
        ):
            return int(length) if length.isdigit() else 0
    return 0
