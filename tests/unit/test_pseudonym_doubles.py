"""The doubles answer as the tables of deidentify-spec.md, section 5, say; seen without our client."""

from typing import Any

import pytest
import requests

from doubles.pseudonyms import EnticiDouble, GpasDouble, MiiDouble, PseudonymDouble, VfpsDouble

FHIR = {"Content-Type": "application/fhir+json"}


def text(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "valueString": value}


def whole(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "valueIdentifier": {"value": value}}


def post(double: PseudonymDouble, path: str, *parameters: dict[str, Any]) -> requests.Response:
    body = {"resourceType": "Parameters", "parameter": list(parameters)}
    return requests.post(double.base_url + path, json=body, headers=FHIR, timeout=10)


def without_systems(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_systems(one) for key, one in value.items() if key != "system"}
    return [without_systems(one) for one in value] if isinstance(value, list) else value


def test_gpas_before_1_10_2() -> None:
    with GpasDouble(["D"], "1.10.1") as double:
        made = requests.get(
            f"{double.base_url}$pseudonymize-allow-create?domain=D&original=V%26", timeout=10
        ).json()
        pseudonym = double.pseudonym("D", "V&")
        assert made == {"resourceType": "Parameters", "parameter": [text("V&", pseudonym)]}
        there = f"{double.base_url}$de-pseudonymize?domain=D&pseudonym="
        assert requests.get(there + pseudonym, timeout=10).json()["parameter"] == [text(pseudonym, "V&")]
        assert requests.get(there + "unknown", timeout=10).json()["parameter"] == []
        assert requests.get(there.replace("=D", "=E") + pseudonym, timeout=10).status_code == 404
        assert (
            post(double, "$pseudonymize-allow-create", text("target", "D"), text("original", "V")).status_code
            == 405
        )


@pytest.mark.parametrize("version", ["1.10.2", "2023.1.0"])
def test_gpas_since(version: str) -> None:
    new = version == "2023.1.0"
    create, reverse = (
        ("$pseudonymizeAllowCreate", "$dePseudonymize")
        if new
        else ("$pseudonymize-allow-create", "$de-pseudonymize")
    )
    part = whole if new else text
    with GpasDouble(["D"], version) as double:
        answer = post(double, create, text("target", "D"), text("original", "V"), text("original", "W"))
        found = [double.pseudonym("D", one) for one in "VW"]
        assert without_systems(answer.json())["parameter"] == [
            {
                "name": "pseudonym",
                "part": [part("target", "D"), part("original", one), part("pseudonym", psn)],
            }
            for one, psn in zip("VW", found, strict=True)
        ]
        answer = post(double, reverse, text("target", "D"), text("pseudonym", found[1]))
        name = "original" if new else "pseudonym-result-set"
        assert without_systems(answer.json())["parameter"] == [
            {"name": name, "part": [part("target", "D"), part("pseudonym", found[1]), part("original", "W")]}
        ]
        errors = post(double, reverse, text("target", "D"), text("pseudonym", "unknown")).json()["parameter"]
        assert [one["name"] for one in errors] == ["error"]
        assert post(double, create, text("target", "E"), text("original", "V")).status_code == 404
        assert post(double, create, text("target", "D")).status_code == 400
        plain = requests.post(double.base_url + create, json={}, timeout=10)
        assert plain.status_code == 415
        assert requests.get(double.base_url + create, timeout=10).status_code == 405


def test_vfps() -> None:
    with VfpsDouble(["N/1"]) as double:
        there = f"{double.url}/v1/namespaces/N%2F1/pseudonyms"
        made = requests.post(there, json={"originalValue": "V"}, timeout=10).json()["pseudonym"]
        assert made["meta"].keys() == {"createdAt", "lastUpdatedAt"}
        assert made["namespace"] == "N/1" and made["originalValue"] == "V"
        assert made["pseudonymValue"] == double.pseudonym("N/1", "V")
        assert requests.get(f"{there}/{made['pseudonymValue']}", timeout=10).json()["pseudonym"] == made
        listed = requests.get(there, timeout=10).json()
        assert listed == {"pseudonyms": [{"namespace": "N/1", "pseudonymValue": made["pseudonymValue"]}]}
        assert requests.get(f"{there}/unknown", timeout=10).status_code == 404
        assert requests.post(there, json={"originalValue": " "}, timeout=10).status_code == 400
        assert (
            requests.post(there.replace("N%2F1", "X"), json={"originalValue": "V"}, timeout=10).status_code
            == 404
        )
        names = requests.get(f"{double.url}/v1/namespaces", timeout=10).json()["namespaces"]
        assert [one["name"] for one in names] == ["N/1"]


def test_entici() -> None:
    with EnticiDouble(["D"], project="p") as double:
        given = {"name": "identifier", "valueIdentifier": {"system": "D", "value": "V"}}
        kind = {"name": "resourceType", "valueCode": "Patient"}
        answer = post(double, "/$pseudonymize", given, kind, text("project", "p")).json()
        assert without_systems(answer)["parameter"] == [whole("pseudonym", double.pseudonym("D", "V"))]
        assert post(double, "/$pseudonymize", given, kind).status_code == 422
        assert post(double, "/$pseudonymize", given).status_code == 400


def test_mii_first() -> None:
    with MiiDouble(["D"]) as double:
        pseudonym = double.pseudonym("D", "V")
        allow = {"name": "allowCreate", "valueBoolean": True}
        asked = (text("target", "D"), text("original", "V"))
        assert post(double, "/$pseudonymize", *asked, allow).json()["parameter"] == [
            text("pseudonym", pseudonym)
        ]
        assert post(double, "/$pseudonymize", *asked).status_code == 400
        back = post(double, "/$de-pseudonymize", text("target", "D"), text("pseudonym", pseudonym)).json()
        assert without_systems(back)["parameter"] == [{"name": "original", "part": [whole("value", "V")]}]
        assert (
            post(double, "/$pseudonymize", whole("context", "D"), whole("original", "V")).status_code == 400
        )


def test_mii_ballot() -> None:
    with MiiDouble(["D"], "2026") as double:
        pseudonym = double.pseudonym("D", "V")
        asked = (whole("context", "D"), whole("original", "V"))
        made = post(double, "/$pseudonymize", *asked).json()
        assert without_systems(made)["parameter"] == [whole("pseudonym", pseudonym)]
        back = post(double, "/$de-pseudonymize", whole("context", "D"), whole("pseudonym", pseudonym)).json()
        assert without_systems(back)["parameter"] == [whole("original", "V")]
        assert (
            post(double, "/$pseudonymize", *asked, {"name": "allowCreate", "valueBoolean": True}).status_code
            == 400
        )


def test_mii_lists() -> None:
    with MiiDouble(["D"], "2026") as double:
        entries = [
            {
                "resource": {
                    "resourceType": "Parameters",
                    "parameter": [whole("context", "D"), whole("original", one)],
                },
                "request": {"method": "POST", "url": "$pseudonymize"},
            }
            for one in "VW"
        ]
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
        answer = requests.post(double.base_url, json=bundle, headers=FHIR, timeout=10).json()
        assert (answer["resourceType"], answer["type"]) == ("Bundle", "batch-response")
        assert [without_systems(one["resource"])["parameter"] for one in answer["entry"]] == [
            [whole("pseudonym", double.pseudonym("D", one))] for one in "VW"
        ]
        assert [one["response"]["status"] for one in answer["entry"]] == ["200 OK", "200 OK"]
