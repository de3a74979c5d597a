"""Lines that went wrong in any way: the oracle's answer, or a rejection that says where and shows nothing of the content.

DIMP_MUTATIONS says how many (`make fuzz CASES=100000`).
"""

import io
import os
import random
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from drawing import USUAL_TYPES, RandomChooser, resource, to_json
from drawing_rules import parameters, rules
from mutating import mutated
from rules import TODAY

import oracle
from deidentify import main
from dimpflow.fhir.table import RESOURCE_TYPES, codes, elements, type_keys
from dimpflow.pseudonyms.keyed import keyed_pseudonyms
from dimpflow.ruleset.load import load_rule_set, read_document
from dimpflow.ruleset.options import Options
from generate import generate

FOLDER = Path(__file__).parents[1] / "rulesets"
MUTATIONS = int(os.environ.get("DIMP_MUTATIONS", "4000"))
SEED = int(os.environ.get("DIMP_SEED", "1"))
BATCHES = 8
DRAWN = 4
"""Drawn rule lists of a batch, beside one that makes sense."""
ENOUGH = 100
"""Lines from which on the share of refused ones says that the mutations are neither too gentle nor too rough."""
LONGEST = 60
"""Seconds, and one more for each line, after which something counts as hanging."""

KNOWN = {"resourceType"} | {
    underscore + element.json for key in type_keys() for element in elements(key) for underscore in ("", "_")
}
COMMON = KNOWN.union(
    RESOURCE_TYPES, *(codes(e.codes) for key in type_keys() for e in elements(key) if e.codes)
)
WORDS = {
    word
    for path in (Path(__file__).parents[2] / "scripts" / "dimpflow").rglob("*.py")
    for word in re.findall(r"[a-z]+", path.read_text(encoding="utf-8"))
}
"""What a message may say by itself."""
REASON = re.compile(
    r"an element that FHIR R4 does not have here|a code that FHIR R4 does not allow here|empty text or an empty list"
    r"|a number beyond every limit of FHIR R4|no resourceType|not a (valid )?FHIR R4 resource|not UTF-8|nested too deeply"
    r"|null where nothing stands beside it|several variants of an element of which FHIR R4 allows one"
    r"|Expected `[a-z |]+`(, got `[a-z]+`| <= 2147483647| >= -2147483648| >= [01])?|expected (a number|true or false|base64|a date and time)[a-z ]*"
    r"|JSON is malformed: [a-z0-9 ,'\"\]:}-]+ \(byte \d+\)|Input data was truncated"
    r"|rule \d+ \((?P<path>.+)\): ((?P<method>\w+): )?[a-zA-Z0-9 <>=&|,;()+-]+"
)  # fmt: skip
"""Every reason there is. What could come from a resource must be a path or method of the rule set."""


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Fails where something hangs."""

    def late(*_: object) -> None:
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def lines(source: random.Random, folder: Path, number: int) -> list[bytes]:
    """Mutated lines: some of drawn resources, some of a generated cohort."""
    generate(folder, patients=1, seed=source.randrange(1000))
    cohort = [line for file in sorted(folder.glob("*.ndjson")) for line in file.read_bytes().splitlines()]
    found: list[bytes] = []
    while len(found) < number:
        if source.randrange(2):
            good = source.choice(cohort)
        else:
            good = to_json(resource(RandomChooser(source.randrange(10**9)))).encode()
        line = mutated(source, good).strip()
        if line:
            found.append(line)
    return found


def rule_lists(source: random.Random, folder: Path) -> Iterator[Path]:
    """Files of rules: one that makes sense, and some that are drawn."""
    yield FOLDER / f"{source.choice(('minimal', 'mii-like', 'hipaa-like', 'general'))}.yaml"
    for number in range(DRAWN):
        choose = RandomChooser(source.randrange(10**9))
        drawn = [one for _ in range(3) for one in rules(choose, USUAL_TYPES)]
        document = {"fhirVersion": "R4", "fhirPathRules": drawn, "parameters": parameters(choose)}
        path = folder / f"drawn-{number}.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        yield path


@pytest.mark.parametrize("batch", range(BATCHES))
def test_the_answer_of_the_oracle_or_a_rejection(tmp_path: Path, batch: int) -> None:
    source = random.Random(SEED * 1000 + batch)
    number = MUTATIONS // BATCHES // (DRAWN + 1)
    for path in rule_lists(source, tmp_path):
        given = [b'{"resourceType":"Patient"}', *lines(source, tmp_path / path.stem, number)]
        answers, refused = answers_of(path, given)
        assert list(answers) + list(refused) and len(answers) + len(refused) == len(given)
        check_against_oracle(path, given, answers, refused)
        if path.parent == FOLDER and len(given) >= ENOUGH:
            assert len(given) // 10 < len(refused) < len(given) * 9 // 10


def values(line: bytes) -> set[str]:
    """Texts of a line that would give something away: keys and types are in every message."""
    texts = {text.decode(errors="replace") for text in re.findall(rb'"((?:[^"\\]|\\.)+)"', line)}
    return {text for text in texts if len(text.strip()) > 3 and text.strip() not in COMMON | WORDS}


def answers_of(path: Path, given: Sequence[bytes]) -> tuple[dict[int, bytes], dict[int, str]]:
    """What the tool gives for each line's number: its answer, or the reason of the rejection, whose form is checked."""
    document, _ = read_document(path)
    rules = document["fhirPathRules"]
    named = {(rule["path"], method) for rule in rules for method in (rule["method"], None)}
    output, errors = io.BytesIO(), io.StringIO()
    arguments = ["--rules", str(path), "--name", "in.ndjson", "--reference-date", TODAY.isoformat()]
    with within(LONGEST + len(given)):
        code = main(arguments, io.BytesIO(b"\n".join(given)), output, errors, {})
    refused = {}
    for message in errors.getvalue().splitlines():
        name, number, text = message.split(":", 2)
        reason, _, place = text.strip().rpartition(" at ")
        form = REASON.fullmatch(reason)
        assert name == "in.ndjson" and form, message
        assert form["path"] is None or (form["path"], form["method"]) in named, message
        said = reason.replace(form["path"] or "", "", 1)  # the rule set's own words may be those of a line
        assert not any(
            re.search(rf"\b{re.escape(value)}\b", said) for value in values(given[int(number) - 1])
        ), message
        assert place.startswith("$") and set(re.findall(r"[^\W\d]\w*", place)) <= KNOWN, message
        refused[int(number)] = reason
    assert code == (1 if refused else 0)
    others = [number for number in range(1, len(given) + 1) if number not in refused]
    return dict(zip(others, output.getvalue().splitlines(), strict=True)), refused


def check_against_oracle(
    path: Path, given: Sequence[bytes], answers: Mapping[int, bytes], refused: Mapping[int, str]
) -> None:
    document, _ = read_document(path)
    rules, parameters = document["fhirPathRules"], document["parameters"]
    pseudonyms = keyed_pseudonyms(load_rule_set(path, {}, Options(reference_date=TODAY)).parameters.hash_key)
    for number, line in enumerate(given, 1):
        try:
            wanted = oracle.deidentify(line, rules, parameters, today=TODAY, pseudonyms=pseudonyms)
        except (oracle.Refused, RecursionError):
            wanted = None
        if number in answers:
            assert answers[number] == wanted, (line, rules)
        elif wanted is not None:
            beyond = refused[number] == "nested too deeply" or re.search(rb"\d{4301}", line)
            assert beyond, (refused[number], line)
