"""De-identify what comes on standard input: one FHIR resource, or NDJSON. For trying a rule set, or as a filter.

    python scripts/deidentify.py --rules rules.yaml < patient.json
    python scripts/deidentify.py --rules rules.yaml --explain < patient.json

Keys come from the environment, as in the workflow. A rule set that scrubs takes the terms from the Patient resources of the same
input, and reads all of it first. Lines that are refused are named on standard error, with nothing of their
content; the exit code is then 1, and 2 for a rule set that cannot be used.
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import BinaryIO, TextIO

from dimpflow.engine.engine import Engine
from dimpflow.engine.tree.explain import table
from dimpflow.errors import LineError, RuleSetError
from dimpflow.ruleset.load import load_rule_set, reversed_rule_set
from dimpflow.ruleset.options import Options
from dimpflow.ruleset.rules import Scrub
from dimpflow.scrub.gather import TermsGatherer

HOME = Path(__file__).resolve().parents[1]


def main(
    arguments: Sequence[str],
    stdin: BinaryIO,
    stdout: BinaryIO,
    stderr: TextIO,
    environ: Mapping[str, str] = os.environ,
) -> int:
    """The exit code: 0, or 1 if something was refused, 2 if the rule set cannot be used."""
    chosen = _parser().parse_args(arguments)
    gatherer = TermsGatherer()
    try:
        machine, scrubs = _engine(chosen, environ, gatherer)
    except RuleSetError as error:
        print(error, file=stderr)
        return 2
    refused = 0
    lines: Iterable[tuple[int, bytes]] = _resources(stdin)
    if scrubs:
        lines = list(lines)
        for _, line in lines:
            gatherer.take(line)
    for number, line in lines:
        try:
            if chosen.explain:
                stdout.write(table(machine.explain(line)).encode())
            else:
                stdout.write(machine.deidentify(line) + b"\n")
        except LineError as error:
            refused += 1
            print(f"{chosen.name}:{number}: {error}", file=stderr)
        stdout.flush()
    return 1 if refused else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deidentify.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rules", type=Path, required=True, help="rule set (anonymization.yaml)")
    parser.add_argument("--explain", action="store_true", help="print which rule took each element instead")
    parser.add_argument(
        "--decrypt", action="store_true", help="turn back what `encrypt` rules did, nothing else"
    )
    parser.add_argument(
        "--mode", choices=["compat", "strict"], help="default: strict for config/rulesets, else compat"
    )
    parser.add_argument(
        "--reference-date",
        type=date.fromisoformat,
        default=date.today(),
        help="day on which ages are judged, YYYY-MM-DD (default: today)",
    )
    parser.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="override a setting of all rules, for example domain-prefix=study-42-",
    )
    parser.add_argument(
        "--unmatched", choices=["keep", "redact"], default="keep", help="elements that no rule reaches"
    )
    parser.add_argument("--no-labels", action="store_true", help="add no security labels")
    parser.add_argument("--name", default="<stdin>", help="what error messages call the input")
    return parser


def _engine(
    chosen: argparse.Namespace, environ: Mapping[str, str], gatherer: TermsGatherer
) -> tuple[Engine, bool]:
    """The engine, and whether its rules scrub."""
    own = (HOME / "config" / "rulesets") in chosen.rules.resolve().parents
    options = Options(
        strict=(chosen.mode or ("strict" if own else "compat")) == "strict",
        reference_date=chosen.reference_date,
        settings=dict(_setting(text) for text in chosen.setting),
        unmatched=chosen.unmatched,
    )
    rules = load_rule_set(chosen.rules, environ, options)
    if chosen.decrypt:
        rules = reversed_rule_set(rules)
    scrubs = any(isinstance(rule.method, Scrub) for rule in rules.rules)
    labels = not (chosen.no_labels or chosen.decrypt)
    return Engine(rules, security_labels=labels, terms=gatherer.terms), scrubs


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise RuleSetError(f"--setting {name}: expected NAME=VALUE")
    return name, value


def _resources(stdin: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; one resource over many lines (pretty-printed JSON) counts as line 1."""
    first = stdin.readline().removeprefix(b"\xef\xbb\xbf")
    if first.strip() and not _is_whole(first):
        yield 1, (first + stdin.read()).strip()
        return
    number, line = 1, first
    while line:
        if line.strip():
            yield number, line.strip()
        number, line = number + 1, stdin.readline()


def _is_whole(line: bytes) -> bool:
    """Whether a line is closed in itself. What is broken counts as whole, so that the error names its line."""
    depth, in_text, escaped = 0, False, False
    for character in line:
        if in_text:
            in_text = escaped or character != ord('"')
            escaped = character == ord("\\") and not escaped
        elif character == ord('"'):
            in_text = True
        elif character in b"{[":
            depth += 1
        elif character in b"}]":
            depth -= 1
    return depth <= 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no failure
    sys.exit(main(sys.argv[1:], sys.stdin.buffer, sys.stdout.buffer, sys.stderr))
