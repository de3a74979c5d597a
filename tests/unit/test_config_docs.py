"""config/README.md, the schemas and the environments of the jobs say what the workflow does."""

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from dimpflow.schema import allowed, complaints, kind, leaves, read_schema
from dimpflow.settings import load_settings

ROOT = Path(__file__).parents[2]
SCHEMA = read_schema(ROOT / "schemas/config.schema.yaml")


def row(key: str, sub: dict[str, Any]) -> str:
    """The line of the table in config/README.md that the schema asks for."""
    cells = [f"`{key}`", kind(sub), default(key, sub), allowed(sub) or "–", sub["description"]]
    return "| " + " | ".join(cells) + " |"


def default(key: str, sub: dict[str, Any]) -> str:
    if "default" not in sub:
        return "required" if key in SCHEMA["required"] else "–"
    value = sub["default"]
    if isinstance(value, list):
        return f"`[{', '.join(value)}]`"
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`" if text else "(empty)"


def documented() -> list[str]:
    """The lines of the tables with five columns."""
    text = (ROOT / "config/README.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `.*\|.*\|.*\|.*\|.*\|$", text, re.MULTILINE)


def test_every_key_of_the_schema_is_documented_as_it_is() -> None:
    assert [line for line in (row(*leaf) for leaf in leaves(SCHEMA)) if line not in documented()] == []


def test_no_other_key_is_documented() -> None:
    expected = {row(*leaf) for leaf in leaves(SCHEMA)}
    assert [line for line in documented() if line not in expected] == []
    assert len(documented()) == len(expected)


def test_every_key_has_a_description_and_refuses_unknown_neighbours() -> None:
    assert all(sub.get("description") for _, sub in leaves(SCHEMA))
    sections = [SCHEMA]
    while sections:
        section = sections.pop()
        assert section["additionalProperties"] is False
        sections += [sub for sub in section["properties"].values() if "properties" in sub]


def test_defaults_keep_to_the_schema() -> None:
    for key, sub in leaves(SCHEMA):
        if "default" in sub:
            assert not list(Draft202012Validator(sub).iter_errors(sub["default"])), key


def test_config_yaml_is_valid_and_names_no_job() -> None:
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    assert complaints(config, SCHEMA) == []
    assert "job" not in config  # it would be the job of every user's --configfile


def test_what_config_yaml_shows_as_comment_is_the_default() -> None:
    text = (ROOT / "config/config.yaml").read_text(encoding="utf-8")
    shown = "\n".join(line[2:] for line in text.partition("\n\n")[2].splitlines())
    with_comments = {**yaml.safe_load(text), **yaml.safe_load(shown)}
    schema = ROOT / "schemas/config.schema.yaml"
    assert load_settings(with_comments, schema, environ={}, folders=[ROOT]) == load_settings(
        yaml.safe_load(text), schema, environ={}, folders=[ROOT]
    )


@pytest.mark.parametrize("path", sorted((ROOT / "schemas").glob("*.schema.*")), ids=lambda path: path.name)
def test_schemas_are_schemas(path: Path) -> None:
    Draft202012Validator.check_schema(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_jobs_in_conda_have_the_versions_of_environment_yml() -> None:
    def pins(path: str) -> set[str]:
        return {one.replace(" ", "") for one in yaml.safe_load((ROOT / path).read_text())["dependencies"]}

    assert pins("workflow/envs/dimp.yaml") <= pins("environment.yml")


def imported(file: Path) -> set[str]:
    """Names of the modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    return found


def files_of(module: str) -> Iterator[Path]:
    """Files of a module of the library, and of the packages that it is in."""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        place = ROOT / "scripts" / Path(*parts[:end])
        yield from (one for one in (place / "__init__.py", place.with_suffix(".py")) if one.is_file())


def test_jobs_in_conda_have_all_that_their_scripts_import() -> None:
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk"))
    todo = [ROOT / "scripts" / name for name in re.findall(r"scripts/(\w+\.py)", rules)]
    assert len(todo) > 10
    seen: set[Path] = set()
    others: set[str] = set()
    while todo:
        if (file := todo.pop()) in seen:
            continue
        seen.add(file)
        for module in imported(file):
            if module.startswith("dimpflow"):
                todo += files_of(module)
            else:
                others.add(module.partition(".")[0])
    packages = {"yaml": "pyyaml", "isal": "python-isal", "referencing": "jsonschema"}
    needed = {packages.get(name, name) for name in others - sys.stdlib_module_names}
    listed = yaml.safe_load((ROOT / "workflow/envs/dimp.yaml").read_text())["dependencies"]
    assert needed <= {re.split("[=>]", one)[0] for one in listed}
    assert {"numba", "orjson"} <= needed
