"""services.torch.provenance: pseudonymize. That it is safe is found out before any data are touched."""

from collections.abc import Callable, Mapping

import requests

from dimpflow.clients.dimp_service import DimpService, Wrapping
from dimpflow.engine.probe import embedded_leaks, leaks_of_provenance
from dimpflow.errors import LineError, ServiceError
from dimpflow.ruleset.rules import RuleSet
from dimpflow.service_rules import read_rules, with_keys
from dimpflow.services import DimpServer

_KEY = "services.torch.provenance"


def check_rule_set(rule_set: RuleSet) -> None:
    """ServiceError, with what to do, unless the embedded engine leaves none of TORCH's original ids under this rule set."""
    _check(lambda: embedded_leaks(rule_set))


def check_service_rules(session: requests.Session, server: DimpServer, environ: Mapping[str, str]) -> None:
    """The same of a DIMP service, which is asked with ids that nobody has."""
    rules = with_keys(read_rules(server.rules), server.rules, environ) if server.rules else None
    service = DimpService(
        session,
        server.access.url,
        server.retry,
        wrapping=Wrapping(rules, server.settings),
        compress=server.gzip,
    )
    _check(lambda: leaks_of_provenance(service.ask))


def _check(leaks: Callable[[], tuple[str, ...]]) -> None:
    remedy = f"correct the rules, or set {_KEY}: drop"
    try:
        found = leaks()
    except LineError as error:
        raise ServiceError(
            f"{_KEY}: the rule set refuses TORCH's Provenance resources ({error}); {remedy}"
        ) from None
    if found:
        raise ServiceError(f"{_KEY}: the rule set leaves original ids in {', '.join(found)}; {remedy}")
