"""A plain interpreter of the de-identification specification, to compare the engine with.

It is written for reading: rule by rule and node by node, as the specification tells it. Numbers in brackets are
sections of the specification.
"""

from .errors import Refused
from .interpreter import deidentify

__all__ = ["Refused", "deidentify"]
