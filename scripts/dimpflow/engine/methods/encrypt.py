"""encrypt and decrypt: AES-CBC in hexadecimal, as the FHIR Pseudonymizer writes and reads it (specification, section 3.5).

Its initialisation vector is random; ours is a keyed hash of the value and of where it stands, so that a result can be made
again, and equal values in different resources still look different. Either side decrypts what the other encrypted.
"""

from collections.abc import Callable
from typing import Any

from dimpflow.engine.methods.place import Operation, Place, text_of
from dimpflow.errors import LineError
from dimpflow.keys import KeyedHash, derive

_BLOCK = 16


class Cipher:
    """AES in CBC mode with PKCS#7 padding (NIST SP 800-38A, RFC 5652). key: 16, 24 or 32 bytes."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers import Cipher as Aes  # 40 ms that few rule sets need
        from cryptography.hazmat.primitives.ciphers.algorithms import AES
        from cryptography.hazmat.primitives.ciphers.modes import CBC

        algorithm = AES(key)
        self._with: Callable[[bytes], Any] = lambda vector: Aes(algorithm, CBC(vector))
        self._seed = KeyedHash(derive(key, "encrypt-iv"))

    def encrypt(self, text: str, seed: str) -> str:
        """Upper-case hexadecimal of vector and cipher text."""
        vector = self._seed.digest(seed.encode())[:_BLOCK]
        plain = text.encode()
        padding = _BLOCK - len(plain) % _BLOCK
        encryptor = self._with(vector).encryptor()
        done: bytes = encryptor.update(plain + bytes([padding]) * padding) + encryptor.finalize()
        return (vector + done).hex().upper()

    def decrypt(self, text: str) -> str | None:
        """The plain text; None for what this key did not encrypt, as far as that can be seen."""
        try:
            data = bytes.fromhex(text) if not set(text) & set(" \t\r\n") else b""
            decryptor = self._with(data[:_BLOCK]).decryptor()
            plain: bytes = decryptor.update(data[_BLOCK:]) + decryptor.finalize()
            padding = plain[-1]
            if not 1 <= padding <= _BLOCK or plain[-padding:] != bytes([padding]) * padding:
                return None
            return plain[:-padding].decode()
        except (ValueError, IndexError):
            return None


def encrypt(cipher: Cipher, place: Place, identity: Callable[[], str]) -> Operation:
    """The operation at a place. identity: of the resource that is being processed."""

    def work(value: Any) -> Any:
        text = text_of(value)
        return place.fit(cipher.encrypt(text, f"{identity()}\n{place.key}\n{text}"))

    return work


def decrypt(cipher: Cipher, place: Place, *, strict: bool) -> Operation:
    """The way back. What cannot be decrypted stays as it is; strictly, it is an error."""

    def work(value: Any) -> Any:
        plain = cipher.decrypt(text_of(value))
        if plain is None:
            if strict:
                raise LineError("cannot be decrypted with this key")
            return value
        return place.fit(plain)

    return work
