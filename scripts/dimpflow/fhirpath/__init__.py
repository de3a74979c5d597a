"""FHIRPath as rule sets use it: text to tree, which forms are accepted, and their evaluation (FHIRPath 2.0.0, N1).

What is accepted is evaluated as the FHIR Pseudonymizer's library does it (specification of the rules, section 2.4); all else
is refused when a rule set is loaded.
"""
