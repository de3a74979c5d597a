"""The configuration: what is accepted, what is refused and how a person is told; secrets."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from dimpflow.audit.risk import DEFAULT_QUASI_IDENTIFIERS, DEFAULT_SENSITIVE
from dimpflow.audit_settings import Audit
from dimpflow.clients.retry import Retry
from dimpflow.crtdl.prepare import CrtdlRules
from dimpflow.errors import ConfigError
from dimpflow.inputs import LocalFiles
from dimpflow.pseudonym_settings import Keeping, Reidentify
from dimpflow.pseudonyms.plan import DEFAULT_PLAN
from dimpflow.ruleset.options import Options
from dimpflow.settings import MB, Settings, load_settings
from dimpflow.variables import expand

ROOT = Path(__file__).parents[2]
SEED = ROOT.parent / "shared" / "seed"


def load(
    text: str = "", *, environ: dict[str, str] | None = None, folders: list[Path] | None = None
) -> Settings:
    config: dict[str, Any] = {"input": "data", **(yaml.safe_load(text) or {})}
    schema = ROOT / "schemas/config.schema.yaml"
    return load_settings(config, schema, environ=environ or {}, folders=folders or [ROOT])


def faults(text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, environ=environ)
    return str(caught.value).splitlines()


def fault(text: str, **environ: str) -> str:
    (only,) = faults(text, **environ)
    return only


def test_defaults() -> None:
    assert load() == Settings(
        job="data",
        inputs=LocalFiles(("data",)),
        sample=None,
        jobs_dir=Path("jobs"),
        retention_days=None,
        dimp=True,
        shard_bytes=256 * MB,
        keep_shards=True,
        on_invalid="fail",
        limit_bytes=10 * MB,
        rules=ROOT / "config/rulesets/default.yaml",
        options=Options(strict=True),
        security_labels=True,
        compression="",
        compression_level="default",
        retry=Retry(5, 1000, 30000),
        torch=None,
        crtdl=CrtdlRules("warn", False, None, ()),
        drop_provenance=False,
        web=None,
        server=None,
        pseudonyms=DEFAULT_PLAN,
        pseudonym_server=None,
        keeping=Keeping((), None, "", None),
        reidentify=Reidentify(),
        audit=Audit(
            enabled=True,
            on_leak="fail",
            tolerated=(),
            common_from=5,
            k=5,
            most_below_k=None,
            quasi=DEFAULT_QUASI_IDENTIFIERS,
            sensitive=DEFAULT_SENSITIVE,
            certificate=None,
            key=None,
            passphrase="",
        ),
        notes=(),
    )


def test_values_arrive() -> None:
    settings = load(
        """
        input: [a, b.ndjson]
        job: study-42
        jobs: {jobs_dir: ./out/, retention_days: 90}
        pipeline: {enabled_steps: [torch]}
        shard_mb: 0.5
        keep_shards: false
        import: {on_invalid: quarantine}
        compression: {enabled: true, format: gz, level: best}
        services:
          dimp: {url: "", bundle_split_threshold_mb: 100, security_labels: false}
        retry: {max_attempts: 10, initial_backoff_ms: 7, max_backoff_ms: 7}
        """
    )
    assert (settings.inputs, settings.job, settings.job_dir) == (
        LocalFiles(("a", "b.ndjson")),
        "study-42",
        Path("out/study-42"),
    )
    assert (settings.retention_days, settings.dimp, settings.shard_bytes) == (90, False, MB // 2)
    assert (settings.keep_shards, settings.on_invalid, settings.limit_bytes) == (
        False,
        "quarantine",
        100 * MB,
    )
    assert (settings.compression, settings.compression_level) == ("gz", "best")
    assert (settings.security_labels, settings.retry) == (False, Retry(10, 7, 7))


def test_options_of_the_rule_set() -> None:
    dimp = "{mode: compat, reference_date: 2026-08-07, unmatched: redact, conditional_references: true"
    settings = load(f"input: a\nservices: {{dimp: {dimp}, settings: {{domain-prefix: s-, span: 0.5}}}}}}")
    assert settings.options == Options(
        reference_date=date(2026, 8, 7),
        settings={"domain-prefix": "s-", "span": "0.5"},
        conditional_references=True,
        unmatched="redact",
    )
    assert Options.from_params(json.loads(json.dumps(settings.options.as_params()))) == settings.options
    assert fault("input: a\nservices: {dimp: {reference_date: '2026-02-30'}}") == (
        "services.dimp.reference_date: there is no such day"
    )
    assert "(allowed: a date, YYYY-MM-DD)" in fault("input: a\nservices: {dimp: {reference_date: yesterday}}")


def test_only_our_own_rule_sets_are_strict_unless_asked(tmp_path: Path) -> None:
    own = tmp_path / "home" / "config" / "rulesets" / "default.yaml"
    other = tmp_path / "other.yaml"
    own.parent.mkdir(parents=True)
    own.touch()
    other.touch()

    def strict(rules: Path, mode: str = "") -> bool:
        given = {
            "input": "a",
            "services": {"dimp": {"anonymization_config": str(rules), **({"mode": mode} if mode else {})}},
        }
        return load_settings(
            given, ROOT / "schemas/config.schema.yaml", environ={}, folders=[tmp_path, tmp_path / "home"]
        ).options.strict

    assert strict(own) and strict(Path("config/rulesets/default.yaml")) and not strict(other)
    assert strict(other, "strict") and not strict(own, "compat")


def test_compression_off_means_plain_whatever_the_format() -> None:
    assert load("compression: {format: gz}").compression == ""


def test_the_customers_document_is_understood() -> None:
    document = next(SEED.glob("*.txt"), None) if SEED.is_dir() else None
    if document is None:
        pytest.skip("../shared/seed is not here")
    blocks = [
        part.partition("```")[0] for part in document.read_text(encoding="utf-8").split("```yaml\n")[1:]
    ]
    examples = [yaml.safe_load(block) for block in blocks]
    assert len(examples) >= 6
    for example in examples:
        settings = load(yaml.safe_dump(example))
        url = example.get("services", {}).get("dimp", {}).get("url")
        assert (settings.server.access.url if settings.server else None) == url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("servces: {}", "servces: unknown key (did you mean services?)"),
        ("services: {dmip: {url: x}}", "services.dmip: unknown key (did you mean services.dimp?)"),
        ("services: {dimp_url: x}", "services.dimp_url: unknown key (did you mean services.dimp.url?)"),
        ("enabled_steps: [import]", "enabled_steps: unknown key (did you mean pipeline.enabled_steps?)"),
        ("import: {oninvalid: fail}", "import.oninvalid: unknown key (did you mean import.on_invalid?)"),
    ],
)
def test_unknown_keys_name_the_nearest_known_one(text: str, expected: str) -> None:
    assert fault(text) == expected


def test_a_key_like_no_other_is_told_some_known_ones() -> None:
    assert fault("xyzzy: 1").startswith("xyzzy: unknown key (known here: ")


@pytest.mark.parametrize(
    ("key", "value", "range_"),
    [
        ("services.dimp.bundle_split_threshold_mb", 0, "1 to 100"),
        ("services.dimp.bundle_split_threshold_mb", 101, "1 to 100"),
        ("retry.max_attempts", 0, "1 to 10"),
        ("retry.max_attempts", 11, "1 to 10"),
        ("retry.initial_backoff_ms", 0, "1 or more"),
        ("services.torch.polling_interval_seconds", 0, "1 or more"),
        ("jobs.retention_days", 0, "1 or more"),
        ("shard_mb", 0, "0.01 to 1048576"),
    ],
)
def test_ranges(key: str, value: int, range_: str) -> None:
    config: Any = value
    for part in reversed(key.split(".")):
        config = {part: config}
    assert fault(yaml.safe_dump(config)) == f"{key}: {value} is not allowed (allowed: {range_})"


@pytest.mark.parametrize("value", [1, 100])
def test_bounds_are_allowed(value: int) -> None:
    settings = load(f"services: {{dimp: {{bundle_split_threshold_mb: {value}}}}}")
    assert settings.limit_bytes == value * MB


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("services: {dimp: {bundle_split_threshold_mb: 2.5}}", "must be a whole number (allowed: 1 to 100)"),
        ("services: {dimp: {bundle_split_threshold_mb: true}}", "must be a whole number (allowed: 1 to 100)"),
        ("services: {dimp: {bundle_split_threshold_mb: many}}", "must be a whole number (allowed: 1 to 100)"),
        ("keep_shards: maybe", "must be true or false"),
        ("retry: 5", "must be a section with keys of its own"),
        ("services: {send: yes}", "must be a section with keys of its own"),
        ("compression: {format: bz2}", "this value is not allowed (allowed: gz, zst)"),
        ("input: []", "must not be empty"),
        ("input: ''", "must not be empty"),
        ("input:", "missing"),
        ("input: {a: b}", "must be text or a list"),
        (
            "job: 2024-01-01",
            "must be text (allowed: letters A-Z a-z, digits, . _ -, beginning with a letter or digit); ",
        ),
    ],
)
def test_wrong_types(text: str, expected: str) -> None:
    assert expected in fault(text)


def test_all_faults_come_at_once() -> None:
    assert len(faults("shard_mb: 0\nretry: {max_attempts: 99}\nxyzzy: 1")) == 3
    assert (
        len(faults("jobs_dir: a\njobs: {jobs_dir: b}\nretry: {initial_backoff_ms: 9, max_backoff_ms: 8}"))
        == 2
    )


@pytest.mark.parametrize(
    "steps", [["import", "dimp"], ["local_import", "dimp"], ["http_import", "dimp"], ["torch", "dimp"]]
)
def test_steps(steps: list[str]) -> None:
    assert load(f"pipeline: {{enabled_steps: {steps}}}").dimp
    assert not load(f"pipeline: {{enabled_steps: {steps[:1]}}}").dimp


@pytest.mark.parametrize(
    "steps",
    [
        "[dimp, import]",
        "[dimp]",
        "[import, import]",
        "[import, dimp, dimp]",
        "[import, send]",
        "[torch, import, dimp]",
        "import",
    ],
)
def test_wrong_steps_are_told_the_right_order(steps: str) -> None:
    message = fault(f"pipeline: {{enabled_steps: {steps}}}")
    assert message.startswith("pipeline.enabled_steps: ")
    assert message.endswith("(allowed: first import or local_import or http_import or torch, then dimp)")


def test_no_steps_at_all() -> None:
    assert fault("pipeline: {enabled_steps: []}") == "pipeline.enabled_steps: must not be empty"


def test_pauses_in_order() -> None:
    assert fault("retry: {initial_backoff_ms: 10, max_backoff_ms: 9}") == (
        "retry.initial_backoff_ms: 10 is more than retry.max_backoff_ms (9)"
    )
    assert fault("services: {torch: {max_polling_interval_seconds: 4}}") == (
        "services.torch.polling_interval_seconds: 5 is more than services.torch.max_polling_interval_seconds (4)"
    )


def test_both_places_of_jobs_dir_mean_the_same() -> None:
    assert load("jobs: {jobs_dir: x}").jobs_dir == load("jobs_dir: x").jobs_dir == Path("x")
    assert load("jobs: {jobs_dir: ./x}\njobs_dir: x/").jobs_dir == Path("x")
    assert fault("jobs: {jobs_dir: x}\njobs_dir: y") == (
        "jobs_dir and jobs.jobs_dir differ, but mean the same folder; give one of them"
    )


def test_jobs_dir_must_be_no_pattern() -> None:
    assert fault("jobs_dir: a{b}") == "jobs_dir: must not hold braces or control characters"


@pytest.mark.parametrize(
    ("inputs", "job"),
    [
        ("/data/fhir/", "fhir"),
        ("Patient.ndjson.gz", "Patient"),
        ("Patient.NDJSON", "Patient"),
        ("b.json", "b"),
        ("/data/Müller export", "M-ller-export"),
        ("[x/a, y/b, z/c]", "a-and-2-more"),
        (".hidden", "hidden"),
    ],
)
def test_job_from_input(inputs: str, job: str) -> None:
    assert load(f"input: {inputs}").job == job


def test_an_input_without_a_name_needs_a_job() -> None:
    assert fault("input: /") == "job: the input has no name to take; give one, such as --config job=study-42"
    assert load("input: /\njob: x").job == "x"


@pytest.mark.parametrize("job", ["..", ".x", "a/b", "a b", "-x", "'{x}'", "ä"])
def test_unsafe_job_names(job: str) -> None:
    assert fault(f"job: {job}").startswith("job: this value is not allowed (allowed: letters")


def test_unsafe_job_name_from_a_variable() -> None:
    assert fault("job: ${STUDY}", STUDY="../x").startswith("job: this value is not allowed")


def test_values_of_the_command_line_are_text_or_numbers() -> None:
    settings = load(
        "job: 42\ninput: [1, 2]\nshard_mb: '0.5'\nkeep_shards: 'FALSE'\nimport: {on_invalid: fail}"
    )
    assert (settings.job, settings.inputs, settings.shard_bytes, settings.keep_shards) == (
        "42",
        LocalFiles(("1", "2")),
        MB // 2,
        False,
    )
    assert load("services: {dimp: {bundle_split_threshold_mb: '5'}}").limit_bytes == 5 * MB


def test_a_key_without_a_value_is_not_given() -> None:
    assert load("services:\nretry: {max_attempts: }\njob:") == load()


def test_variables() -> None:
    settings = load(
        "input: ${DATA}/x\njobs_dir: ${OUT}\njob: ${STUDY}", environ={"DATA": "/d", "OUT": "o", "STUDY": "s1"}
    )
    assert (settings.inputs, settings.job_dir) == (LocalFiles(("/d/x",)), Path("o/s1"))
    assert faults("input: ${DATA}\nservices: {torch: {username: '${USER_NAME}'}}") == [
        "input: the environment variable DATA is not set (export DATA=...)",
        "services.torch.username: the environment variable USER_NAME is not set (export USER_NAME=...)",
    ]
    assert expand("${A}-${a}-$A", {"A": "${A}"}, "k") == "${A}-${a}-$A"


def test_the_rule_set_of_the_working_directory_goes_first(tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    for folder in (here, home):
        folder.mkdir()
    (home / "r.yaml").touch()
    text = "services: {dimp: {anonymization_config: r.yaml}}"
    assert load(text, folders=[here, home]).rules == home / "r.yaml"
    (here / "r.yaml").touch()
    assert load(text, folders=[here, home]).rules == here / "r.yaml"
    absolute = f"services: {{dimp: {{anonymization_config: {home / 'r.yaml'}}}}}"
    assert load(absolute, folders=[here, home]).rules == home / "r.yaml"


CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    "text",
    [
        f"services: {{torch: {{password: {CANARY}, polling_interval_seconds: 0}}}}",
        f"services: {{torch: {{password: [{CANARY}]}}}}",
        f"services: {{torch: {{base_url: 'https://user:{CANARY}@torch.example'}}}}",
        f"services: {{torch: {{base_url: '{CANARY}'}}}}",
        f"job: '{CANARY} x'",
        f"compression: {{format: {CANARY}}}",
        f"pipeline: {{enabled_steps: [{CANARY}]}}",
    ],
)
def test_messages_hold_no_values_of_text(text: str) -> None:
    assert CANARY not in "\n".join(faults(text))


def test_secrets_stay_where_they_are() -> None:
    clear = load(f"services: {{torch: {{base_url: 'https://t.example', username: u, password: {CANARY}}}}}")
    assert CANARY not in repr(clear)
    (note,) = clear.notes
    assert note.startswith("services.torch.password: a secret stands in clear in the configuration")

    hidden = load("services: {torch: {password: '${PW}'}}", environ={"PW": CANARY})
    assert hidden.notes == () and CANARY not in repr(hidden)


def test_sections_that_are_not_performed_are_told_and_not_looked_at() -> None:
    settings = load(
        f"""
        services:
          send: {{send_as: s3_upload, url: "${{NOT_SET}}", s3: {{secret_access_key: {CANARY}}}}}
          flattening: {{anything: 1}}
          validation: {{}}
        """
    )
    assert (
        settings.notes[-1]
        == "not performed by this workflow, so not looked at: services.flattening, services.send"
    )
    assert settings.notes[0].startswith("services.send.s3.secret_access_key: a secret stands in clear")
    assert CANARY not in repr(settings)
