"""Keyed pseudonyms: a function of key, domain and original, so that every job on every node gives the same without a store."""

from collections.abc import Callable

from dimpflow.keys import KeyedHash, derive
from dimpflow.pseudonyms import Pseudonyms

LENGTH = 20
"""Characters of a pseudonym: 80 bits, so that a million originals collide with a chance below one in 10^12."""
HEX = "0123456789abcdef"
BITS = 256
"""Of the hash that a pseudonym is made from."""


def keyed_pseudonyms(key: str) -> Pseudonyms:
    """The source for a key. A pseudonym is 20 hexadecimal characters of an HMAC-SHA256."""
    digest = KeyedHash(derive(key.encode(), "pseudonym")).hexdigest

    def pseudonym(domain: str, original: str) -> str:
        return digest(_message(domain, original))[:LENGTH]

    return pseudonym


def in_alphabet(key: str, alphabet: str, length: int) -> Callable[[str, str], str]:
    """The same in another form: `length` characters of `alphabet`, which has at least two, each once. With hexadecimal digits it is
    what `keyed_pseudonyms` gives.

    The hash is read as a number in base len(alphabet); that one character is likelier than another by less than one in 2^64 needs
    length * log2(len(alphabet)) <= 192.
    """
    if alphabet == HEX and length <= BITS // 4:
        digest = KeyedHash(derive(key.encode(), "pseudonym")).hexdigest
        return lambda domain, original: digest(_message(domain, original))[:length]
    raw, base = KeyedHash(derive(key.encode(), "pseudonym")).digest, len(alphabet)

    def pseudonym(domain: str, original: str) -> str:
        number = int.from_bytes(raw(_message(domain, original)))
        characters = []
        for _ in range(length):
            number, place = divmod(number, base)
            characters.append(alphabet[place])
        return "".join(characters)

    return pseudonym


def _message(domain: str, original: str) -> bytes:
    # the domain's length goes first, so that no other pair of texts gives the same bytes
    return f"{len(domain)}:{domain}{original}".encode()
