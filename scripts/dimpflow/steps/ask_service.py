"""How the mapping asks a pseudonym service."""

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from typing import cast

import requests

from dimpflow.clients.access import open_session
from dimpflow.clients.pseudonyms import Kind, open_backend
from dimpflow.clients.pseudonyms.base import Backend, BackendOptions
from dimpflow.pseudonym_settings import PseudonymServer
from dimpflow.steps.mapping import Asked


def asking(server: PseudonymServer, environ: Mapping[str, str], stack: ExitStack) -> Asked:
    """Asks the service, over one session that `stack` closes."""
    session = stack.enter_context(open_session(server.access, environ, connections=server.connections))

    backend = _backend(session, server)
    return backend.create


def reversing(server: PseudonymServer, environ: Mapping[str, str], stack: ExitStack) -> Backend:
    """Asks the service for originals, over one session that `stack` closes."""
    session = stack.enter_context(open_session(server.access, environ, connections=server.connections))
    return _backend(session, server)


def check_domains(server: PseudonymServer, environ: Mapping[str, str], domains: Collection[str]) -> None:
    """ServiceError that names the domains that the service does not know, or says why it cannot be asked."""
    with open_session(server.access, environ, connections=server.connections) as session:
        _backend(session, server).check(domains)


def _backend(session: requests.Session, server: PseudonymServer) -> Backend:
    options = BackendOptions(
        server.version, server.resource_type, server.project, server.batch, server.connections
    )
    return open_backend(cast(Kind, server.kind), session, server.access, server.retry, options)
