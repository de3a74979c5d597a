"""Services that give pseudonyms: gPAS, Vfps, entici, and the interface of the MII (deidentify-spec.md, section 5)."""

import logging
import time
from collections.abc import Callable
from typing import Literal, TypeAlias

import requests

from dimpflow.clients.access import Access
from dimpflow.clients.pseudonyms.asking import Asker
from dimpflow.clients.pseudonyms.base import Backend, BackendOptions, Counts
from dimpflow.clients.pseudonyms.entici import Entici
from dimpflow.clients.pseudonyms.gpas import open_gpas
from dimpflow.clients.pseudonyms.mii import Mii
from dimpflow.clients.pseudonyms.vfps import Vfps
from dimpflow.clients.retry import Retry

__all__ = ["Backend", "BackendOptions", "Counts", "Kind", "open_backend"]

Kind: TypeAlias = Literal["gpas", "vfps", "entici", "mii"]


def open_backend(
    kind: Kind,
    session: requests.Session,
    access: Access,
    retry: Retry,
    options: BackendOptions,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Backend:
    """The client for a kind of service.

    session: of `open_session` for the same access; sleep: what waits between attempts. ConfigError: options that do not fit the kind.
    """
    # What urllib3 logs, warnings too, quotes addresses, which hold originals in some protocols.
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    names = {"gpas": "gPAS", "vfps": "Vfps", "entici": "entici", "mii": "the MII service"}
    asker = Asker(names[kind], session, access, retry, sleep)
    match kind:
        case "gpas":
            return open_gpas(asker, options)
        case "vfps":
            return Vfps(asker, options)
        case "entici":
            return Entici(asker, options)
        case "mii":
            return Mii(asker, options)
