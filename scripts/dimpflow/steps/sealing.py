"""mappings.recipient and mappings.identity: the mapping encrypted for its recipients, and opened again by one of them."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dimpflow.errors import ConfigError
from dimpflow.pseudonym_settings import Keeping
from dimpflow.pseudonyms.sealed import belong_together, open_sealed, seal
from dimpflow.variables import expand

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sealing:
    """Certificates of the recipients; identity, passphrase: the private key of one of them, if a later run is to open the mapping."""

    certificates: tuple[bytes, ...]
    identity: bytes | None
    passphrase: bytes | None

    def seal(self, data: bytes) -> bytes:
        """For all recipients."""
        return seal(data, self.certificates, log.warning)

    def open(self, data: bytes) -> bytes | None:
        """With the private key; None without one. ConfigError: it is that of none of the recipients; InputError: it opens nothing."""
        if self.identity is None:
            return None
        return open_sealed(data, self.fitting(), self.identity, self.passphrase)

    def fitting(self) -> bytes:
        """The certificate that the private key belongs to. ConfigError: none does, or there is no key."""
        key, phrase = self.identity, self.passphrase
        try:
            found = next(
                (one for one in self.certificates if key and belong_together(one, key, phrase)), None
            )
        except ConfigError as error:
            raise ConfigError(f"mappings.identity: {error}") from None
        if found is None:
            raise ConfigError(
                "mappings.identity: not the private key of one of mappings.recipient; give the one that is"
            )
        return found


def sealing(keeping: Keeping, environ: Mapping[str, str]) -> Sealing | None:
    """How the mapping is encrypted; None where it is not. ConfigError: a file that cannot be read."""
    if not keeping.recipients:
        return None
    certificates = tuple(_read(path, "mappings.recipient") for path in keeping.recipients)
    identity = _read(keeping.identity, "mappings.identity") if keeping.identity else None
    phrase = expand(keeping.passphrase, environ, "mappings.identity_passphrase")
    return Sealing(certificates, identity, phrase.encode() if phrase else None)


def _read(path: Path, key: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{key}: {path} cannot be read: {os.strerror(error.errno or 0)}") from None
