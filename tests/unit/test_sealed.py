"""Mappings encrypted for the owners of certificates: CMS EnvelopedData, opened by us and by the standard tool."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certificates import ec_key, owner, rsa_key
from dimpflow.errors import ConfigError, DimpflowError, InputError
from dimpflow.pseudonyms.sealed import check_certificates, open_sealed, seal

ANN, BEN = owner("ann"), owner("ben")
DATA = '{"domain":"patient","original":"Müller-4711","pseudonym":"PT_00001"}\n'.encode() * 3


@pytest.mark.parametrize("data", [DATA, b"", b"\n", b"a\r\nb\rc\n", bytes(range(256)) * 5000])
def test_what_is_sealed_can_be_opened_byte_for_byte(data: bytes) -> None:
    sealed = seal(data, [ANN.certificate])
    assert open_sealed(sealed, ANN.certificate, ANN.key) == data
    assert len(data) < 16 or data not in sealed


def test_each_recipient_can_open_it_and_nobody_else() -> None:
    sealed = seal(DATA, [ANN.certificate, BEN.certificate])
    for one in (ANN, BEN):
        assert open_sealed(sealed, one.certificate, one.key) == DATA
    eve = owner("eve")
    with pytest.raises(InputError, match="cannot be opened with this key"):
        open_sealed(sealed, eve.certificate, eve.key)


def test_two_seals_of_the_same_data_differ() -> None:
    assert seal(DATA, [ANN.certificate]) != seal(DATA, [ANN.certificate])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
@pytest.mark.parametrize("one", [ANN, BEN], ids=["first", "second"])
def test_the_standard_tool_opens_it(tmp_path: Path, one: tuple[bytes, bytes]) -> None:
    paths = [tmp_path / name for name in ("mapping.ndjson.cms", "recipient.pem", "key.pem")]
    for path, content in zip(paths, [seal(DATA, [ANN.certificate, BEN.certificate]), *one], strict=True):
        path.write_bytes(content)
    cms, certificate, key = map(str, paths)
    command = [
        "openssl",
        "cms",
        "-decrypt",
        "-inform",
        "DER",
        "-in",
        cms,
        "-inkey",
        key,
        "-recip",
        certificate,
    ]
    assert subprocess.run(command, check=True, capture_output=True).stdout == DATA
    shown = ["openssl", "cms", "-cmsout", "-print", "-noout", "-inform", "DER", "-in", cms]
    text = subprocess.run(shown, check=True, capture_output=True).stdout
    assert b"envelopedData" in text and b"aes-256-cbc" in text


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_what_the_standard_tool_seals_is_opened(tmp_path: Path) -> None:
    (tmp_path / "recipient.pem").write_bytes(ANN.certificate)
    command = ["openssl", "cms", "-encrypt", "-binary", "-aes256", "-outform", "DER", "recipient.pem"]
    done = subprocess.run(command, cwd=tmp_path, input=DATA, check=True, capture_output=True)
    assert open_sealed(done.stdout, ANN.certificate, ANN.key) == DATA


def test_a_key_with_a_passphrase() -> None:
    locked = owner("ann", passphrase=b"open sesame")
    sealed = seal(DATA, [locked.certificate])
    assert open_sealed(sealed, locked.certificate, locked.key, b"open sesame") == DATA
    for passphrase, reason in [(None, "needs a passphrase"), (b"wrong", "passphrase is wrong")]:
        with pytest.raises(ConfigError, match=reason):
            open_sealed(sealed, locked.certificate, locked.key, passphrase)
    with pytest.raises(ConfigError, match="has no passphrase"):
        open_sealed(seal(DATA, [ANN.certificate]), ANN.certificate, ANN.key, b"x")


@pytest.mark.parametrize(
    ("certificates", "reason"),
    [
        ([], "no certificate"),
        ([b"no PEM"], "certificate 1 is no X.509"),
        ([ANN.key], "certificate 1 is no X.509"),
        ([ANN.certificate, owner("ec", key=ec_key()).certificate], "certificate 2 has no RSA key"),
        ([owner("small", key=rsa_key("small", 1024)).certificate], "1024 bits"),
    ],
)
def test_certificates_that_cannot_be_used(certificates: list[bytes], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        check_certificates(certificates)


@pytest.mark.parametrize(
    ("days", "reason"), [((-30, -1), "has expired on"), ((1, 30), "is not valid before"), ((-1, 30), "")]
)
def test_a_certificate_out_of_its_time_gives_a_warning(days: tuple[int, int], reason: str) -> None:
    warnings: list[str] = []
    old = owner("ann", days=days)
    assert open_sealed(seal(DATA, [old.certificate], warnings.append), old.certificate, old.key) == DATA
    assert len(warnings) == bool(reason) and all(reason in warning for warning in warnings)


@pytest.mark.parametrize(
    ("certificate", "key", "reason"),
    [
        (ANN.certificate, BEN.key, "not that of the certificate"),
        (b"x", ANN.key, "no X.509"),
        (ANN.certificate, b"x", "cannot be read"),
        (ANN.certificate, ANN.certificate, "cannot be read"),
        (ANN.certificate, owner("ec", key=ec_key()).key, "no RSA key"),
    ],
)
def test_keys_that_cannot_be_used(certificate: bytes, key: bytes, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        open_sealed(seal(DATA, [ANN.certificate]), certificate, key)


SEALED = seal(DATA, [ANN.certificate])


@settings(deadline=None, max_examples=60)
@given(st.one_of(st.binary(max_size=200), st.integers(0, len(SEALED) - 1)))
def test_what_is_no_sealed_file_is_refused_in_our_words(damage: bytes | int) -> None:
    """A changed byte of the content may go unseen by the format itself; never does anything else come out than an error of ours."""
    data = damage if isinstance(damage, bytes) else SEALED[:damage]
    with pytest.raises(DimpflowError, match="cannot be opened with this key"):
        open_sealed(data, ANN.certificate, ANN.key)
