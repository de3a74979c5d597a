"""Signatures of a site, checked by the standard tool; certificates and keys that cannot sign."""

import shutil
import subprocess
from pathlib import Path

import pytest

from certificates import ec_key, owner
from dimpflow.audit.signing import Signer, fingerprint_of, read_signer, sign, signature_fault
from dimpflow.errors import ConfigError

SITE, OTHER = owner("site"), owner("other")
SIGNER = Signer(SITE.certificate, SITE.key, None)

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@needs_openssl
@pytest.mark.parametrize("kind", ["RSA", "EC"])
def test_keys_of_both_kinds_sign(tmp_path: Path, kind: str) -> None:
    site = owner("ec site", key=ec_key()) if kind == "EC" else SITE
    content, signature, certificate = (
        tmp_path / name for name in ("audit.json", "audit.json.p7s", "site.pem")
    )
    content.write_bytes(b'{"line":"one\r\ntwo\n"}\n')
    certificate.write_bytes(site.certificate)
    signature.write_bytes(sign(content.read_bytes(), Signer(site.certificate, site.key, None)))
    assert signature_fault(content, signature, certificate) == ""
    content.write_bytes(content.read_bytes().replace(b"\r\n", b"\n"))
    assert "does not fit" in signature_fault(content, signature, certificate)


def test_what_cannot_sign_is_said_before_any_job_runs(tmp_path: Path) -> None:
    certificate, key, locked, other = (
        tmp_path / name for name in ("site.pem", "key.pem", "locked.pem", "other.pem")
    )
    certificate.write_bytes(SITE.certificate)
    key.write_bytes(SITE.key)
    locked.write_bytes(owner("site", passphrase=b"open sesame").key)
    other.write_bytes(OTHER.key)
    assert read_signer(certificate, key, "", {}, "audit.signing") == SIGNER
    opened = read_signer(certificate, locked, "${PHRASE}", {"PHRASE": "open sesame"}, "audit.signing")
    assert opened.passphrase == b"open sesame" and "sesame" not in repr(opened)
    for path, phrase, environ, message in (
        (other, "", {}, "audit.signing: the private key is not that of the certificate"),
        (locked, "", {}, "audit.signing: the private key needs a passphrase"),
        (key, "${PHRASE}", {"PHRASE": "x"}, "audit.signing: the private key has no passphrase"),
        (
            locked,
            "${PHRASE}",
            {"PHRASE": "wrong"},
            "audit.signing: the private key cannot be read: the passphrase is wrong",
        ),
        (locked, "${PHRASE}", {}, "audit.signing.passphrase: the environment variable PHRASE is not set"),
        (certificate, "", {}, "audit.signing: the private key cannot be read"),
        (tmp_path / "none", "", {}, "audit.signing.key: "),
    ):
        with pytest.raises(ConfigError) as error:
            read_signer(certificate, path, phrase, environ, "audit.signing")
        assert str(error.value).startswith(message) and "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="no X.509 certificate"):
        read_signer(key, key, "", {}, "audit.signing")


@needs_openssl
def test_the_fingerprint_is_that_of_openssl(tmp_path: Path) -> None:
    certificate = tmp_path / "site.pem"
    certificate.write_bytes(SITE.certificate)
    command = ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", str(certificate)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert shown.strip().partition("=")[2].replace(":", "").lower() == fingerprint_of(SITE.certificate)
