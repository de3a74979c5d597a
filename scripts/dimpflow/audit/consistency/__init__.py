"""Consistency: what referred to the same thing still does, nobody has gained or lost a resource, and what should stay has stayed."""
