"""services.pseudonyms and mappings: where pseudonyms come from, and what becomes of the mapping."""

import json
from pathlib import Path

import pytest
import yaml

from dimpflow.errors import ConfigError
from dimpflow.pseudonym_settings import PseudonymServer, services_of
from dimpflow.pseudonyms.plan import DomainPlan
from dimpflow.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
URL = "https://gpas.example/ttp-fhir/fhir/gpas"
CANARY = "kestrel-57-umbra"


def load(text: str, **environ: str) -> Settings:
    config = {"input": "data", **yaml.safe_load(text)}
    return load_settings(config, ROOT / "schemas/config.schema.yaml", environ=environ, folders=[ROOT])


def pseudonyms(text: str, **environ: str) -> Settings:
    return load(f"services: {{pseudonyms: {{{text}}}}}", **environ)


def faults(text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, **environ)
    assert CANARY not in str(caught.value)
    return str(caught.value).splitlines()


def test_domains_differ_from_the_others_where_they_say_so() -> None:
    settings = pseudonyms(
        "length: 12, domains: [{domain: patient, source: sequential, digits: 7}, {domain: visit, alphabet: abc, prefix: V-}]"
    )
    plan = settings.pseudonyms
    assert plan.others == DomainPlan(length=12)
    assert plan.of("patient") == DomainPlan("sequential", length=12, digits=7)
    assert plan.of("visit") == DomainPlan(length=12, alphabet="abc", prefix="V-")
    assert plan.gathers and settings.pseudonym_server is None and not plan.is_default


def test_a_service() -> None:
    text = f"url: '{URL}', version: 2023.1.0, domains: [{{domain: patient, source: gpas}}], auth: {{username: u, password: '${{PW}}'}}"
    settings = pseudonyms(text, PW=CANARY)
    server = settings.pseudonym_server
    assert server is not None and services_of(settings.pseudonyms) == ["gpas"]
    assert (server.access.url, server.version, server.batch, server.connections) == (URL, "2023.1.0", 500, 4)
    params = json.loads(json.dumps(server.as_params()))
    assert CANARY not in json.dumps(params) and PseudonymServer.from_params(params) == server


@pytest.mark.parametrize(
    ("version", "told"), [("1.10.1", True), ("1.10.2", False), ("2023.1.0", False), ("", False)]
)
def test_an_old_gpas_takes_originals_in_addresses_which_is_said(version: str, told: bool) -> None:
    keys = f", version: {version}" if version else ""
    settings = pseudonyms(f"url: '{URL}', domains: [{{domain: patient, source: gpas}}]{keys}")
    assert any("in the address of each request" in note for note in settings.notes) == told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services: {pseudonyms: {domains: [{domain: a, sourse: keyed}]}}", "domains[0].sourse: unknown key (did you mean source?)"),
        ("services: {pseudonyms: {domains: [{source: keyed}]}}", "domains[0].domain: missing"),
        ("services: {pseudonyms: {domains: [{domain: a, length: x}]}}", "domains[0].length: must be a whole number"),
        ("services: {pseudonyms: {domains: [{domain: a, source: dice}]}}", "domains[0].source: this value is not allowed"),
        ("services: {pseudonyms: {domains: [{domain: a}, {domain: a}]}}", "domains[1].domain: stands twice"),
        ("services: {pseudonyms: {domains: [{domain: a, length: 2}]}}", "length is 4 to 64"),
        ("services: {pseudonyms: {alphabet: aa}}", "alphabet: needs at least two characters, each once"),
        ("services: {pseudonyms: {alphabet: abcdefgh, length: 65}}", "4 to 64"),
        ("services: {pseudonyms: {alphabet: abcdefghijklmnopqrstuvwxyz, length: 40}}", "too long for this alphabet"),
        ("services: {pseudonyms: {source: sequential}}\nmappings: {keep: false}", "mappings.keep: sequential pseudonyms"),
        ("services: {pseudonyms: {source: sequential}, dimp: {url: 'http://x'}}", "that service makes the pseudonyms"),
        ("services: {pseudonyms: {source: vfps}}", "services.pseudonyms.url: missing; vfps needs its address"),
        (
            f"services: {{pseudonyms: {{source: vfps, url: '{URL}', domains: [{{domain: a, source: mii}}]}}}}",
            "mii and vfps are two services",
        ),
        (
            f"services: {{pseudonyms: {{source: vfps, url: '{URL}', auth: {{bearer_token: {CANARY}}}}}}}",
            "services.pseudonyms.auth.bearer_token: a secret stands in clear",
        ),
        ("mappings: {recipient: nowhere.pem}", "mappings.recipient: nowhere.pem does not exist"),
        ("mappings: {identity: nowhere.pem}", "mappings.identity: nowhere.pem does not exist"),
        ("mappings: {from: jobs/nowhere}", "mappings.from: jobs/nowhere does not exist"),
    ],
)  # fmt: skip
def test_faults(text: str, words: str) -> None:
    found = faults(text)
    assert any(words in line for line in found), found


def test_one_recipient_or_several(tmp_path: Path) -> None:
    one, other = tmp_path / "a.pem", tmp_path / "b.pem"
    for path in (one, other):
        path.write_text("x")
    assert load(f"mappings: {{recipient: {one}}}").keeping.recipients == (one,)
    assert load(f"mappings: {{recipient: [{one}, {other}]}}").keeping.recipients == (one, other)
