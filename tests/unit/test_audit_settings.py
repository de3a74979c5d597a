"""The section audit: what is not right in it shows before any job runs."""

from pathlib import Path

import pytest
import yaml

from dimpflow.errors import ConfigError
from dimpflow.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]


def load(text: str) -> Settings:
    config = {"input": "data", "audit": yaml.safe_load(text)}
    return load_settings(config, ROOT / "schemas/config.schema.yaml", environ={"PW": "x"}, folders=[ROOT])


def test_what_is_given(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("")
    audit = load(
        "{on_leak: warn, tolerate: [Organization.*, Encounter.identifier.value], k: 11, quasi_identifiers: [Patient.gender], "
        f"sensitive: [], sign: {{certificate: {tmp_path}/cert.pem, key: {tmp_path}/key.pem, passphrase: '${{PW}}'}}}}"
    ).audit
    assert (audit.on_leak, audit.k, audit.quasi, audit.sensitive) == ("warn", 11, ("Patient.gender",), ())
    assert audit.tolerated == ("Organization.*", "Encounter.identifier.value")
    assert audit.certificate == tmp_path / "cert.pem" and audit.passphrase == "${PW}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{on_leak: ignore}", "audit.on_leak"),
        ("{tolerate: [name]}", "audit.tolerate"),
        ("{k: 1}", "audit.k"),
        ("{quasi_identifiers: []}", "audit.quasi_identifiers"),
        ("{quasi_identifiers: [Patient.height]}", "audit.quasi_identifiers: 'Patient.height'"),
        ("{sensitive: ['Condition.code:3']}", "audit.sensitive: 'Condition.code:3'"),
        ("{sign: {key: nowhere.pem}}", "audit.sign.key: nowhere.pem does not exist"),
        ("{sign: {key: nowhere.pem}}", "audit.sign: a signature needs both"),
        ("{onleak: fail}", "audit.onleak: unknown key (did you mean audit.on_leak?)"),
    ],
)
def test_faults(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert words in str(caught.value)
