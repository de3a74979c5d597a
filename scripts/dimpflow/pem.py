"""Private keys of a site or a trust centre, as PEM files hold them."""

from typing import TYPE_CHECKING

from dimpflow.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


def private_key(pem: bytes, passphrase: bytes | None) -> "PrivateKeyTypes":
    """A key of any kind (RFC 7468, RFC 5958). ConfigError: none, or not with this passphrase (None: without)."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(pem, passphrase)
    except TypeError:  # the library's way to say that there is a passphrase too many or too few
        reason = "needs a passphrase" if passphrase is None else "has no passphrase, but one is given"
        raise ConfigError(f"the private key {reason}") from None
    except Exception:  # what OpenSSL says of a wrong passphrase differs with the kind of file
        wrong = (
            "it is no private key in PEM"
            if passphrase is None
            else "the passphrase is wrong, or it is no key in PEM"
        )
        raise ConfigError(f"the private key cannot be read: {wrong}") from None
