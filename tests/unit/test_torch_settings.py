"""services.torch and services.http_import: the settings of a TORCH server and of files on the web."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dimpflow.clients.download import Patience
from dimpflow.clients.retry import Retry
from dimpflow.errors import ConfigError
from dimpflow.settings import Settings, load_settings
from dimpflow.torch_server import Polling, TorchServer, WebServer

ROOT = Path(__file__).parents[2]
CRTDL = str(ROOT / "config/crtdl/example.json")
URL = "https://dic.example/torch"
CANARY = "kestrel-57-umbra"


def load(services: str, given: Any = CRTDL, **environ: str) -> Settings:
    config = {"input": given, "services": yaml.safe_load(services)}
    return load_settings(config, ROOT / "schemas/config.schema.yaml", environ=environ, folders=[ROOT])


def torch(keys: str, given: Any = CRTDL, **environ: str) -> TorchServer:
    found = load(f"torch: {{{keys}}}", given, **environ).torch
    assert found is not None
    return found


def faults(services: str, given: Any = CRTDL, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(services, given, **environ)
    assert CANARY not in str(caught.value)
    return str(caught.value).splitlines()


def test_defaults() -> None:
    server = torch(f"base_url: '{URL}'")
    assert server.access.url == URL and server.files is None and server.file_access is server.access
    assert server.polling == Polling(5, 30, 30 * 60, 48 * 3600, 30 * 60)
    assert server.patience == Patience(10, 10.0) and server.retry == Retry(5, 1000, 30000)
    assert (server.access.connect_timeout, server.access.read_timeout) == (10, 60)
    assert (server.max_resumes, server.on_empty, server.downloads) == (2, "fail", 4)
    assert not (server.allow_legacy or server.cancel_on_abort or server.delete_after_import)
    assert load(f"torch: {{base_url: '{URL}'}}").drop_provenance


def test_values_arrive() -> None:
    server = torch(
        f"""base_url: '{URL}', file_server_url: '{URL}/fileserver', extraction_timeout: PT1H30M, polling_interval: 250ms,
        max_polling_interval: 1m, extraction_deadline: P1D, stall_warning: 10m, request_timeout: 5s, download_stall_timeout: 7s,
        file_ready_retries: 0, file_ready_interval: PT0.5S, max_resumes: 0, max_downloads: 9, on_empty: accept,
        allow_legacy_torch: true, cancel_on_abort: true, delete_after_import: true"""
    )
    assert server.polling == Polling(0.25, 60, 5400, 86400, 600)
    assert server.files is not None and server.files.url == f"{URL}/fileserver"
    assert (server.access.read_timeout, server.files.read_timeout) == (5, 7)
    assert server.patience == Patience(0, 0.5)
    assert (server.max_resumes, server.downloads, server.on_empty) == (0, 9, "accept")
    assert server.allow_legacy and server.cancel_on_abort and server.delete_after_import


def test_older_names_of_durations() -> None:
    keys = f"base_url: '{URL}', extraction_timeout_minutes: 2, polling_interval_seconds: 3, max_polling_interval_seconds: 4"
    assert torch(keys).polling == Polling(3, 4, 120, 48 * 3600, 1800)


def test_parameters_of_a_job_hold_no_secret_and_lead_back() -> None:
    server = torch(
        f"base_url: '{URL}', file_server_url: '{URL}/f', auth: {{username: u, password: '${{PW}}'}}",
        PW=CANARY,
    )
    params = json.loads(json.dumps(server.as_params()))
    assert CANARY not in json.dumps(params)
    assert TorchServer.from_params(params) == server
    assert server.files is not None
    assert {server.access.password, server.files.password} == {"${PW}"}


@pytest.mark.parametrize("auth", ["username: u, password: '${PW}'", "auth: {username: u, password: '${PW}'}"])
def test_credentials_at_both_places(auth: str) -> None:
    access = torch(f"base_url: '{URL}', {auth}", PW=CANARY).access
    assert (access.username, access.password) == ("u", "${PW}")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("", "services.torch.base_url: missing"),
        (f"base_url: '{URL}', extraction_timeout: soon", "services.torch.extraction_timeout: "),
        (f"base_url: '{URL}', polling_interval: P", "services.torch.polling_interval: "),
        (f"base_url: '{URL}', extraction_timeout: PT1H, extraction_timeout_minutes: 60", "an older name of"),
        (
            f"base_url: '{URL}', polling_interval: 1m",
            "services.torch.polling_interval: 1m is more than services.torch.max_polling_interval_seconds (30)",
        ),
        (f"base_url: '{URL}', username: u, auth: {{username: u, password: '${{PW}}'}}", "an older place of"),
        (f"base_url: '{URL}?x=1'", "services.torch.base_url: must end before"),
        (f"base_url: '{URL}', file_server_url: 'http://u@h'", "services.torch.file_server_url: "),
        (f"base_url: '{URL}', username: u", "services.torch.auth.password: missing"),
        (
            f"base_url: '{URL}', username: u, password: {CANARY}",
            "services.torch.password: a secret stands in clear",
        ),
        (
            f"base_url: '{URL}', auth: {{bearer_token: {CANARY}}}",
            "services.torch.auth.bearer_token: a secret stands",
        ),
        (f"base_url: '{URL}', max_resumes: 11", "0 to 10"),
        (f"base_url: '{URL}', crtdl_schema: strict", "off, warn, error"),
    ],
)
def test_faults(keys: str, words: str) -> None:
    found = faults(f"torch: {{{keys}}}", PW="x")
    assert any(words in line for line in found), found


def test_a_secret_in_clear_is_a_warning_where_torch_is_not_asked(tmp_path: Path) -> None:
    settings = load(f"torch: {{username: u, password: {CANARY}}}", str(tmp_path))
    assert (
        settings.torch is None
        and "secret stands in clear" in settings.notes[0]
        and CANARY not in repr(settings)
    )


def test_off_may_be_written_without_quotes() -> None:
    assert load(f"torch: {{base_url: '{URL}', crtdl_schema: off}}").crtdl.schema == "off"


def test_the_address_of_a_job_brings_its_server() -> None:
    address = "https://other.example/fhir/__status/14c26ae0-d48c-481c-9d3a-4cb1531f6489"
    assert torch("", address).access.url == "https://other.example"
    assert torch(f"base_url: '{URL}'", address).access.url == URL


def test_torch_without_tls_on_another_machine_is_told() -> None:
    notes = load("torch: {base_url: 'http://torch.example', file_server_url: 'http://files.example'}").notes
    assert [note.split(":")[0] for note in notes] == [
        "services.torch.base_url",
        "services.torch.file_server_url",
    ]


def test_rules_of_enrichment() -> None:
    base = f"torch: {{base_url: '{URL}'}}, crtdl_preprocessing: "
    assert load(f"{{{base} {{enrichments_path: x.json}}}}").crtdl.enrichments == ()
    assert load(f"{{{base} {{enabled: true, enrichments_path: x.json}}}}").crtdl.enrichments == "x.json"
    assert load(f"{{{base} {{enabled: true, enrichments: [{{a: 1}}]}}}}").crtdl.enrichments == ({"a": 1},)
    assert "cannot be used together" in faults(f"{{{base} {{enrichments_path: x, enrichments: []}}}}")[0]
    assert "enrichments: missing" in faults(f"{{{base} {{enabled: true}}}}")[0]


# ---- files on the web --------------------------------------------------------------------------------------------

FILES = ["https://a.example/x.ndjson", "https://b.example/y.ndjson"]


def test_web_defaults() -> None:
    server = load("{}", FILES[0]).web
    assert server is not None and server.access.url == FILES[0]
    assert (server.access.read_timeout, server.downloads, server.patience) == (60, 4, Patience(0))
    assert WebServer.from_params(json.loads(json.dumps(server.as_params()))) == server
    assert load("{}", str(ROOT)).web is None


def test_credentials_are_for_one_server() -> None:
    auth = "auth: {username: u, password: '${PW}'}"
    one = load(f"http_import: {{{auth}}}", FILES[:1], PW=CANARY).web
    assert one is not None and one.access.username == "u"
    assert "services.http_import.server: missing" in faults(f"http_import: {{{auth}}}", FILES, PW=CANARY)[0]
    both = load(f"http_import: {{server: 'https://b.example', {auth}}}", FILES, PW=CANARY).web
    assert both is not None and both.access.url == "https://b.example"
    (line,) = faults(f"http_import: {{auth: {{bearer_token: {CANARY}}}}}", FILES[:1])
    assert line.startswith("services.http_import.auth.bearer_token: a secret stands in clear")
