"""The FHIR R4 model: which elements a type has, in which order, and strict typed objects made from that."""
