"""Which paths can never match in FHIR R4, and why."""

import re

import pytest

from dimpflow.fhirpath.parser import parse
from dimpflow.ruleset.reach import below, selected_types, why_never
from dimpflow.ruleset.rules import Keep, Rule


def rule(path: str) -> Rule:
    """As loaded: the resource type before the path, and the expression behind it."""
    match = re.fullmatch(r"([A-Z][a-zA-Z]*)?\.?(.*)", path)
    assert match
    return Rule(1, path, Keep(), match[1] or "", parse(match[2]) if match[2] else None)


@pytest.mark.parametrize(
    "path",
    [
        "Patient",
        "Resource",
        "DomainResource",
        "Patient.name.given",
        "Patient.Patient.name",
        "name.given",
        "id",
        "Resource.id",
        "Resource.birthDate",  # of one type at least
        "DomainResource.text",
        "Patient.deceased",
        "Patient.deceased.ofType(boolean)",
        "Patient.deceased as dateTime",
        "Patient.birthDate.extension.value",
        "Patient.name.given.id",
        "Patient.contact.BackboneElement.name",
        "Patient.contact.nodesByType('HumanName')",
        "Patient.contained",
        "Patient.contained.name",
        "Patient.contained.Organization.name",
        "Patient.contained.ofType(Organization).name",
        "Patient.contained.nodesByType('Address').city",
        "Bundle.entry.resource",
        "Bundle.entry.resource.name.family",
        "Bundle.entry.where(resource is Patient).resource.name",
        "Bundle.entry.resource.ofType(Patient).name",
        "Bundle.entry.response.outcome.issue",
        "Parameters.parameter.resource.id",
        "Parameters.parameter.part.part.value",
        "Observation.component.value.ofType(Quantity).value",
        "nodesByType('HumanName').family",
        "nodesByType('Patient').name",
        "nodesByType('BackboneElement')",
        "nodesByType('Timing').repeat",
        "nodesByType('Element')",
        "nodesByType('Timing').nodesByType('Element').boundsPeriod | nodesByType('Timing').repeat.bounds",
        "Patient.name.nodesByType('Address')",  # in an extension
        "nodesByType('instant')",
        "nodesByType('Age')",
        "nodesByName('postalCode')",
        "nodesByName('Patient').name",
        "Patient.nodesByName('family')",
        "Patient.nodesByType('Extension').nodesByType('Signature').data",
        "Patient.children().family",
        "Patient.descendants().notGiven | Patient.name",
        "Patient.descendants().status",  # enters contained resources
        "Patient.name.first().given.last()",
        "Patient.name[0].given[1]",
        "Patient.name.select(given | family)",
        "Patient.iif(active, name, nmae)",
        "Patient.nmae | Patient.name",
        "Patient.name.where(use = 'official').given",
        "Patient.name.where(use = 'official' or usse = 'x')",
        "Patient.name.where($this.use.exists())",
        "Patient.name.where(given.startsWith('A'))",
        "Patient.name.where(usse.empty())",
        "Patient.name.where(usse != 'x')",
        "Patient.name.where((usse = 'x').not())",
        "Patient.where(name.exists(use = 'official'))",
        "Patient.extension.extension.extension.url",
        "Patient.meta.security.display",
        "$this.name",
        "(Patient.name | contact.name).given",
        "Questionnaire.item.item.item.text",
        "Condition.onset | Condition.abatement as Age",
    ],
)
def test_paths_that_can_match(path: str) -> None:
    assert why_never(rule(path)) == ""


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        # the type at the beginning
        ("HumanName.family", "HumanName is no resource type; for a data type write nodesByType('HumanName')"),
        ("Quantity", "Quantity is no resource type; for a data type write nodesByType('Quantity')"),
        ("BackboneElement.id", "BackboneElement is no resource type; for a data type write nodesByType('BackboneElement')"),
        ("Pateint.name", "Pateint is no resource type; did you mean Patient?"),
        ("PATIENT.name", "PATIENT is no resource type"),
        ("Xyz", "Xyz is no resource type"),
        # elements
        ("Patient.nmae", "Patient has no element nmae; did you mean name?"),
        ("Patient.name.familiy", "HumanName has no element familiy; did you mean family?"),
        ("Patient.birthdate", "Patient has no element birthdate; did you mean birthDate?"),
        ("Patient.xyz", "Patient has no element xyz"),
        ("Patient.name.given.value", "string has no element value"),
        ("Patient.contact.nmae", "Patient.contact has no element nmae; did you mean name?"),
        ("Patient._birthDate", "Patient has no element _birthDate; did you mean birthDate?"),
        ("HealthcareService.notAvaliable.description", "HealthcareService has no element notAvaliable; did you mean notAvailable?"),
        ("Resource.nothing", "a resource has no element nothing"),
        ("nothing", "a resource has no element nothing"),
        ("Bundle.entry.resource.nothing", "a resource has no element nothing"),
        ("Patient.contained.nothing", "a resource has no element nothing"),
        ("Bundle.contained", "Bundle has no element contained"),
        ("Bundle.entry.resource.Patient.nmae", "Patient has no element nmae; did you mean name?"),
        ("nodesByType('Period').begin", "Period has no element begin"),
        # as JSON writes it
        ("Observation.valueString", "Observation has no element valueString, which is how JSON writes it; say value.ofType(string)"),
        ("Patient.deceasedDateTime", "Patient has no element deceasedDateTime, which is how JSON writes it; say deceased.ofType(dateTime)"),
        ("Patient.extension.valueCoding", "Extension has no element valueCoding, which is how JSON writes it; say value.ofType(Coding)"),
        # types
        ("Patient.name.Address", "HumanName is no Address; for a data type write nodesByType('Address')"),
        ("Patient.Observation", "Patient is no Observation; for a data type write nodesByType('Observation')"),
        ("Patient.name.Xyz", "HumanName is no Xyz"),
        ("Patient.contact.ContactPoint", "Patient.contact is no ContactPoint; "),
        ("Patient.birthDate.ofType(string)", "date is never a string"),
        ("Patient.name as Address", "HumanName is never a Address"),
        ("Patient.name.ofType(HumanNmae)", "HumanNmae is no FHIR type; did you mean HumanName?"),
        ("Patient.contained.ofType(HumanName)", "a resource is never a HumanName"),
        ("Condition.onset as Boolean", "Boolean is no FHIR type"),
        ("nodesByType('Humanname')", "Humanname is no FHIR type; did you mean HumanName?"),
        ("nodesByType('String')", "String is no FHIR type; did you mean string?"),
        ("nodesByType('SimpleQuantity')", "SimpleQuantity is no FHIR type"),
        ("nodesByType('DomainResource')", "DomainResource is no FHIR type"),
        ("Patient.name.nodesByType('BackboneElement')", "HumanName holds no BackboneElement"),
        ("Patient.nodesByType('Observation')", "Patient holds no Observation"),
        ("Bundle.nodesByType('Narrative')", "Bundle holds no Narrative"),  # nested resources are not entered
        ("Patient.birthDate.nodesByType('time')[0].nodesByType('Patient')", "time holds no Patient"),
        # names
        ("nodesByName('postcode')", "a resource has no element postcode anywhere"),
        ("Patient.nodesByName('postCode')", "Patient has no element postCode anywhere"),
        ("Patient.nodesByName('Observation')", "Patient has no element Observation anywhere"),
        ("Patient.nodesByName('valueString')", "Patient has no element valueString anywhere"),
        # all branches
        ("Patient.nmae | Patient.xyz", "Patient has no element nmae; did you mean name?; Patient has no element xyz"),
        ("Patient.iif(active, nmae, xyz)", "Patient has no element nmae; did you mean name?; Patient has no element xyz"),
        ("Patient.select(nmae)", "Patient has no element nmae; did you mean name?"),
        ("Patient.name.first().nmae", "HumanName has no element nmae"),
        ("Patient.name[0].familiy", "HumanName has no element familiy; did you mean family?"),
        ("{}", "{} is nothing"),
        ("{}.name", "{} is nothing"),
        # conditions that hold of nothing
        ("Patient.name.where(usse = 'x')", "HumanName has no element usse; did you mean use?"),
        ("Patient.name.where('x' = usse)", "HumanName has no element usse; did you mean use?"),
        ("Patient.name.where(use = 'x' and gvien = 'y')", "HumanName has no element gvien; did you mean given?"),
        ("Patient.name.where(usse = 'x' or gvien ~ 'y')", "HumanName has no element usse; did you mean use?; HumanName has no element gvien"),
        ("Patient.name.where(usse)", "HumanName has no element usse; did you mean use?"),
        ("Patient.name.where(usse.exists())", "HumanName has no element usse; did you mean use?"),
        ("Patient.name.where(usse.startsWith('x'))", "HumanName has no element usse; did you mean use?"),
        ("Patient.name.where(usse in ('a' | 'b'))", "HumanName has no element usse; did you mean use?"),
        ("Patient.name.where(period.start < @2020 and period.begin > @2020)", "Period has no element begin"),
        ("Patient.where(name.exists(usse = 'x'))", "HumanName has no element usse; did you mean use?"),
        ("Patient.where(nmae.exists()).name", "Patient has no element nmae; did you mean name?"),
        ("Patient.identifier.where(type.coding.where(cdoe='MR').exists()).value", "Coding has no element cdoe; did you mean code?"),
        ("Observation.where(valueString = 'x')", "Observation has no element valueString, which is how JSON writes it"),
        ("Bundle.entry.where(resource as Patinet)", "Patinet is no FHIR type; did you mean Patient?"),
    ],
)  # fmt: skip
def test_paths_that_never_match(path: str, reason: str) -> None:
    found = why_never(rule(path))
    assert found.startswith(reason)
    assert "\n" not in found
    assert selected_types(rule(path)) == frozenset()


@pytest.mark.parametrize(
    ("path", "types"),
    [
        ("Patient", {"Patient"}),
        ("Patient.deceased", {"boolean", "dateTime"}),
        ("Patient.contact", {"Patient.contact"}),
        ("Patient.contained", {"Resource"}),
        ("Patient.contained.Basic", {"Basic"}),
        ("Patient.name | Patient.gender | Patient.xyz", {"HumanName", "code"}),
        ("Patient.name.where(use = 'x').first().period", {"Period"}),
        ("Patient.nodesByType('HumanName').given", {"string"}),
        ("Patient.nodesByName('period')", {"Period", "decimal"}),
        # also Timing.repeat.period
        ("nodesByType('HumanName')", {"HumanName"}),
        ("Patient.communication.children()", {"string", "Extension", "CodeableConcept", "boolean"}),
        ("Patient.communication.nodesByType('BackboneElement')", {"Patient.communication"}),
        ("Condition.onset | Condition.abatement as Age", {"Age"}),
        ("Resource", {"Resource"}),
        ("Resource.id", {"id"}),
    ],
)
def test_types_that_paths_select(path: str, types: set[str]) -> None:
    assert selected_types(rule(path)) == types


@pytest.mark.parametrize(
    "path", ["Patient.children().xyz", "Patient.deceased.ofType(string)", "Patient.deceased.xyz"]
)
def test_paths_that_never_match_from_several_types(path: str) -> None:
    assert path.split(".")[-1].removeprefix("ofType(").removesuffix(")") in why_never(rule(path))


def test_what_stands_below_a_type() -> None:
    inside = below("Patient")
    assert {("family", "string"), ("contact", "Patient.contact"), ("url", "uri")} <= inside
    assert not any(name == "contained" for name, _ in inside)
    assert ("contained", "Resource") in below("Patient", enter=True)
    assert ("component", "Observation.component") in below("Patient", enter=True) - inside
    assert below("string") >= {("id", "string"), ("extension", "Extension")}


def test_a_rule_for_the_resource_itself() -> None:
    assert rule("Patient").expression is None
    assert rule("Patient.name").expression == parse("name")
