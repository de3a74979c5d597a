"""The overview, and the German summary: one page for who has five minutes. Both are made of the same facts by the same functions."""

from collections.abc import Iterator, Sequence

from dimpflow.audit.pages import overview_words as words
from dimpflow.audit.pages.frame import (
    NONE,
    Cell,
    Facts,
    Html,
    Language,
    Page,
    Said,
    bullets,
    code,
    heading,
    html,
    joined,
    moment,
    number,
    paragraph,
    share,
    state_of,
    table,
    verdict,
)
from dimpflow.audit.pages.rules import TITLE as RULES_TITLE
from dimpflow.audit.pages.rules import rules_part
from dimpflow.audit.pages.verifying import command_of
from dimpflow.ruleset.rules import RuleSet

_MOST_TYPES = 14


def overview_page(facts: Facts) -> Page:
    """The overview in English."""
    return Page(words.TITLE.en.format(facts["job"]), list(_parts(facts, "en")))


def summary_page(facts: Facts, rule_set: RuleSet | None) -> Page:
    """The overview in German, and behind it what is done to which kind of data.

    rule_set: None if a service applied its own. InputError: it is not the rule set that the facts tell of.
    """
    title = html(RULES_TITLE.de)
    rules = [Html(f'<h2 class="new-page">{title}</h2>'), *rules_part(facts, rule_set, "de")]
    return Page(words.TITLE.de.format(facts["job"]), [*_parts(facts, "de"), *rules], "de")


def verdict_part(facts: Facts, language: Language) -> Html:
    """The verdict over all checks."""
    checks = list(_checks(facts, language))
    leaky = state_of(facts["checks"].get("leaks", {})) == "failed"
    return _lead(checks, words.LEAKY if leaky else words.NOT_ANONYMOUS, language)


def _parts(facts: Facts, language: Language) -> Iterator[Html]:
    checks = list(_checks(facts, language))
    yield paragraph(_did(facts, language))
    yield verdict_part(facts, language)
    yield heading(words.CHECKS.by(language))
    rows = [(question, verdict(state, language), found) for question, state, found in checks]
    yield table(words.CHECKS_HEADER.by(language).split("|"), rows)
    yield Html('<div class="beside"><div>')
    yield heading(words.COUNTS.by(language))
    yield table(words.COUNTS_HEADER.by(language).split("|"), list(_counts(facts, language)), "whole dense")
    yield Html("</div><div>")
    yield heading(words.USED.by(language))
    yield table(words.USED_HEADER.by(language).split("|"), list(_used(facts, language)), "whole dense")
    yield Html("</div></div>")
    yield heading(words.LIMITS.by(language))
    yield bullets(_limits(facts, language))
    yield Html(
        f'<p class="small">{html(words.VERIFY.by(language))} {code(command_of(facts["job"]))}. {html(words.MORE.by(language))}</p>'
    )


def _did(facts: Facts, language: Language) -> Html:
    rules, output = facts["rules"], facts["output"]
    named = html(words.SERVICES_OWN.by(language))
    if rules["file"]:
        named = Html(html(words.RULE_SET.by(language)).format(code(rules["file"])))
    count = len(facts["input"]["sources"])
    one, many = ("file", "files") if language == "en" else ("Datei", "Dateien")
    return Html(
        html(words.DID.by(language)).format(
            lines_in=number(facts["input"]["lines"]),
            lines_out=number(output["lines"]),
            files=f"{number(count)} {one if count == 1 else many}",
            rules=named,
            result=code(output["file"]),
        )
    )


def _lead(checks: Sequence[tuple[str, str, str]], rest: Said, language: Language) -> Html:
    """The verdict over all: what failed, else what was not run. rest: what follows from it."""
    for state, said in (("failed", words.FAILED), ("not run", words.OPEN)):
        asked = [question for question, found, _ in checks if found == state]
        if asked:
            text = said.by(language).format(
                len(asked), len(checks), ", ".join(words.QUOTED.by(language).format(one) for one in asked)
            )
            break
    else:
        measured = sum(found == "measured" for _, found, _ in checks)
        said = words.MEASURED if measured else words.PASSED
        # what was measured is not judged: no green
        state = "measured" if measured else "passed"
        text = said.by(language).format(len(checks) - measured)
    kind = state if state in ("passed", "failed") else "open"
    return Html(f'<p class="lead {kind}"><strong>{html(text)}</strong> {html(rest.by(language))}</p>')


def _checks(facts: Facts, language: Language) -> Iterator[tuple[str, str, str]]:
    """What each check is about, its state, what it found."""
    came, went, checks = facts["input"]["lines"], facts["output"]["lines"], facts["checks"]
    aside = facts["output"]["rejected"]
    counts = words.LINES_FOUND.by(language).format(number(came), number(went), number(aside))
    yield words.LINES.by(language), "passed" if came == went + aside else "failed", counts
    for question, name, found in (
        (words.LEAKS, "leaks", _leaks),
        (words.CONSISTENCY, "consistency", _consistency),
        (words.RISK, "risk", _risk),
    ):
        check = checks.get(name, {})
        state = state_of(check)
        yield question.by(language), state, NONE if state == "not run" else found(check, language)


def _leaks(check: Facts, language: Language) -> str:
    findings, looked_for = check.get("findings", []), sum(check.get("looked_for", {}).values())
    hits, paths = sum(one["count"] for one in findings), len({one["path"] for one in findings})
    outcome = words.LEAKS_FOUND if findings else words.LEAKS_NONE
    said = outcome.by(language).format(number(looked_for), number(hits), number(paths))
    tolerated = sum(one["count"] for one in check.get("tolerated", []))
    return said + (words.TOLERATED.by(language).format(number(tolerated)) if tolerated else "")


def _consistency(check: Facts, language: Language) -> str:
    references = check.get("references", {})
    before, after = (references.get(when, {}).get("references", 0) for when in ("before", "after"))
    faults = len(check.get("faults", []))
    return words.CONSISTENCY_FOUND.by(language).format(number(before), number(after), number(faults))


def _risk(check: Facts, language: Language) -> Html:
    below, patients = check.get("patients_below", 0), check.get("patients", 0)
    said = words.RISK_FOUND.by(language).format(
        number(below),
        number(patients),
        share(check.get("share_below", 0.0), language),
        number(check.get("threshold", 0)),
    )
    known = _quasi_identifiers(check)
    return Html(html(said) + (html(words.RISK_KNOWN.by(language)).format(known) if known else ""))


def _quasi_identifiers(check: Facts) -> Html:
    return joined(code(one["path"]) for one in check.get("quasi_identifiers", []))


def _counts(facts: Facts, language: Language) -> Iterator[tuple[Cell, ...]]:
    """Lines by type, the most frequent first; then what did not get through."""
    came, went = facts["input"]["resources"], facts["output"]["resources"]
    names = sorted({**came, **went}, key=lambda name: (-came.get(name, 0), name))
    shown = names if len(names) <= _MOST_TYPES else names[: _MOST_TYPES - 1]
    for name in shown:
        yield name, came.get(name, 0), went.get(name, 0)
    if rest := names[len(shown) :]:
        others = words.OTHERS.by(language).format(number(len(rest)))
        yield others, sum(came.get(name, 0) for name in rest), sum(went.get(name, 0) for name in rest)
    yield words.ALL.by(language), facts["input"]["lines"], facts["output"]["lines"]
    yield words.REJECTED.by(language), facts["input"]["rejected"], NONE
    yield words.SET_ASIDE.by(language), NONE, facts["output"]["rejected"]
    for name, count in facts["input"].get("dropped", {}).items():
        yield words.LEFT_OUT.by(language).format(name), count, NONE
    if "empty_bundles" in facts["input"]:
        yield words.EMPTY.by(language), facts["input"]["empty_bundles"], NONE


def _used(facts: Facts, language: Language) -> Iterator[tuple[Cell, ...]]:
    rules, software = facts["rules"], facts["software"]
    if rules["file"]:
        yield words.RULES.by(language), code(rules["file"])
        yield words.RULES_SHA.by(language), code(rules["sha256"] or NONE)
    if rules["engine"] == "embedded":
        yield words.ENGINE.by(language), words.EMBEDDED.by(language).format(rules["mode"])
    else:
        yield words.ENGINE.by(language), words.SERVICE.by(language).format(rules["service"])
    no_key = words.NO_KEY if rules["engine"] == "embedded" else words.SERVICES_KEY
    yield (
        words.KEY.by(language),
        code(rules["key_fingerprint"]) if rules["key_fingerprint"] else no_key.by(language),
    )
    yield words.RESULT_SHA.by(language), code(facts["output"]["file_sha256"])
    yield words.STARTED.by(language), moment(facts["run"]["started"], language) or NONE
    yield words.MADE.by(language), moment(facts["made"], language)
    yield (
        words.SIGNED.by(language),
        code(facts["signed_by"]) if facts["signed_by"] else words.NOT_SIGNED.by(language),
    )
    yield (
        words.SOFTWARE.by(language),
        f"DIMP Workflow {software['dimpflow']}, Snakemake {software['snakemake']}, Python {software['python']}",
    )


def _limits(facts: Facts, language: Language) -> Iterator[str]:
    rules = facts["rules"]
    served = rules["engine"] == "service"
    scrubbed = any(rule["method"] == "scrub" for rule in rules["did"])
    text = words.TEXT_SERVICE if served else words.TEXT_SCRUBBED if scrubbed else words.TEXT
    right = words.RIGHT_SERVICE if served else words.RIGHT_RULES
    yield from (one.by(language) for one in (words.NOT_UNKNOWN, right, words.ALL_LEAKS, text))
    risk = facts["checks"].get("risk", {})
    known = _quasi_identifiers(risk)
    if state_of(risk) == "not run" or not known:
        yield words.RISK_OPEN.by(language)
    else:
        yield Html(html(words.RISK_LIMIT.by(language)).format(known))
