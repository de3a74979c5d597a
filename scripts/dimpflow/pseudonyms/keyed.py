"""Keyed pseudonyms: a function of key, domain and original, so that every job on every node gives the same without a store."""

from dimpflow.keys import KeyedHash, derive
from dimpflow.pseudonyms import Pseudonyms

LENGTH = 20
"""Characters of a pseudonym: 80 bits, so that a million originals collide with a chance below one in 10^12."""


def keyed_pseudonyms(key: str) -> Pseudonyms:
    """The source for a key. A pseudonym is 20 hexadecimal characters of an HMAC-SHA256."""
    digest = KeyedHash(derive(key.encode(), "pseudonym")).hexdigest

    def pseudonym(domain: str, original: str) -> str:
        # the domain's length goes first, so that no other pair of texts gives the same bytes
        return digest(f"{len(domain)}:{domain}{original}".encode())[:LENGTH]

    return pseudonym
