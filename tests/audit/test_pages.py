"""dimpflow.audit.pages: pages that stand alone, say what audit.json says, and nothing of anybody; the overview."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from audit_jobs import ENVIRON, RULES, AuditedJob
from canaries import find_canaries
from dimpflow.audit.pages import kinds, overview_words, places, rules, service, treatment_words
from dimpflow.audit.pages.consistency import consistency_page
from dimpflow.audit.pages.environment import environment_page
from dimpflow.audit.pages.frame import Page, Said, moment, share
from dimpflow.audit.pages.leaks import leaks_page
from dimpflow.audit.pages.overview import overview_page, summary_page
from dimpflow.audit.pages.provenance import provenance_page
from dimpflow.audit.pages.risk import risk_page
from dimpflow.audit.pages.rules import rules_page
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options
from page_facts import Facts
from page_reading import plain, read_page

RULE_SET = load_rule_set(RULES, ENVIRON, Options(strict=True))
FRAGMENT, PICTURE = (
    "<p>figures</p>",
    '<svg xmlns="http://www.w3.org/2000/svg" role="img"><title>t</title><rect width="1"/></svg>',
)
PAGES: dict[str, Callable[[Facts], Page]] = {
    "overview": overview_page,
    "summary.de": lambda facts: summary_page(facts, RULE_SET),
    "rules": lambda facts: rules_page(facts, RULE_SET),
    "leaks": leaks_page,
    "consistency": consistency_page,
    "risk": lambda facts: risk_page(facts, FRAGMENT, PICTURE),
    "provenance": provenance_page,
    "environment": environment_page,
}
HOSTILE = "<img src=x onerror=alert(1)>&\"'{0}{x}"


@pytest.mark.parametrize("name", PAGES)
def test_pages_stand_alone(name: str, facts: Facts) -> None:
    page = read_page(PAGES[name](facts), "de" if name == "summary.de" else "en")
    for table in page.tables:
        widths = {len(row) for row in table} - {1}  # the heading of a part is one cell
        assert len(widths) == 1, f"{name}: rows of {widths} cells"
    scopes = [attributes.get("scope") for tag, attributes in page.tags if tag == "th"]
    assert None not in scopes


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_printed_on_paper(name: str, facts: Facts) -> None:
    style = read_page(PAGES[name](facts), "de" if name == "summary.de" else "en").style
    assert "@page { size: A4" in style and "thead { display: table-header-group; }" in style
    assert re.search(r"@media print {.*color: #000.*tr, li.*{ break-inside: avoid; }", style, re.DOTALL)


@pytest.mark.parametrize("name", PAGES)
def test_whatever_facts_hold_is_escaped(name: str, changed: Facts) -> None:
    spoilt = spoil(changed)
    spoilt["rules"]["sha256"] = RULE_SET.sha256
    page = read_page(PAGES[name](spoilt), "de" if name == "summary.de" else "en")
    assert not any(tag == "img" for tag, _ in page.tags)
    if name != "risk":  # which shows nothing of the facts but a verdict
        assert HOSTILE in page.text


def spoil(node: Any, key: str = "") -> Any:
    """The facts with a hostile text before all text that is not of a closed list or a time, and in all names that are open."""
    if isinstance(node, dict):
        is_open = key in (
            "resources",
            "looked_for",
            "packages",
            "libraries",
            "gone",
            "options",
            "seconds",
            "output_versions",
        )
        return {f"{HOSTILE}{name}" if is_open else name: spoil(value, name) for name, value in node.items()}
    if isinstance(node, list):
        return [spoil(one, key) for one in node]
    closed = ("state", "made", "started", "engine", "mode")
    return HOSTILE + node if isinstance(node, str) and key not in closed else node


def test_no_page_holds_anything_of_anybody(
    page_job: AuditedJob, facts: Facts, checks: Facts, tmp_path: Path
) -> None:
    written = []
    for name, make in PAGES.items():
        written.append(tmp_path / f"{name}.html")
        written[-1].write_text(make(facts).document(), encoding="utf-8")
    written.append(tmp_path / "risk.html")
    risk = risk_page(facts, checks["figures"], checks["picture"])
    written[-1].write_text(risk.document(), encoding="utf-8")
    assert find_canaries(
        [page_job.folder.imported("Patient")], page_job.canaries
    )  # the search finds what is there
    assert find_canaries(written, page_job.canaries) == []
    keys = [value.encode() for value in ENVIRON.values()]
    assert not any(
        secret in path.read_bytes() for path in written for secret in (*keys, str(tmp_path).encode())
    )


@pytest.mark.parametrize("name", ["overview", "summary.de"])
def test_the_overview_says_what_the_facts_say(name: str, facts: Facts) -> None:
    german = name == "summary.de"
    page = read_page(PAGES[name](facts), "de" if german else "en")
    counts, used = page.tables[1:3]
    came, went = facts["input"]["resources"], facts["output"]["resources"]
    by_type = {row[0]: (row[1], row[2]) for row in counts[1:]}
    assert len(came) <= 14
    for type_ in {**came, **went}:
        assert tuple(map(plain, by_type[type_])) == (came.get(type_, 0), went.get(type_, 0))
    total = by_type["Alle" if german else "All"]
    assert tuple(map(plain, total)) == (facts["input"]["lines"], facts["output"]["lines"])
    assert [row[1:] for row in counts[-2:]] == [["1", "–"], ["–", "1"]]
    shown = [row[1] for row in used]
    for value in (
        "default.yaml", facts["rules"]["sha256"], facts["rules"]["key_fingerprint"], facts["output"]["file_sha256"],
        moment(facts["made"], "de" if german else "en"), moment(facts["run"]["started"], "de" if german else "en"),
    ):  # fmt: skip
        assert value in shown
    assert "python scripts/verify_audit.py study" in page.text
    assert "pseudonymisiert, nicht anonym" in page.text or "pseudonymised, not anonymous" in page.text


@pytest.mark.parametrize("name", ["overview", "summary.de"])
def test_the_overview_says_what_the_checks_found(name: str, facts: Facts) -> None:
    page = read_page(PAGES[name](facts), "de" if name == "summary.de" else "en")
    rows = page.tables[0][1:]
    checks = facts["checks"]
    verdicts = {"passed": ("✓ passed", "✓ bestanden"), "failed": ("✗ FAILED", "✗ NICHT BESTANDEN")}
    states = ["passed", *(checks[check]["state"] for check in ("leaks", "consistency", "risk"))]
    assert [row[1] for row in rows] == [verdicts[state][name == "summary.de"] for state in states]
    numbers = [
        [plain(one) for one in re.findall(r"(?<![\d,.])\d[\d\u202f]*(?![\d,.%]| %)", row[2])] for row in rows
    ]
    assert numbers[0] == [facts["input"]["lines"], facts["output"]["lines"], 1]
    assert numbers[1] == [sum(checks["leaks"]["looked_for"].values())]
    references = checks["consistency"]["references"]
    assert sorted(numbers[2][:2]) == sorted(references[when]["references"] for when in ("before", "after"))
    risk = checks["risk"]
    assert numbers[3][:2] == [risk["patients_below"], risk["patients"]]
    assert all(one["path"] in rows[3][2] for one in risk["quasi_identifiers"])


def lead_of(facts: Facts) -> str:
    text = read_page(overview_page(facts)).text
    return text[: text.index("The checks")]


def test_the_overview_has_one_verdict_over_all(changed: Facts) -> None:
    checks = changed["checks"]
    for check in checks.values():
        check["state"] = "passed"
    assert "All 4 checks were run and passed." in lead_of(changed)
    checks["risk"] = {"state": "not run"}
    assert "1 of 4 checks were not run, the others passed. Open is: “Enough patients look alike”." in lead_of(
        changed
    )
    assert "It was not computed for this job." in read_page(overview_page(changed)).text
    del checks["leaks"]
    assert "2 of 4 checks were not run" in lead_of(changed)
    checks["consistency"]["state"] = "failed"
    assert "1 of 4 checks FAILED: “Records belong together as before”. Do not release the result" in lead_of(
        changed
    )


def test_a_result_with_leaks_is_not_called_pseudonymised(changed: Facts) -> None:
    changed["checks"]["leaks"]["state"] = "passed"
    assert "The result is pseudonymised, not anonymous" in lead_of(changed)
    changed["checks"]["leaks"]["state"] = "failed"
    assert "pseudonymised" not in lead_of(changed) and "treat it as what it was made from" in lead_of(changed)


def test_what_was_measured_is_not_shown_as_passed(changed: Facts) -> None:
    for check in changed["checks"].values():
        check["state"] = "passed"
    assert '<p class="lead passed">' in overview_page(changed).document()
    changed["checks"]["risk"]["state"] = "measured"
    assert '<p class="lead open">' in overview_page(changed).document()


def test_a_lost_line_fails_whatever_the_checks_say(changed: Facts) -> None:
    for check in changed["checks"].values():
        check["state"] = "passed"
    changed["output"]["lines"] -= 1
    assert "1 of 4 checks FAILED: “Every line is accounted for”" in lead_of(changed)


def test_many_types_are_added_up(changed: Facts) -> None:
    changed["input"]["resources"] = {f"T{n}": 100 - n for n in range(20)}
    changed["output"]["resources"] = {f"T{n}": 50 - n for n in range(20)}
    table = read_page(overview_page(changed)).tables[1]
    assert table[13][0] == "T12" and table[14] == [
        "7 other types",
        str(sum(100 - n for n in range(13, 20))),
        str(sum(50 - n for n in range(13, 20))),
    ]


def test_what_torch_has_left_out_is_shown(changed: Facts) -> None:
    changed["input"] |= {"dropped": {"Provenance": 7}, "empty_bundles": 3}
    rows = read_page(overview_page(changed)).rows
    assert rows["Left out on import: Provenance"] == ["7", "–"] and rows[
        "Bundles without entries, left out"
    ] == ["3", "–"]


def test_scrubbed_text_is_warned_of(changed: Facts) -> None:
    assert "That text which the rules keep is clean" in read_page(overview_page(changed)).text
    changed["rules"]["did"][0]["method"] = "scrub"
    assert "keeps texts and replaces in them what is known" in read_page(overview_page(changed)).text


ENGLISH = frozenset(
    ["the", "of", "and", "is", "are", "were", "not", "this", "that", "with", "which", "from", "to", "be", "for", "by", "as", "it", "all", "only", "one", "what", "who", "each", "data", "check", "checks", "rule", "rules", "result", "file", "files", "patients", "kept", "removed", "replaced", "everywhere", "else", "value", "values", "names", "known", "moved", "dates", "cut"]
)  # fmt: skip
"""Words that are not German, too, as "in", "was" and "text" are."""


def words_of(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Za-zÄÖÜäöüß]+", text)}


def test_the_summary_is_german(facts: Facts) -> None:
    """But for names of FHIR, of files and commands, which stand as code."""
    text = re.sub(
        r"<(style|code|title)\b.*?</\1>", " ", summary_page(facts, RULE_SET).document(), flags=re.DOTALL
    )
    found = words_of(re.sub(r"<[^<>]*>", " ", text))
    assert found & ENGLISH == set()
    assert {"datensatz", "regelwerk", "pseudonymisiert", "schlüssels", "prüfungen"} <= found
    english = overview_page(facts).document()
    words = words_of(re.sub(r"<[^<>]*>", " ", english))
    assert len(words & ENGLISH) > 20  # the list knows English


@pytest.mark.parametrize(
    "module",
    [kinds, overview_words, places, rules, service, treatment_words],
    ids=lambda module: module.__name__,
)
def test_everything_is_said_in_both_languages(module: ModuleType) -> None:
    said = list(all_said(vars(module).values()))
    assert said
    for one in said:
        assert words_of(re.sub(r"{.*?}", "", one.de)) & ENGLISH == set() and one.de.strip()
        assert sorted(re.findall(r"{\w*}", one.en)) == sorted(re.findall(r"{\w*}", one.de))


def all_said(found: Iterable[object]) -> Iterator[Said]:
    for one in found:
        if isinstance(one, Said):
            yield one
        elif isinstance(one, tuple | list):
            yield from all_said(one)
        elif isinstance(one, dict):
            yield from all_said(one.values())


@pytest.mark.parametrize(
    ("part", "en", "de"),
    [
        (0.0, "0.0 %", "0,0 %"),
        (0.0004, "under 0.1 %", "unter 0,1 %"),
        (0.5, "50.0 %", "50,0 %"),
        (0.9996, "over 99.9 %", "über 99,9 %"),
        (1.0, "100.0 %", "100,0 %"),
    ],
)
def test_shares(part: float, en: str, de: str) -> None:
    assert (share(part, "en"), share(part, "de")) == (en, de)


def test_moments() -> None:
    assert moment("2026-03-04T05:06:07Z", "en") == "4 March 2026, 05:06 UTC"
    assert moment("2026-03-04T05:06:07Z", "de") == "4. März 2026, 05:06 Uhr (UTC)"
    assert moment(None, "de") == ""
