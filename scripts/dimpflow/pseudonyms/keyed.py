"""Keyed pseudonyms: a function of key, domain and original, so that every job on every node gives the same without a store."""

import base64

from dimpflow.keys import KeyedHash, derive
from dimpflow.pseudonyms import Pseudonyms

LENGTH = 16
"""Characters of a pseudonym: 80 bits, so that a million originals collide with a chance below one in 10^12."""


def keyed_pseudonyms(key: str) -> Pseudonyms:
    """The source for a key. A pseudonym is 16 characters of a-z and 2-7 (HMAC-SHA256, RFC 4648 base 32)."""
    digest = KeyedHash(derive(key.encode(), "pseudonym")).digest

    def pseudonym(domain: str, original: str) -> str:
        # the domain's length goes first, so that no other pair of texts gives the same bytes
        message = f"{len(domain)}:{domain}{original}".encode()
        return base64.b32encode(digest(message)[: LENGTH * 5 // 8]).decode().lower()

    return pseudonym
