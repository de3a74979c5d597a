"""The hospital with its staff, and the Patient resources with everything that identifies."""

from base64 import b64encode
from dataclasses import dataclass, field

from .clinic import DEPARTMENTS, GKV, MII, MR, SECURITY, Json, concept
from .names import BIRTHS, CARE, NOBILITY, STATES, TITLES, Draw, ascii_form, kvnr

HOSPITAL = "https://klinikum.example/fhir/sid/"
KVID = "http://fhir.de/sid/gkv/kvid-10"
HL7 = "http://hl7.org/fhir/StructureDefinition/"
FHIR_DE = "http://fhir.de/StructureDefinition/"


@dataclass(slots=True)
class Member:
    """A practitioner as others refer to him or her."""

    id: str
    name: str

    def reference(self) -> Json:
        return {"reference": f"Practitioner/{self.id}", "display": self.name}


@dataclass(slots=True)
class Hospital:
    """What all patients of a cohort share (TORCH calls it core): one hospital, its departments, its staff."""

    resources: list[Json] = field(default_factory=list)
    canaries: list[tuple[str, str]] = field(default_factory=list)
    departments: list[Json] = field(default_factory=list)
    staff: list[Member] = field(default_factory=list)
    id: str = ""


@dataclass(slots=True)
class Person:
    """A patient: the resource, and the strings that other resources of the same patient repeat."""

    resource: Json
    id: str
    full_name: str
    given: str
    family: str
    kvnr: str
    mr: str
    phone: str
    birth_day: str
    subject: Json
    subject_plain: Json
    canaries: list[tuple[str, str]]
    relatives: list[Json]
    """Resources about them."""
    known: list[tuple[str, str]]
    """Given and family names of those whom the data of the patient know: contacts and relatives; never empty."""


def german_day(day: str) -> str:
    """1953-07-21 -> 21.07.1953"""
    return f"{day[8:]}.{day[5:7]}.{day[:4]}"


def narrative(html: str) -> Json:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{html}</div>'}


def hospital(seed: int) -> Hospital:
    """Organizations and Practitioners of the cohort `seed`."""
    draw = Draw(seed, (1 << 47) + 1)
    made = Hospital(id=draw.uuid())
    made.resources.append(
        {
            "resourceType": "Organization",
            "id": made.id,
            "meta": {"security": SECURITY},
            "identifier": [{"system": "http://fhir.de/sid/arge-ik/iknr", "value": "260914050"}],
            "active": True,
            "type": [
                concept(
                    "http://terminology.hl7.org/CodeSystem/organization-type", "prov", "Healthcare Provider"
                )
            ],
            "name": "Klinikum Musterstadt",
            "address": [{"type": "both", "city": "Musterstadt", "country": "DE"}],
        }
    )
    made.canaries.append(("id", made.id))
    for code, title in DEPARTMENTS:
        identity = draw.uuid()
        made.resources.append(
            {
                "resourceType": "Organization",
                "id": identity,
                "meta": {"security": SECURITY},
                "identifier": [{"system": HOSPITAL + "abteilung", "value": code}],
                "active": True,
                "type": [
                    concept(
                        "http://terminology.hl7.org/CodeSystem/organization-type",
                        "dept",
                        "Hospital Department",
                    )
                ],
                "name": title,
                "partOf": {"reference": f"Organization/{made.id}"},
            }
        )
        made.departments.append({"reference": f"Organization/{identity}", "display": title})
        made.canaries.append(("id", identity))
    for _ in range(24):
        female, identity = draw.chance(0.5), draw.uuid()
        family, given, phone = draw.family(), draw.given(female), draw.phone()
        made.resources.append(
            {
                "resourceType": "Practitioner",
                "id": identity,
                "meta": {"security": SECURITY},
                "text": narrative(f"<p>Dr. med. {given} {family}, Telefon {phone}</p>"),
                "active": True,
                "name": [{"use": "official", "family": family, "given": [given], "prefix": ["Dr. med."]}],
                "telecom": [{"system": "phone", "value": phone, "use": "work"}],
                "gender": "female" if female else "male",
            }
        )
        made.staff.append(Member(identity, f"Dr. med. {given} {family}"))
        made.canaries += [
            ("id", identity),
            ("practitioner", family),
            ("practitioner", given),
            ("phone", phone),
        ]
    return made


def human_name(draw: Draw, female: bool, canaries: list[tuple[str, str]]) -> tuple[Json, str, str]:
    """Official HumanName with the German extensions, the family name without its prefix, and the full name."""
    own, given = draw.family(), draw.given(female)
    canaries += [("name", own), ("name", given)]
    name: Json = {"use": "official"}
    family = own
    if draw.chance(0.2):
        prefix, rank = draw.pick(NOBILITY)
        family = f"{rank} {prefix} {own}".lstrip()
        parts = [
            {"url": HL7 + "humanname-own-prefix", "valueString": prefix},
            {"url": HL7 + "humanname-own-name", "valueString": own},
        ]
        if rank:
            parts.insert(0, {"url": FHIR_DE + "humanname-namenszusatz", "valueString": rank})
        name["_family"] = {"extension": parts}
    name["family"] = family
    name["given"] = [given]
    if draw.chance(0.3):
        second = draw.given(female)
        canaries.append(("name", second))
        name["given"].append(second)
        name["_given"] = [{"extension": [{"url": HL7 + "iso21090-EN-qualifier", "valueCode": "CL"}]}, None]
    full = f"{given} {family}"
    if draw.chance(0.12):
        title = draw.pick(TITLES)
        name["prefix"] = [title]
        name["_prefix"] = [{"extension": [{"url": HL7 + "iso21090-EN-qualifier", "valueCode": "AC"}]}]
        full = f"{title} {full}"
    name["text"] = full
    return name, own, full


def address(draw: Draw, canaries: list[tuple[str, str]]) -> Json:
    state, postal, key = draw.pick(STATES)
    city = draw.city()
    canaries.append(("city", city))
    place: Json = {
        "city": city,
        "_city": {
            "extension": [
                {
                    "url": FHIR_DE + "destatis/ags",
                    "valueCoding": {
                        "system": "http://fhir.de/sid/destatis/ags",
                        "code": f"{key}{draw.below(10**6):06d}",
                    },
                }
            ]
        },
        "state": state,
        "postalCode": f"{postal}{draw.below(1000):03d}",
        "country": "DE",
    }
    if draw.chance(0.05):
        box = f"Postfach {draw.below(90) + 10} {draw.below(90) + 10} {draw.below(90) + 10}"
        canaries.append(("street", box))
        return {
            "use": "home",
            "type": "postal",
            "line": [box],
            "_line": [{"extension": [{"url": HL7 + "iso21090-ADXP-postBox", "valueString": box}]}],
            **place,
        }
    street, number = draw.street(), f"{draw.below(180) + 1}{draw.pick(('', '', '', 'a', 'b'))}"
    canaries += [("street", street), ("street", f"{street} {number}")]
    line = [f"{street} {number}"]
    parts: list[Json | None] = [
        {
            "extension": [
                {"url": HL7 + "iso21090-ADXP-streetName", "valueString": street},
                {"url": HL7 + "iso21090-ADXP-houseNumber", "valueString": number},
            ]
        }
    ]
    if draw.chance(0.15):
        line.append("Hinterhaus, 2. Obergeschoss")
        parts.append(None)
    return {"use": "home", "type": "both", "line": line, "_line": parts, **place}


def contact(draw: Draw, canaries: list[tuple[str, str]]) -> Json:
    female, family, phone = draw.chance(0.5), draw.family(), draw.phone()
    given = draw.given(female)
    canaries += [("contact", family), ("contact", given), ("phone", phone)]
    return {
        "relationship": [concept("http://terminology.hl7.org/CodeSystem/v2-0131", "N", "Next-of-Kin")],
        "name": {"family": family, "given": [given]},
        "telecom": [{"system": "phone", "value": phone, "use": "mobile"}],
        "address": address(draw, canaries),
        "gender": "female" if female else "male",
    }


def related_person(draw: Draw, patient: str, canaries: list[tuple[str, str]]) -> Json:
    female, family, phone, identity = draw.chance(0.5), draw.family(), draw.phone(), draw.uuid()
    given = draw.given(female)
    canaries += [("contact", family), ("contact", given), ("phone", phone), ("id", identity)]
    return {
        "resourceType": "RelatedPerson",
        "id": identity,
        "meta": {"security": SECURITY},
        "active": True,
        "patient": {"reference": f"Patient/{patient}"},
        "relationship": [concept("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "NBOR", "neighbor")],
        "name": [{"use": "official", "family": family, "given": [given]}],
        "telecom": [{"system": "phone", "value": phone, "use": "home"}],
        "address": [address(draw, canaries)],
        "gender": "female" if female else "male",
    }


def person(draw: Draw, home: Hospital, seed: int) -> Person:
    """One Patient and what identifies it."""
    number, identity, female = draw.number, draw.uuid(), draw.chance(0.5)
    canaries: list[tuple[str, str]] = [("id", identity)]
    official, family, full_name = human_name(draw, female, canaries)
    names = [official]
    if female and draw.chance(0.35):
        maiden = draw.family()
        canaries.append(("name", maiden))
        names.append({"use": "maiden", "family": maiden, "given": official["given"]})
    # Steps that share no factor with the range: every number of the cohort gives another value.
    insurance = kvnr(number * 1_618_033_991 + seed * 7_919)
    record = f"UKX{(number * 618_033_989 + seed * 104_729) % 10**9:09d}"
    phone = draw.phone()
    mail = f"{ascii_form(official['given'][0])}.{ascii_form(family)}@{draw.pick(('post', 'mail', 'web'))}.example"
    birth = draw.pick(BIRTHS)
    exact = not draw.chance(0.03)
    canaries += [("kvnr", insurance), ("mr", record), ("phone", phone), ("email", mail)]
    resource: Json = {
        "resourceType": "Patient",
        "id": identity,
        "meta": {
            "versionId": "1",
            "lastUpdated": draw.moment(len(CARE) - 1 - draw.below(60)),
            "profile": [MII + "person/StructureDefinition/Patient"],
            "security": SECURITY,
        },
        "text": narrative(
            f"<p><b>{full_name}</b>, geboren am {german_day(birth) if exact else birth[:4]}</p>"
        ),
        "identifier": [
            {
                "use": "official",
                "type": GKV,
                "system": KVID,
                "value": insurance,
                "assigner": {
                    "identifier": {"system": "http://fhir.de/sid/arge-ik/iknr", "value": "109519005"}
                },
            },
            {"use": "usual", "type": MR, "system": HOSPITAL + "patienten", "value": record},
        ],
        "active": True,
        "name": names,
        "telecom": [
            {"system": "phone", "value": phone, "use": "home"},
            {"system": "email", "value": mail, "use": "home"},
        ],
        "gender": "female" if female else ("male" if draw.chance(0.98) else "other"),
        "birthDate": birth if exact else birth[:4],
        "address": [address(draw, canaries)],
        "managingOrganization": {"reference": f"Organization/{home.id}"},
    }
    if exact:
        canaries += [("birth_date", birth), ("birth_date", german_day(birth))]
        if draw.chance(0.1):
            moment = f"{birth}T{draw.below(24):02d}:{draw.below(60):02d}:00+01:00"
            resource["_birthDate"] = {
                "extension": [{"url": HL7 + "patient-birthTime", "valueDateTime": moment}]
            }
    if draw.chance(0.1):
        mother = draw.family()
        canaries.append(("name", mother))
        resource["extension"] = [{"url": HL7 + "patient-mothersMaidenName", "valueString": mother}]
    if draw.chance(0.06):
        resource["deceasedDateTime"] = draw.moment(len(CARE) - 1 - draw.below(100))
    elif draw.chance(0.3):
        resource["deceasedBoolean"] = False
    if draw.chance(0.5):
        resource["maritalStatus"] = concept(
            "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "M", "Married"
        )
    if draw.chance(0.6):
        resource["contact"] = [contact(draw, canaries)]
    relatives: list[Json] = []
    if "contact" not in resource or draw.chance(0.3):
        relatives.append(related_person(draw, identity, canaries))
    names_of_others = [one["name"] for one in resource.get("contact", [])] + [
        one["name"][0] for one in relatives
    ]
    if draw.chance(0.15):
        image = b64encode(draw.bytes(600)).decode()
        canaries.append(("photo", image[:60]))
        resource["photo"] = [{"contentType": "image/jpeg", "data": image, "title": f"Foto {family}.jpg"}]
    if draw.chance(0.3):
        resource["generalPractitioner"] = [draw.pick(home.staff).reference()]
    plain = {"reference": f"Patient/{identity}"}
    subject = {
        **plain,
        "type": "Patient",
        "identifier": {"type": MR, "system": HOSPITAL + "patienten", "value": record},
    }
    return Person(
        resource=resource, id=identity, full_name=full_name, given=official["given"][0], family=family, kvnr=insurance, mr=record, phone=phone,
        birth_day=german_day(birth) if exact else birth[:4], subject={**subject, "display": full_name}, subject_plain=plain, canaries=canaries,
        relatives=relatives, known=[(one["given"][0], one["family"]) for one in names_of_others],
    )  # fmt: skip
