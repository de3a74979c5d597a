"""Lint a rule set: what in it cannot work, is probably not meant, or leaves something in clear.

    python scripts/lint_rules.py config/rulesets/default.yaml --strict
    python scripts/lint_rules.py anonymization.yaml --no-notes

One line for each finding; those about the rule set as a whole come first, among them notes on what stays in clear, for a
person to judge. The rule set is looked at as mode compat would use it, or mode strict with --strict. Keys need not be set. The
exit code is 0 if there are notes at most, 1 for warnings or errors, 2 for a rule set that cannot be used.
"""

import argparse
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TextIO

from dimpflow.errors import RuleSetError
from dimpflow.lint.findings import Finding, in_order
from dimpflow.lint.linter import lint
from dimpflow.lint.load import load_to_lint, not_loaded
from dimpflow.ruleset.options import Options

ANY_DAY = date(2000, 1, 1)
"""Dates are judged by it; no finding depends on that."""
LEVELS = ("error", "warning", "note")


def main(arguments: Sequence[str], stdout: TextIO, environ: Mapping[str, str] = os.environ) -> int:
    """The exit code: 0, 1 if there are warnings or errors, 2 if the rule set cannot be used."""
    chosen = _parser().parse_args(arguments)
    try:
        loaded = load_to_lint(chosen.file, Options(strict=chosen.strict, reference_date=ANY_DAY), environ)
        findings = in_order([*loaded.findings, *lint(loaded.rule_set, loaded.document)])
        code = int(any(finding.level != "note" for finding in findings))
    except RuleSetError as error:
        findings, code = [not_loaded(chosen.file, error)], 2
    shown = [finding for finding in findings if chosen.notes or finding.level != "note"]
    counts = Counter(finding.level for finding in findings)
    if chosen.json:
        _write_json(stdout, chosen.file, shown, counts)
    else:
        _write_lines(stdout, chosen.file, shown, counts if code < 2 else {})
    return code


def _write_lines(stdout: TextIO, file: Path, findings: Sequence[Finding], counts: Mapping[str, int]) -> None:
    for finding in findings:
        print(f"{file}: {finding}", file=stdout)
    if counts or not findings:
        numbers = (
            f"{counts.get(level, 0)} {level}{'' if counts.get(level) == 1 else 's'}" for level in LEVELS
        )
        print(f"{file}: {', '.join(numbers)}", file=stdout)


def _write_json(stdout: TextIO, file: Path, findings: Sequence[Finding], counts: Mapping[str, int]) -> None:
    numbers = {level: counts.get(level, 0) for level in LEVELS}
    found = {"file": str(file), "findings": list(map(asdict, findings)), "counts": numbers}
    print(json.dumps(found, ensure_ascii=False, indent=2), file=stdout)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lint_rules.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="rule set (anonymization.yaml)")
    parser.add_argument("--strict", action="store_true", help="as in services.dimp.mode: strict")
    parser.add_argument("--json", action="store_true", help="print the findings as one JSON object")
    parser.add_argument(
        "--notes", action=argparse.BooleanOptionalAction, default=True, help="print what stays in clear, too"
    )
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no failure
    sys.exit(main(sys.argv[1:], sys.stdout))
