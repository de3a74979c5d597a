"""Whose a resource is."""

PATIENT_ELEMENTS = (
    "patient",
    "subject",
    "beneficiary",
    "individual",
    "for",
    "candidate",
    "source",
    "target",
)
"""Elements that say whose a resource is, the surest first (FHIR R4, compartment Patient)."""
