"""Codes and displays that a data set for research keeps: ICD-10-GM, OPS, LOINC, ATC and their frames."""

from typing import Any

Json = dict[str, Any]

ICD = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
OPS = "http://fhir.de/CodeSystem/bfarm/ops"
ATC = "http://fhir.de/CodeSystem/bfarm/atc"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
DE_BASIS = "http://fhir.de/CodeSystem/identifier-type-de-basis"
MII = "https://www.medizininformatik-initiative.de/fhir/core/modul-"


def concept(system: str, code: str, display: str, **more: str) -> Json:
    """CodeableConcept with one coding."""
    return {"coding": [{"system": system, "code": code, "display": display, **more}]}


DIAGNOSES = tuple(
    concept(ICD, code, display, version="2025")
    for code, display in (
        ("I10.90", "Essentielle Hypertonie, nicht näher bezeichnet: Ohne Angabe einer hypertensiven Krise"),
        ("E11.90", "Diabetes mellitus, Typ 2: Ohne Komplikationen: Nicht als entgleist bezeichnet"),
        ("I25.13", "Atherosklerotische Herzkrankheit: Drei-Gefäß-Erkrankung"),
        ("J18.9", "Pneumonie, nicht näher bezeichnet"),
        ("J44.19", "Chronische obstruktive Lungenkrankheit mit akuter Exazerbation, nicht näher bezeichnet"),
        ("N18.3", "Chronische Nierenkrankheit, Stadium 3"),
        ("C50.4", "Bösartige Neubildung: Oberer äußerer Quadrant der Brustdrüse"),
        ("K35.30", "Akute Appendizitis mit lokalisierter Peritonitis ohne Perforation oder Ruptur"),
        ("S72.01", "Schenkelhalsfraktur: Intrakapsulär"),
        ("F32.1", "Mittelgradige depressive Episode"),
        ("I63.4", "Hirninfarkt durch Embolie zerebraler Arterien"),
        ("A41.9", "Sepsis, nicht näher bezeichnet"),
    )
)
PROCEDURES = tuple(
    concept(OPS, code, display, version="2025")
    for code, display in (
        ("5-470.11", "Appendektomie: Laparoskopisch: Absetzung durch Klammern (Stapler)"),
        (
            "1-275.0",
            "Transarterielle Linksherz-Katheteruntersuchung: Koronarangiographie ohne weitere Maßnahmen",
        ),
        ("8-980.0", "Intensivmedizinische Komplexbehandlung (Basisprozedur): 1 bis 184 Aufwandspunkte"),
        ("5-820.00", "Implantation einer Endoprothese am Hüftgelenk: Totalendoprothese: Nicht zementiert"),
        ("3-200", "Native Computertomographie des Schädels"),
        ("8-800.c0", "Transfusion von Erythrozytenkonzentrat: 1 TE bis unter 6 TE"),
        ("5-870.a1", "Partielle Exzision der Mamma mit Destruktion von Gewebe"),
        ("1-632.0", "Diagnostische Ösophagogastroduodenoskopie: Bei normalem Situs"),
    )
)
# code, display, unit, low, high, digits behind the point (kept as written: 5.40 stays 5.40)
LABS = (
    ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", "mg/dL", 70, 110, 0),
    ("2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", 3.5, 5.1, 2),
    ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L", 135, 145, 0),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 12, 17, 1),
    ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 4.3, 6.1, 1),
    ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", 0.5, 1.2, 2),
    ("1988-5", "C reactive protein [Mass/volume] in Serum or Plasma", "mg/L", 0, 5, 2),
    ("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL", 3.9, 10.5, 2),
    ("777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL", 150, 370, 0),
    ("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma", "m[IU]/L", 0.27, 4.2, 3),
    ("2777-1", "Phosphate [Mass/volume] in Serum or Plasma", "mg/dL", 2.5, 4.5, 2),
    ("1742-6", "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma", "U/L", 10, 50, 0),
)
DRUGS = tuple(
    concept(ATC, code, display, version="2025")
    for code, display in (
        ("C09AA05", "Ramipril"), ("C07AB07", "Bisoprolol"), ("A10BA02", "Metformin"), ("B01AC06", "Acetylsalicylsäure"),
        ("C10AA05", "Atorvastatin"), ("A02BC02", "Pantoprazol"), ("J01CR02", "Amoxicillin und Beta-Lactamase-Inhibitoren"),
        ("N02BB02", "Metamizol-Natrium"), ("H03AA01", "Levothyroxin-Natrium"), ("B01AF02", "Apixaban"),
    )
)  # fmt: skip
DEPARTMENTS = (
    ("0100", "Innere Medizin"), ("0300", "Kardiologie"), ("1500", "Allgemeine Chirurgie"), ("1600", "Unfallchirurgie"),
    ("2800", "Neurologie"), ("2900", "Allgemeine Psychiatrie"), ("2400", "Frauenheilkunde und Geburtshilfe"),
)  # fmt: skip
CLASSES = tuple(
    {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code, "display": display}
    for code, display in (("IMP", "inpatient encounter"), ("AMB", "ambulatory"), ("EMER", "emergency"))
)
DOSES = ("1-0-1", "1-0-0", "0-0-1", "1-1-1", "bei Bedarf, höchstens viermal täglich")
FINDINGS = (
    "Regelrechter Befund ohne Hinweis auf eine akute Pathologie.",
    "Im Vergleich zur Voruntersuchung unverändert, Kontrolle in drei Monaten empfohlen.",
    "Deutliche Besserung unter laufender Therapie, Mobilisation auf Stationsebene gelungen.",
    "Verlauf komplikationslos, Drainage gezogen, Wundverhältnisse reizlos.",
    "Labor vom Vortag auffällig, Verlaufskontrolle angeordnet, kein Fieber.",
    "Aufklärung erfolgt, Einwilligung liegt vor, keine Allergien bekannt.",
)


def identifier_type(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


MR, VN = identifier_type(V2_0203, "MR"), identifier_type(V2_0203, "VN")
GKV = identifier_type(DE_BASIS, "GKV")
ACTIVE = concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active", "Active")
CONFIRMED = concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed", "Confirmed")
LABORATORY = [
    concept("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory", "Laboratory"),
    concept(LOINC, "26436-6", "Laboratory studies (set)"),
]
GENERAL_FINDING = concept(LOINC, "8251-1", "Service comment")
DISCHARGE_LETTER = concept("http://dvmd.de/fhir/CodeSystem/kdl", "AD010103", "Entlassungsbericht intern")
CONSULTATION = concept(SNOMED, "11429006", "Consultation (procedure)")
SECURITY = [
    {
        "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
        "code": "HTEST",
        "display": "test health data",
    }
]
