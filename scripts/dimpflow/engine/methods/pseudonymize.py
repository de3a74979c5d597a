"""pseudonymize: a pseudonym in place of a value, or of the id in a reference (specification, section 3.11)."""

from collections.abc import Callable
from typing import Any

from dimpflow.engine.methods.place import Place
from dimpflow.engine.references import is_resource_reference, transform
from dimpflow.errors import LineError
from dimpflow.pseudonyms import Pseudonyms
from dimpflow.ruleset.rules import Pseudonymize


def pseudonymize(method: Pseudonymize, place: Place, pseudonyms: Pseudonyms) -> Callable[[Any], Any]:
    """The domain is the rule's; in a reference without one it is what stands before the id (`Patient`)."""

    def of_value(text: Any) -> Any:
        if text == "":
            return text
        if not isinstance(text, str):
            raise LineError(f"a pseudonym does not fit into a {place.type}")
        return place.fit(method.prefix + pseudonyms(method.domain_prefix + method.domain, text))

    def in_domain(before: str) -> Callable[[str], str]:
        domain = method.domain or ("" if before == "#" else before.rstrip("/"))
        if not domain:
            raise LineError("a reference of this form needs a domain in the rule")
        return lambda id_: method.prefix + pseudonyms(method.domain_prefix + domain, id_)

    def of_reference(text: str) -> str:
        return transform(text, str, before=in_domain)

    if place.is_reference:
        return of_reference
    if place.type == "uri":
        return lambda text: of_reference(text) if is_resource_reference(text) else of_value(text)
    return of_value
