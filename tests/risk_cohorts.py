"""Drawn cohorts for the risk figures, as NDJSON and, told apart from it while drawing, as tables for SQL."""

import json
import random
import re
import sqlite3
from dataclasses import dataclass, field
from typing import Any

Resource = dict[str, Any]


@dataclass
class Drawn:
    """resources: single ones; patients: (id, year, gender, postal codes, their first digits), None where there is none, several
    joined in order; links: (patient's id, the codes of one condition joined); codes: (patient's id, one code)."""

    resources: list[Resource] = field(default_factory=list)
    patients: list[tuple[str, str | None, str | None, str | None, str | None]] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    codes: list[tuple[str, str]] = field(default_factory=list)
    conditions: int = 0
    without_code: int = 0
    unlinked: int = 0

    def database(self) -> sqlite3.Connection:
        """The tables, for a direct computation."""
        db = sqlite3.connect(":memory:")
        db.execute("CREATE TABLE patient (id, year, gender, zip, digit)")
        db.executemany("INSERT INTO patient VALUES (?, ?, ?, ?, ?)", self.patients)
        db.execute("CREATE TABLE link (id, value)")
        db.executemany("INSERT INTO link VALUES (?, ?)", self.links)
        db.execute("CREATE TABLE code (id, code)")
        db.executemany("INSERT INTO code VALUES (?, ?)", self.codes)
        return db


def draw(seed: int, patients: int) -> Drawn:
    """A cohort with missing values, several addresses and names, and conditions that belong to nobody."""
    rng, drawn = random.Random(seed), Drawn()
    for number in range(patients):
        id_ = f"p{seed}-{number}"
        _patient(rng, id_, drawn)
        for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
            _condition(rng, id_, drawn)
    for _ in range(patients // 10):
        _condition(rng, None, drawn)
    drawn.resources += [{"resourceType": "Observation", "subject": {"type": "Patient"}} for _ in range(5)]
    rng.shuffle(drawn.resources)
    return drawn


def _patient(rng: random.Random, id_: str, drawn: Drawn) -> None:
    patient: Resource = {"resourceType": "Patient", "id": id_}
    patient["name"] = [{"text": f"N{rng.random()}"} for _ in range(rng.randint(0, 2))]
    year = rng.choice((None, *(str(year) for year in range(1955, 1970))))
    if year:
        patient["birthDate"] = year + rng.choice(("", "-03", "-03-07"))
    gender = rng.choice((None, "male", "female", "female"))
    if gender:
        patient["gender"] = gender
    zips = rng.choices(("10", "11", "20"), k=rng.choice((0, 1, 1, 1, 1, 2, 3)))
    addresses = [{"postalCode": code, "country": "DE"} for code in zips] + [{"country": "DE"}] * rng.randint(
        0, 1
    )
    if addresses:
        patient["address"] = addresses
    drawn.resources.append(patient)
    drawn.patients.append((id_, year, gender, _joined(zips), _joined([code[0] for code in zips])))


def _condition(rng: random.Random, owner: str | None, drawn: Drawn) -> None:
    condition: Resource = {"resourceType": "Condition"}
    codes = rng.sample(("A1", "B2", "C3", "D4"), k=rng.choice((0, 1, 1, 1, 2)))
    condition["code"] = {"coding": [{"code": code} for code in codes], "text": "t"}
    if owner:
        address = rng.choice(("", "", "https://fhir.example/r4/"))
        version = rng.choice(("", "", "/_history/2"))
        condition["subject"] = {"reference": f"{address}Patient/{owner}{version}"}
    else:
        condition |= rng.choice(
            (
                {},
                {"subject": {"reference": "Patient/nobody"}},
                {"subject": {"reference": "Group/g"}},
                {"subject": {"display": "someone"}},
            )
        )
    drawn.resources.append(condition)
    drawn.conditions += 1
    if not codes:
        drawn.without_code += 1
    elif not owner:
        drawn.unlinked += 1
    else:
        drawn.links.append((owner, "|".join(sorted(codes))))
        drawn.codes += [(owner, code) for code in codes]


def _joined(values: list[str]) -> str | None:
    return "|".join(sorted(set(values))) or None


def lines(resources: list[Resource]) -> list[bytes]:
    """As the engine writes them."""
    return [json.dumps(one, separators=(",", ":")).encode() + b"\n" for one in resources]


def bundled(resources: list[Resource], rng: random.Random) -> list[Resource]:
    """The same resources in Bundles of any length. Some patients are known by a urn only; what is theirs lies in the same Bundle,
    and half of these patients have no id at all."""
    urns = {
        one["id"]: f"urn:uuid:{rng.getrandbits(64):016x}"
        for one in resources
        if one["resourceType"] == "Patient" and rng.random() < 0.5
    }
    together: dict[str, list[Resource]] = {id_: [] for id_ in urns}
    pieces = list(together.values())
    for one in resources:
        owner = _owner(one)
        if owner not in urns:
            pieces.append([{"resource": one}])
        elif one["resourceType"] == "Patient":
            left_out = rng.choice(("", "id"))
            shown = {name: value for name, value in one.items() if name != left_out}
            together[owner].append({"fullUrl": urns[owner], "resource": shown})
        else:
            together[owner].append({"resource": {**one, "subject": {"reference": urns[owner]}}})
    rng.shuffle(pieces)
    bundles: list[Resource] = []
    while pieces:
        count = rng.randint(1, 12)
        entries = [entry for piece in pieces[:count] for entry in piece]
        del pieces[:count]
        rng.shuffle(entries)
        bundles.append({"resourceType": "Bundle", "type": "collection", "entry": entries})
    return bundles


def _owner(resource: Resource) -> str:
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    match = re.search(r"Patient/(p\d+-\d+)", resource.get("subject", {}).get("reference", ""))
    return match[1] if match else ""
