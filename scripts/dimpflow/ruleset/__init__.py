"""Rule sets: an `anonymization.yaml` of the FHIR Pseudonymizer read into checked rule objects, with its FHIRPath parsed."""
