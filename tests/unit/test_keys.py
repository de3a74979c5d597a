"""Hashes, derived keys and fingerprints."""

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from dimpflow.keys import KeyedHash, derive, fingerprint


@given(st.binary(max_size=200), st.binary(max_size=300))
def test_keyed_hash_is_hmac(key: bytes, message: bytes) -> None:
    keyed = KeyedHash(key)
    assert keyed.digest(message) == hmac.digest(key, message, "sha256")
    assert keyed.hexdigest(message) == hmac.new(key, message, hashlib.sha256).hexdigest()


def test_derived_keys_differ_by_purpose_and_master() -> None:
    keys = {derive(b"m", "a"), derive(b"m", "b"), derive(b"n", "a")}
    assert len(keys) == 3 and all(len(key) == 32 for key in keys)
    assert derive(b"m", "a") == derive(b"m", "a")


def test_fingerprint_tells_keys_apart_and_holds_nothing_of_them() -> None:
    assert fingerprint("") == ""
    assert fingerprint("key") == fingerprint("key") != fingerprint("kez")
    assert len(fingerprint("key")) == 10
    assert fingerprint("key") not in hashlib.sha256(b"key").hexdigest()
