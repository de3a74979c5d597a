"""services.dimp with a url: the settings of a DIMP service."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dimpflow.clients.access import Access
from dimpflow.clients.retry import Retry
from dimpflow.errors import ConfigError
from dimpflow.services import DimpServer
from dimpflow.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
URL = "https://dimp.example/fhir"
CANARY = "kestrel-57-umbra"


def load(dimp: str, more: str = "", **environ: str) -> Settings:
    config: dict[str, Any] = {
        "input": "data",
        "services": {"dimp": yaml.safe_load(dimp)},
        **(yaml.safe_load(more) or {}),
    }
    return load_settings(config, ROOT / "schemas/config.schema.yaml", environ=environ, folders=[ROOT])


def server(dimp: str, more: str = "", **environ: str) -> DimpServer:
    found = load(dimp, more, **environ).server
    assert found is not None
    return found


def faults(dimp: str, more: str = "", **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(dimp, more, **environ)
    return str(caught.value).splitlines()


def test_without_a_url_the_engine_works() -> None:
    assert load("{pack: never, auth: {username: u}}").server is None


def test_defaults() -> None:
    found = server(f"{{url: '{URL}'}}")
    assert found == DimpServer(
        access=Access(url=URL, section="services.dimp"),
        retry=Retry(5, 1000, 30000),
        rules=None,
        settings={},
        connections=4,
        all_connections=16,
        pack=True,
        gzip=True,
        allow_empty=False,
    )


def test_values_arrive() -> None:
    found = server(
        """
        url: http://localhost:8080
        anonymization_config: config/rulesets/redact-all.yaml
        auth: {username: u, password: "${PW}", api_key: "${KEY}", api_key_header: X-Mine}
        max_concurrent_requests: 8
        max_connections: 6
        pack: never
        connect_timeout_seconds: 3
        read_timeout_seconds: 7
        allow_empty: true
        use_proxies: true
        settings: {domain-prefix: s-, dateShiftFixedOffsetInDays: 5}
        """,
        "retry: {max_attempts: 2}\ntls: {ca_cert_path: ca.pem, insecure_skip_verify: true}",
        PW=CANARY,
        KEY=CANARY,
    )
    access = found.access
    assert (access.username, access.password, access.api_key, access.api_key_header) == (
        "u",
        "${PW}",
        "${KEY}",
        "X-Mine",
    )
    assert (access.connect_timeout, access.read_timeout, access.use_proxies) == (3.0, 7.0, True)
    assert (access.ca_cert_path, access.insecure_skip_verify) == ("ca.pem", True)
    assert found.rules == ROOT / "config/rulesets/redact-all.yaml" and found.retry == Retry(2, 1000, 30000)
    assert (found.connections, found.all_connections, found.pack, found.gzip, found.allow_empty) == (
        6,
        6,
        False,
        False,
        True,
    )
    assert found.settings == {"domain-prefix": "s-", "dateShiftFixedOffsetInDays": "5"}


def test_as_plain_values_and_back_without_a_secret() -> None:
    dimp = f"{{url: '{URL}', auth: {{bearer_token: '${{PW}}'}}, anonymization_config: x.yaml}}"
    found = server(dimp, PW=CANARY)
    plain = json.dumps(found.as_params())
    assert CANARY not in plain and CANARY not in repr(found)
    assert DimpServer.from_params(json.loads(plain)) == found


@pytest.mark.parametrize(
    ("dimp", "message"),
    [
        ("{url: 'ftp://x'}", "services.dimp.url: "),
        ("{url: 'dimp.example'}", "services.dimp.url: "),
        ("{url: 'https://user:pw@dimp.example'}", "services.dimp.url: user name and password do not belong into an address"),
        (f"{{url: '{URL}', mode: strict}}", "services.dimp.mode: strict is for the embedded engine"),
        (f"{{url: '{URL}', unmatched: redact}}", "services.dimp.unmatched: redact is for the embedded engine"),
        (f"{{url: '{URL}', security_labels: false}}", "services.dimp.security_labels: false is for the embedded engine"),
        (f"{{url: '{URL}', conditional_references: true}}", "services.dimp.conditional_references: true is for the"),
        (f"{{url: '{URL}', auth: {{username: u}}}}", "services.dimp.auth.password: "),
        (f"{{url: '{URL}', auth: {{username: u, password: {CANARY}}}}}", "services.dimp.auth.password: a secret stands in clear"),
        (f"{{url: '{URL}', auth: {{api_key: {CANARY}}}}}", "services.dimp.auth.api_key: a secret stands in clear"),
        (f"{{url: '{URL}', auth: {{bearer_token: '${{NOT_SET}}'}}}}", "services.dimp.auth.bearer_token: the environment variable NOT_SET"),
        (f"{{url: '{URL}', max_concurrent_requests: 0}}", "services.dimp.max_concurrent_requests: 0 is not allowed"),
        (f"{{url: '{URL}', settings: {{dateShiftFixedOffsetInDays: x}}}}", "services.dimp.settings.dateShiftFixedOffsetInDays: "),
    ],
)  # fmt: skip
def test_what_is_refused(dimp: str, message: str) -> None:
    found = faults(dimp)
    assert any(line.startswith(message) for line in found), found
    assert CANARY not in "".join(found) and ":pw@" not in "".join(found)


def test_notes() -> None:
    assert load(f"{{url: '{URL}'}}").notes == ()
    plain, clock = load("{url: 'http://dimp.example', reference_date: 2026-01-01}").notes
    assert plain.startswith("services.dimp.url: http without TLS") and clock.startswith(
        "services.dimp.reference_date: has no effect"
    )
