"""The engine: a rule set compiled into one walk per resource type, with the FHIR Pseudonymizer's semantics."""
