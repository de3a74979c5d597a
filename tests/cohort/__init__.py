"""Synthetic German-looking patients for tests: names, people, clinical resources, canaries.

Everything here is invented. Names of persons, streets and towns are composed of syllables, so that they are
plausible to read, belong to nobody, and can be searched for in an output without chance hits.
"""
