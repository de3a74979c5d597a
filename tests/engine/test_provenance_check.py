"""services.torch.provenance: pseudonymize is refused where original ids would stay."""

import re
from pathlib import Path

import pytest
import yaml
from rules import RULESETS, rule, rule_set

from dimpflow.clients.access import Access, open_session
from dimpflow.clients.retry import Retry
from dimpflow.errors import ServiceError
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options
from dimpflow.services import DimpServer
from dimpflow.steps.provenance import check_rule_set, check_service_rules
from doubles.dimp import DimpDouble

KEYS = {"DIMP_CRYPTO_HASH_KEY": "a key for tests"}
OPEN = rule("nodesByType('HumanName')", "redact")


def server(url: str, rules: Path | None = None) -> DimpServer:
    access = Access(url=url, section="services.dimp")
    return DimpServer(access, Retry(1, 1, 1), rules, {}, 1, 1, pack=False, gzip=False, allow_empty=True)


def written(path: Path, rules: list[dict[str, object]]) -> Path:
    path.write_text(yaml.safe_dump({"fhirVersion": "R4", "fhirPathRules": rules}))
    return path


def test_our_rule_set_passes() -> None:
    check_rule_set(load_rule_set(RULESETS / "default.yaml", KEYS, Options(strict=True)))


def test_what_is_left_is_named() -> None:
    with pytest.raises(ServiceError) as caught:
        check_rule_set(rule_set([OPEN]))
    message = str(caught.value)
    assert "Provenance.target.reference" in message and "set services.torch.provenance: drop" in message
    assert "\n" not in message and not re.search(r"[0-9a-f]{8}-", message)


def test_a_refusal_says_that_all_lines_would_be_refused() -> None:
    with pytest.raises(ServiceError, match="the rule set refuses TORCH's Provenance resources"):
        check_rule_set(rule_set([rule("Provenance.recorded", "cryptoHash")]))


def test_a_service_is_tried_with_its_own_rules_and_with_ours(tmp_path: Path) -> None:
    with DimpDouble(written(tmp_path / "own.yaml", [OPEN]), environ=KEYS) as service:
        session = open_session(server(service.url).access, {}, connections=1)
        with pytest.raises(ServiceError, match="leaves original ids in"):
            check_service_rules(session, server(service.url), KEYS)
        redact = written(tmp_path / "all.yaml", [rule("Resource", "redact")])
        check_service_rules(session, server(service.url, redact), KEYS)
