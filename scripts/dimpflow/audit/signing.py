"""A signature of the site: CMS SignedData, detached (RFC 5652, section 5), which any tool that knows the standard checks:

    openssl cms -verify -binary -inform DER -in audit.json.p7s -content audit.json -nointern -noverify -certfile site.pem -out /dev/null

Signed by SHA-256 with an RSA or elliptic curve key. It says that nobody without the key has changed the content since; who holds the
key is said by the certificate, which the reader must have from the site itself.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dimpflow.errors import ConfigError, InputError
from dimpflow.pem import private_key
from dimpflow.variables import expand

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

SIGNATURE = ".p7s"
"""What the name of a detached signature ends with (RFC 8551, section 3.2.1)."""

_OPENSSL_SECONDS = 60


@dataclass(frozen=True)
class Signer:
    """Certificate and private key of the site (PEM). passphrase: of the key, None if it has none."""

    certificate: bytes
    key: bytes = field(repr=False)
    passphrase: bytes | None = field(repr=False)


def read_signer(
    certificate: Path, key: Path, passphrase: str, environ: Mapping[str, str], section: str
) -> Signer:
    """The signer that a section of the configuration names (`certificate`, `key`, `passphrase`, which may be "" or ${VARIABLE}).

    ConfigError: a file that cannot be read or used, or the two do not belong together; that shows before any job runs.
    """
    phrase = expand(passphrase, environ, f"{section}.passphrase")
    signer = Signer(
        _read(certificate, f"{section}.certificate"),
        _read(key, f"{section}.key"),
        phrase.encode() if phrase else None,
    )
    try:
        sign(b"", signer)
    except ConfigError as error:
        raise ConfigError(f"{section}: {error}") from None
    return signer


def sign(data: bytes, signer: Signer) -> bytes:
    """The detached signature (DER). ConfigError: certificate or key cannot be used, or they do not belong together."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

    certificate, key = _certificate(signer.certificate), _private_key(signer.key, signer.passphrase)
    if certificate.public_key() != key.public_key():
        raise ConfigError("the private key is not that of the certificate; give the two that belong together")
    builder = pkcs7.PKCS7SignatureBuilder().set_data(data).add_signer(certificate, key, SHA256())
    return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary])


def fingerprint_of(certificate: bytes) -> str:
    """SHA-256 of a certificate (PEM), as `openssl x509 -fingerprint -sha256` gives it, in lower case without colons. ConfigError: it
    is none."""
    from cryptography.hazmat.primitives.hashes import SHA256

    return _certificate(certificate).fingerprint(SHA256()).hex()


def signature_fault(content: Path, signature: Path, certificate: Path | None) -> str:
    """What is wrong with a signature, "" if it fits. certificate: PEM, the signer's; without it the one in the signature is believed,
    so that only changes show, not who has signed.

    InputError: the program openssl is not there, or does not come to an end.
    """
    trusted = ["-nointern", "-certfile", str(certificate)] if certificate else []
    command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", str(signature)]
    command += ["-content", str(content), "-noverify", *trusted, "-out", os.devnull]
    try:
        done = subprocess.run(  # noqa: S603  a list, no shell
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_OPENSSL_SECONDS
        )
    except FileNotFoundError:
        raise InputError(
            "the signature cannot be checked: the program openssl is not installed here"
        ) from None
    except (OSError, subprocess.SubprocessError):
        raise InputError("the signature cannot be checked: the program openssl does not work here") from None
    if done.returncode == 0:
        return ""
    whose = "it is not by this certificate, or " if certificate else ""
    return f"the signature does not fit: {whose}{content.name} or {signature.name} was changed"


def _read(path: Path, key: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{key}: {path} cannot be read: {os.strerror(error.errno or 0)}") from None


def _certificate(pem: bytes) -> "Certificate":
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(pem)
    except Exception:  # UnsupportedAlgorithm and others beside ValueError
        raise ConfigError("the certificate is no X.509 certificate in PEM") from None


def _private_key(pem: bytes, passphrase: bytes | None) -> "RSAPrivateKey | EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    found = private_key(pem, passphrase)
    if not isinstance(found, RSAPrivateKey | EllipticCurvePrivateKey):
        raise ConfigError(
            "the private key is neither an RSA nor an elliptic curve key; others cannot sign here"
        )
    return found
