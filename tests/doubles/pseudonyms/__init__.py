"""Doubles of the services that give pseudonyms; each answers as the tables of deidentify-spec.md, section 5, say."""

from doubles.pseudonyms.entici import EnticiDouble
from doubles.pseudonyms.gpas import GpasDouble
from doubles.pseudonyms.mii import MiiDouble
from doubles.pseudonyms.service import Fault, PseudonymDouble, Seen
from doubles.pseudonyms.vfps import VfpsDouble

__all__ = ["EnticiDouble", "Fault", "GpasDouble", "MiiDouble", "PseudonymDouble", "Seen", "VfpsDouble"]
