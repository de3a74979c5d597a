"""entici (deidentify-spec.md, section 5): one value a request, and no way back."""

from collections.abc import Collection, Sequence

from dimpflow.clients.pseudonyms.asking import UNKNOWN, Asker, must_be_parameters
from dimpflow.clients.pseudonyms.base import (
    BackendOptions,
    Counts,
    checked,
    each,
    no_domain,
    shown,
    wanted,
)
from dimpflow.clients.pseudonyms.parameters import identifier, members, named, parameters, string
from dimpflow.errors import ConfigError, ServiceError
from dimpflow.fhir.table import RESOURCE_TYPES

_OPERATION = "/$pseudonymize"


class Entici:
    """See Backend. Which domains it has cannot be asked without making a pseudonym: a missing one shows by the first value.

    ConfigError: no resource type, or none of FHIR R4.
    """

    def __init__(self, asker: Asker, options: BackendOptions) -> None:
        if options.resource_type not in RESOURCE_TYPES:
            raise ConfigError(
                f"{asker.section}.resource_type: entici needs the type of resource that the values identify, such as Patient"
            )
        self._asker = asker
        self._about = [{"name": "resourceType", "valueCode": options.resource_type}]
        if options.project:
            self._about.append(string("project", options.project))
        self._connections = options.connections

    @property
    def counts(self) -> Counts:
        """See Backend."""
        return self._asker.counts

    def create(self, domain: str, originals: Sequence[str]) -> dict[str, str]:
        """See Backend."""
        distinct = wanted(self._asker.key, domain, originals)

        def ask(original: str) -> str | None:
            body = parameters(identifier("identifier", original, domain), *self._about)
            reply = self._asker.ask("POST", _OPERATION, body, about=f"the domain {shown(domain)}")
            found = named(members(must_be_parameters(self._asker, reply).body), "pseudonym", "identifier")
            if len(found) > 1:
                raise self._asker.wrong(
                    f"gives more than one answer in the domain {shown(domain)} for a value"
                )
            return found[0] if found else None

        found = each(distinct, ask, self._connections)
        return checked(self._asker.key, self._asker.name, domain, distinct, found)

    def reverse(self, domain: str, pseudonyms: Sequence[str]) -> dict[str, str]:
        """ServiceError: entici has no reverse lookup."""
        raise ServiceError(
            f"{self._asker.key}: entici gives no originals back; use the mapping that the job has kept"
        )

    def check(self, domains: Collection[str]) -> None:
        """See Backend. Only whether the operation is there and lets us in, by a request without a value, which it has to refuse."""
        if any(not domain.strip() for domain in domains):
            raise no_domain(self._asker.key)
        refused = UNKNOWN - {404} | {500}
        self._asker.ask("POST", _OPERATION, parameters(), about="its operation", answers=refused)
