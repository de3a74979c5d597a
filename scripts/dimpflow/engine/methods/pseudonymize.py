"""pseudonymize: a pseudonym in place of a value, or of the id in a reference (specification, section 3.11)."""

from collections.abc import Callable
from typing import Any

from dimpflow.engine.methods.place import Operation, Place, text_of
from dimpflow.engine.methods.references import References, default_domain
from dimpflow.errors import LineError
from dimpflow.pseudonyms import Pseudonyms
from dimpflow.ruleset.rules import Pseudonymize


def pseudonymize(
    method: Pseudonymize, place: Place, pseudonyms: Pseudonyms, references: References, *, conditional: bool
) -> Operation:
    """The domain is the rule's; in a reference without one it is what stands before the id (`Patient`).

    conditional: `ifNoneExist` is taken for the reference that it may be.
    """
    prefix = method.domain_prefix

    def of_value(text: str) -> str:
        return method.prefix + pseudonyms(prefix + method.domain, text)

    def before(text: str, search: bool) -> Callable[[str], str]:
        domain = method.domain or default_domain(text, conditional=search)
        if not domain and not search:
            raise LineError("a reference of this form needs a domain in the rule")
        return lambda id_: method.prefix + pseudonyms(prefix + domain, id_)

    def work(value: Any) -> Any:
        text = text_of(value)
        if place.is_reference:
            return place.fit(references.transform(text, str, before=lambda p: before(p, False)))
        is_search = conditional and place.name == "ifNoneExist"
        if place.type == "uri" or is_search:
            front, id_, suffix, resource = references.parts(text)
            if resource:
                return place.fit(front + before(front, is_search)(id_) + suffix if id_ else text)
        return place.fit(of_value(text))

    return work
