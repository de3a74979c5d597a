"""Loops over bytes, compiled to machine code by Numba.

What stands in this folder knows bytes, numbers and tables and nothing of FHIR, of rules or of files. It is imported only where such
a loop runs: Numba takes a third of a second and 100 MB. Functions are compiled once for a version of these files and kept.
"""
