"""The clinical record of one patient: Encounter, Condition, Procedure, Observation, medication, documents."""

from base64 import b64encode

import orjson

from . import clinic
from .clinic import Json, concept
from .names import CARE, Draw
from .people import HOSPITAL, Hospital, Person, narrative, person

_PROSE = " ".join(clinic.FINDINGS)
_PROSE *= 2 * 65_536 // len(_PROSE)
_STRANGERS = 0.1
"""Part of the phrases that name somebody whom no resource knows."""
_INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_LETTER = clinic.MII + "dokument/StructureDefinition/mii-pr-dokument-dokument"


def _as_written(value: float, digits: int) -> orjson.Fragment:
    """A decimal with all its digits: 5.40 is a statement of precision (FHIR R4 section 2.24.0.1)."""
    return orjson.Fragment(f"{value:.{digits}f}")


_LABS = [
    (
        concept(clinic.LOINC, code, display),
        {"unit": unit, "system": clinic.UCUM, "code": unit},
        [
            {
                "low": {"value": _as_written(low, digits), "unit": unit, "system": clinic.UCUM, "code": unit},
                "high": {
                    "value": _as_written(high, digits),
                    "unit": unit,
                    "system": clinic.UCUM,
                    "code": unit,
                },
            }
        ],
        low,
        high,
        digits,
    )
    for code, display, unit, low, high, digits in clinic.LABS
]


class Record:
    """Builds the resources of one patient; `resources` and `canaries` grow with each."""

    def __init__(self, seed: int, number: int, home: Hospital, notes_kb: int = 0) -> None:
        self.draw = Draw(seed, number)
        self.home = home
        self.notes_kb = notes_kb
        self.person: Person = person(self.draw, home, seed)
        self.canaries = self.person.canaries
        self.resources: list[Json] = [self.person.resource, *self.person.relatives]
        self._visits = 0
        for _ in range(1 + self.draw.below(3)):
            self._stay()

    def _base(self, kind: str, profile: str) -> tuple[str, Json]:
        """Start of a new resource: type, id, meta."""
        identity = self.draw.uuid()
        resource: Json = {
            "resourceType": kind,
            "id": identity,
            "meta": {"profile": [profile], "security": clinic.SECURITY},
        }
        self.canaries.append(("id", identity))
        self.resources.append(resource)
        return identity, resource

    def _subject(self) -> Json:
        return self.person.subject if self.draw.chance(0.5) else self.person.subject_plain

    def _secret(self) -> str:
        """A phrase that only this patient's notes hold: it names somebody whom the patient's data know, in some spelling, or a
        stranger, whom no resource knows."""
        draw = self.draw
        if draw.chance(_STRANGERS):
            kind, who = "stranger", draw.stranger()
        else:
            given, family = draw.pick(self.person.known)
            kind, who = "note", self._spelt("contact", family)
            if draw.chance(0.3):
                who = f"{self._spelt('contact', given)} {who}"
        phrase = f"Schlüssel liegt bei {draw.pick(('Nachbarin', 'Schwägerin', 'Enkelin'))} {who}"
        self.canaries.append((kind, phrase))
        return phrase

    def _spelt(self, kind: str, name: str) -> str:
        """A name in some spelling, which is a canary, too."""
        spelt = self.draw.spelt(name)
        if spelt != name:
            self.canaries.append((kind, spelt))
        return spelt

    def _text(self) -> str:
        """Free text as people write it: with name, number or telephone, and a phrase of its own."""
        draw, who = self.draw, self.person
        mention = draw.pick(
            (
                f"Patient {who.full_name}, geb. {who.birth_day}.",
                f"Tel. {who.phone} (Rückruf erbeten).",
                f"KVNR {who.kvnr}, Fall von {who.family}.",
                f"Akte {who.mr} angefordert.",
            )
        )
        if draw.chance(0.2):
            spelt = f"{self._spelt('name', who.given)} {self._spelt('name', who.family)}"
            mention = f"{draw.pick(('Frau', 'Herr'))} {spelt} ({who.birth_day}) wünscht Rückruf."
        text = f"{draw.pick(clinic.FINDINGS)} {mention} {self._secret()}."
        if self.notes_kb:
            length, start = self.notes_kb * 1024, draw.below(4096)
            text += "\n" + (_PROSE * (length // 65_536 + 1))[start : start + length]
        return text

    def _note(self, day: int) -> list[Json]:
        author = self.draw.pick(self.home.staff)
        signed: Json = (
            {"authorReference": author.reference()}
            if self.draw.chance(0.5)
            else {"authorString": author.name}
        )
        text = self._text()
        if self.draw.chance(0.2):
            text += f" Gez. {author.name}"
        return [{**signed, "time": self.draw.moment(day), "text": text}]

    def _stay(self) -> None:
        """One visit with what was done in it."""
        draw = self.draw
        day = draw.below(len(CARE) - 40)
        last = day + draw.below(20)
        identity, encounter = self._base(
            "Encounter", clinic.MII + "fall/StructureDefinition/KontaktGesundheitseinrichtung"
        )
        self._visits += 1
        visit = f"FALL-{CARE[day][:4]}-{draw.number * 4 + self._visits:010d}"
        self.canaries.append(("visit", visit))
        self.encounter: Json = {"reference": f"Encounter/{identity}"}
        encounter |= {
            "identifier": [
                {"use": "official", "type": clinic.VN, "system": HOSPITAL + "fall", "value": visit}
            ],
            "status": "finished",
            "class": draw.pick(clinic.CLASSES),
            "serviceType": {
                "coding": [
                    {"system": "http://fhir.de/CodeSystem/dkgev/Fachabteilungsschluessel", "code": "0100"}
                ]
            },
            "subject": self.person.subject,
            "participant": [{"individual": draw.pick(self.home.staff).reference()}],
            "period": {"start": draw.moment(day), "end": draw.moment(last + 1)},
            "serviceProvider": draw.pick(self.home.departments),
        }
        diagnoses = [self._condition(day) for _ in range(1 + draw.below(2))]
        encounter["diagnosis"] = [
            {"condition": {"reference": f"Condition/{made}"}, "rank": rank}
            for rank, made in enumerate(diagnoses, 1)
        ]
        for _ in range(draw.below(2)):
            self._procedure(day, last)
        for _ in range(2 + draw.below(4)):
            self._lab(min(day + draw.below(10), last))
        self._finding(last)
        self._medication(day, last)
        if draw.chance(0.4):
            self._request(day)
        if draw.chance(0.5):
            self._document(day, last)

    def _condition(self, day: int) -> str:
        draw = self.draw
        identity, condition = self._base("Condition", clinic.MII + "diagnose/StructureDefinition/Diagnose")
        code = draw.pick(clinic.DIAGNOSES)
        condition |= {
            "text": narrative(f"<p>{self.person.full_name}: {code['coding'][0]['display']}</p>"),
            "clinicalStatus": clinic.ACTIVE,
            "verificationStatus": clinic.CONFIRMED,
            "code": {**code, "text": self._secret()} if draw.chance(0.05) else code,
            "subject": self._subject(),
            "encounter": self.encounter,
            "onsetDateTime": CARE[day],
            "recordedDate": draw.moment(day),
        }
        if draw.chance(0.5):
            condition["note"] = self._note(day)
        return identity

    def _procedure(self, day: int, last: int) -> None:
        draw = self.draw
        _, procedure = self._base("Procedure", clinic.MII + "prozedur/StructureDefinition/Procedure")
        doctor = draw.pick(self.home.staff)
        procedure |= {
            "status": "completed",
            "code": draw.pick(clinic.PROCEDURES),
            "subject": self._subject(),
            "encounter": self.encounter,
            "performedPeriod": {"start": draw.moment(day), "end": draw.moment(last)},
            "performer": [{"actor": doctor.reference()}],
            "note": self._note(last),
        }

    def _lab(self, day: int) -> None:
        draw = self.draw
        _, lab = self._base("Observation", clinic.MII + "labor/StructureDefinition/ObservationLab")
        code, unit, normal, low, high, digits = draw.pick(_LABS)
        value = low + (high - low) * (draw.random() * 1.5 - 0.2)
        order = f"LAB-{draw.uuid()[:18]}"
        self.canaries.append(("order", order))
        state = ("L", "Low") if value < low else ("H", "High") if value > high else ("N", "Normal")
        lab |= {
            "identifier": [
                {
                    "type": {
                        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "OBI"}]
                    },
                    "system": HOSPITAL + "laborwert",
                    "value": order,
                    "assigner": {"reference": f"Organization/{self.home.id}"},
                }
            ],
            "status": "final",
            "category": clinic.LABORATORY,
            "code": code,
            "subject": self._subject(),
            "encounter": self.encounter,
            "effectiveDateTime": draw.moment(day),
            "issued": draw.moment(day + 1),
            "valueQuantity": {"value": _as_written(max(value, 0.0), digits), **unit},
            "interpretation": [concept(_INTERPRETATION, *state)],
            "referenceRange": normal,
        }
        if draw.chance(0.1):
            lab["note"] = self._note(day)

    def _finding(self, day: int) -> None:
        """A finding in words, dictated by a contained practitioner about a contained relative."""
        draw = self.draw
        _, finding = self._base("Observation", HOSPITAL + "StructureDefinition/Befund")
        text = self._text()
        if draw.chance(0.5):
            doctor, relative, phone = draw.family(), draw.family(), draw.phone()
            given = draw.given(True)
            self.canaries += [
                ("contained", doctor),
                ("contained", relative),
                ("contained", given),
                ("phone", phone),
            ]
            finding["contained"] = [
                {
                    "resourceType": "Practitioner",
                    "id": "arzt",
                    "name": [{"text": f"Dr. {doctor}", "family": doctor}],
                },
                {
                    "resourceType": "Patient",
                    "id": "angehoerige",
                    "name": [{"use": "official", "family": relative, "given": [given]}],
                    "telecom": [{"system": "phone", "value": phone}],
                },
            ]
            finding["focus"] = [{"reference": "#angehoerige", "display": f"{given} {relative}"}]
            finding["performer"] = [{"reference": "#arzt"}]
            text += f" Diktat {self._spelt('contained', doctor)}, {self._spelt('contained', relative)} (Tel. {phone}) ist informiert."
        finding |= {
            "status": "final",
            "code": clinic.GENERAL_FINDING,
            "subject": self._subject(),
            "encounter": self.encounter,
            "effectiveDateTime": draw.moment(day),
            "valueString": text,
        }

    def _medication(self, day: int, last: int) -> None:
        draw = self.draw
        _, statement = self._base(
            "MedicationStatement", clinic.MII + "medikation/StructureDefinition/MedicationStatement"
        )
        dose = {
            "value": _as_written(draw.below(8) * 2.5 + 2.5, 2),
            "unit": "mg",
            "system": clinic.UCUM,
            "code": "mg",
        }
        statement |= {
            "status": "completed",
            "medicationCodeableConcept": draw.pick(clinic.DRUGS),
            "subject": self._subject(),
            "context": self.encounter,
            "effectivePeriod": {"start": CARE[day], "end": CARE[last]},
            "dateAsserted": draw.moment(day),
            "note": self._note(day),
            "dosage": [
                {"sequence": 1, "text": draw.pick(clinic.DOSES), "doseAndRate": [{"doseQuantity": dose}]}
            ],
        }
        if draw.chance(0.1):
            statement["dosage"][0][draw.pick(("patientInstruction", "text"))] = self._secret()

    def _request(self, day: int) -> None:
        draw = self.draw
        _, request = self._base("ServiceRequest", HOSPITAL + "StructureDefinition/Konsil")
        doctor = draw.family()
        self.canaries.append(("contained", doctor))
        request |= {
            "contained": [{"resourceType": "Practitioner", "id": "anforderer", "name": [{"family": doctor}]}],
            "status": "completed",
            "intent": "order",
            "code": clinic.CONSULTATION,
            "subject": self._subject(),
            "encounter": self.encounter,
            "authoredOn": draw.moment(day),
            "requester": {"reference": "#anforderer", "display": f"Dr. {doctor}"},
            "performer": [draw.pick(self.home.staff).reference()],
            "reasonCode": [draw.pick(clinic.DIAGNOSES)],
            "note": self._note(day),
        }

    def _document(self, day: int, last: int) -> None:
        draw, who = self.draw, self.person
        identity, letter = self._base("DocumentReference", _LETTER)
        text = f"{identity}: Arztbrief. Wir berichten über {who.full_name}, geb. {who.birth_day}. {draw.pick(clinic.FINDINGS)}"
        data = b64encode(text.encode()).decode()
        where = f"https://archiv.klinikum.example/{draw.uuid()}"
        content: Json = {"data": data} if draw.chance(0.6) else {"url": where}
        self.canaries.append(("document", content.get("data", where)[:60]))
        letter |= {
            "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{identity}"},
            "status": "current",
            "docStatus": "final",
            "type": clinic.DISCHARGE_LETTER,
            "subject": who.subject,
            "date": draw.moment(last + 1),
            "author": [draw.pick(self.home.staff).reference()],
            "description": f"Entlassbrief {who.full_name}: {self._secret()}",
            "content": [
                {
                    "attachment": {
                        "contentType": "text/plain",
                        "language": "de",
                        **content,
                        "title": f"Arztbrief_{who.family}_{CARE[last]}.txt",
                        "creation": draw.moment(last),
                    }
                }
            ],
            "context": {"encounter": [self.encounter], "period": {"start": CARE[day], "end": CARE[last]}},
        }
