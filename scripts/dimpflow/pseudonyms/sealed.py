"""A mapping at rest: encrypted for the certificates of those who may open it, as CMS EnvelopedData (RFC 5652).

Any tool that knows the standard opens it, for example

    openssl cms -decrypt -inform DER -in mapping.ndjson.cms -inkey key.pem -recip certificate.pem

The content is encrypted by AES-256-CBC with a key of its own each time, that key by RSA for each recipient. The envelope hides the
content; that nobody has changed it has to be known from its SHA-256, which the job's facts and the log of re-identifications hold.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dimpflow.errors import ConfigError, InputError
from dimpflow.pem import private_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

SEALED = ".cms"
"""What the name of a sealed file ends with."""

_SMALLEST_KEY = 2048  # bits; NIST SP 800-131A allows no smaller ones


def seal(
    data: bytes, certificates: Sequence[bytes], warn: Callable[[str], None] = lambda message: None
) -> bytes:
    """`data` as DER that each of the owners of `certificates` (PEM, one X.509 certificate each, RSA) can open.

    warn: is told of a certificate that is out of its time, which still works. ConfigError: no certificate, or one that
    cannot be used.
    """
    from cryptography.hazmat.primitives.ciphers.algorithms import AES256
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

    if not certificates:
        raise ConfigError("mappings.recipient: no certificate to encrypt the mapping for")
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(data).set_content_encryption_algorithm(AES256)
    for number, pem in enumerate(certificates, 1):
        builder = builder.add_recipient(_recipient(pem, f"mappings.recipient: certificate {number}", warn))
    return builder.encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])


def check_certificates(
    certificates: Sequence[bytes], warn: Callable[[str], None] = lambda message: None
) -> None:
    """ConfigError as `seal` would raise it; for the start of a run."""
    seal(b"", certificates, warn)


def open_sealed(data: bytes, certificate: bytes, key: bytes, passphrase: bytes | None = None) -> bytes:
    """What was sealed for the owner of `certificate` (PEM), with the private key (PEM).

    ConfigError: the certificate or the key cannot be used, or they do not belong together; InputError: `data` is no sealed file, or
    cannot be opened with this key.
    """
    from cryptography.hazmat.primitives.serialization import pkcs7

    owner = _certificate(certificate, "the certificate")
    private = _private_key(key, passphrase)
    if owner.public_key() != private.public_key():
        raise ConfigError("the private key is not that of the certificate; give the two that belong together")
    try:
        # RSA as PKCS #1 v1.5 has it gives some key for any text, so a damaged file may show here or as bad padding
        return pkcs7.pkcs7_decrypt_der(data, owner, private, [])
    except (
        Exception
    ):  # the library's texts and types differ with what is wrong; ours says all that a person can act on
        raise InputError(
            "it cannot be opened with this key: it is sealed for somebody else, damaged, or no CMS EnvelopedData (DER)"
        ) from None


def belong_together(certificate: bytes, key: bytes, passphrase: bytes | None = None) -> bool:
    """Whether a private key is that of a certificate (both PEM). ConfigError: one of them cannot be used."""
    owner = _certificate(certificate, "the certificate")
    return owner.public_key() == _private_key(key, passphrase).public_key()


def _certificate(pem: bytes, name: str) -> "Certificate":
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import load_pem_x509_certificate

    try:
        found = load_pem_x509_certificate(pem)
        public = found.public_key()
    except Exception:  # UnsupportedAlgorithm and others beside ValueError
        raise ConfigError(f"{name} is no X.509 certificate in PEM") from None
    if not isinstance(public, RSAPublicKey):
        raise ConfigError(f"{name} has no RSA key; other keys (EC, Ed25519) cannot be encrypted for")
    return found


def _recipient(pem: bytes, name: str, warn: Callable[[str], None]) -> "Certificate":
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    found = _certificate(pem, name)
    public = found.public_key()
    assert isinstance(public, RSAPublicKey)
    if public.key_size < _SMALLEST_KEY:
        raise ConfigError(
            f"{name} has an RSA key of {public.key_size} bits; at least {_SMALLEST_KEY} are needed"
        )
    now = datetime.now(UTC)
    if now > found.not_valid_after_utc:
        warn(f"{name} has expired on {found.not_valid_after_utc:%Y-%m-%d}; its key opens the mapping still")
    elif now < found.not_valid_before_utc:
        warn(f"{name} is not valid before {found.not_valid_before_utc:%Y-%m-%d}")
    return found


def _private_key(pem: bytes, passphrase: bytes | None) -> "RSAPrivateKey":
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    found = private_key(pem, passphrase)
    if not isinstance(found, RSAPrivateKey):
        raise ConfigError("the private key is no RSA key")
    return found
