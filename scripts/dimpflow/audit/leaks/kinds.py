"""What the leak check looks for, and what it lets pass.

Values are taken from the import by their FHIR types, wherever they stand: HumanName, ContactPoint, Address, Identifier,
references, ids of resources, birth dates of persons, names displayed for persons, FHIR's extensions for family names. Titles,
cities, states, postal codes alone, birth years, ids of contained resources without a digit, identifiers of who has given an
identifier, and texts are none.

A value is a sequence of words; it is found where these words stand one after the other, in any case, with any punctuation, with
umlauts or without. Not found: other words made of it (`Bergs`), digits in other groups, what is packed as base64, numbers of less
than 8 digits that are no texts. Birth dates are not looked for in dates of events, short ids only where ids stand.

A name, street or date that is a word of the language, too, is let pass at labels and in texts of more than three words, if it
stands there for more different subjects than bear it, by `common_from` or more; names of staff and numbers of up to 9 digits,
if the same label stands there for `common_from` subjects. See `tally`.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Kind:
    """ordinary: may be a word of the language, too, so that how many people bear it is counted; everywhere: looked for in all
    texts and not only where ids and identifiers stand."""

    name: str
    ordinary: bool = False
    everywhere: bool = True


FULL_NAME = Kind("full name")
IDENTIFIER = Kind("identifier")
PHONE = Kind("phone")
E_MAIL = Kind("e-mail")
ADDRESS = Kind("address", ordinary=True)
ID = Kind("id")
STAFF = Kind("name of staff")
NAME = Kind("name", ordinary=True)
STREET = Kind("street", ordinary=True)
SHORT_ID = Kind("short id", everywhere=False)
BIRTH_DATE = Kind("birth date", ordinary=True, everywhere=False)

KINDS = (FULL_NAME, IDENTIFIER, PHONE, E_MAIL, ADDRESS, ID, STAFF, NAME, STREET, SHORT_ID, BIRTH_DATE)
"""A value that is of several kinds is reported as the first."""

ANCHORS = Kind("anchors", everywhere=False)
"""No kind of value: one word of each value, by which a text is noticed."""

_TITLES = """
dr prof med dent rer nat phil jur habil dipl ing univ priv doz pd mag msc bsc phd herr frau hr fr mr mrs ms dres
"""
TITLES = frozenset(_TITLES.split())
_PARTICLES = """
von vom zu zum zur und der die das den dem des auf an am im in van de del della di da do dos du la le el al bin ibn ter ten
freiherr freifrau graf graefin edler edle ritter baron baronin fuerst fuerstin prinz prinzessin
"""
PARTICLES = frozenset(_PARTICLES.split())
"""Parts of names that tell nobody apart; alone they are not looked for."""
COUNTRY = frozenset(("49", "0049"))
"""What a telephone number begins with that is written with the country's."""
PO_BOX = "postfach"
"""No street."""


_STRONG = re.compile(r"(?=.{5})(?:(?=.*\d)(?=.*[^\W\d_])|(?:\D*\d){6})", re.DOTALL)


def is_strong(text: str) -> bool:
    """Whether an id or identifier can be told from other texts: 5 characters or more, with a digit; 6 digits if it has no letter."""
    return _STRONG.match(text) is not None
