"""A double of Vfps's REST interface."""

import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from doubles.pseudonyms.service import Asked, PseudonymDouble, Refused, Row, answer_of, body_of
from doubles.wire import Answer, Request

_JSON = "application/json"
_NOW = "2026-11-24T12:00:00Z"


class VfpsDouble(PseudonymDouble):
    """See PseudonymDouble. listing: status of the list of namespaces; whole: False leaves namespaces for a next page."""

    def __init__(
        self, domains: Sequence[str], *, listing: int = 200, whole: bool = True, **common: Any
    ) -> None:
        super().__init__(domains, **common)
        self._listing = listing
        self._whole = whole
        self._lock = threading.Lock()

    @property
    def base_url(self) -> str:
        """The address to configure."""
        return self.url

    def absent(self, status: int, domain: str) -> Answer:
        """See PseudonymDouble: an error of gRPC as JSON."""
        return _error(status, 5, f"the requested namespace '{domain}' does not exist")

    def unknown(self, asked: Asked) -> Answer | None:
        """See PseudonymDouble."""
        return _error(404, 5, f"the requested pseudonym '{asked.values[0]}' does not exist")

    def asked(self, request: Request) -> Asked | Answer:
        """See PseudonymDouble."""
        segments = [unquote(one) for one in request.path.split("/")[1:]]
        if segments == ["v1", "namespaces"] and request.method == "GET":
            return self._list()
        if segments[:2] != ["v1", "namespaces"] or segments[3:4] != ["pseudonyms"] or len(segments) > 5:
            raise Refused()
        namespace = segments[2]
        if request.method == "GET" and segments[4:] in ([], [""]):
            return self._pseudonyms(namespace)

        def answer(rows: Sequence[Row]) -> Answer:
            row = rows[0] if rows else Row(None, None, namespace)
            original, pseudonym = (row.found, row.known) if len(segments) == 5 else (row.known, row.found)
            facts = {"meta": {"createdAt": _NOW, "lastUpdatedAt": _NOW}, "namespace": row.domain}
            facts |= {"originalValue": original, "pseudonymValue": pseudonym}
            found = {key: one for key, one in facts.items() if one is not None}
            return answer_of({"pseudonym": found}, kind=_JSON)

        if len(segments) == 5:
            if request.method != "GET":
                raise Refused(Answer(405))
            return Asked(namespace, [segments[4]], True, answer)
        original = body_of(request, _JSON).get("originalValue")
        if not isinstance(original, str) or not original.strip():
            raise Refused(_error(400, 3, "originalValue is blank"))
        return Asked(namespace, [original], False, answer)

    def _pseudonyms(self, namespace: str) -> Answer:
        """What a namespace holds, without originals."""
        found = [one for domain, one in self.created if domain == namespace]
        return answer_of(
            {"pseudonyms": [{"namespace": namespace, "pseudonymValue": one} for one in found]}, kind=_JSON
        )

    def _list(self) -> Answer:
        if self._listing != 200:
            return _error(self._listing, 7, "no permission")
        found = [
            {"name": name, "pseudonymGenerationMethod": "PSEUDONYM_GENERATION_METHOD_SECURE_RANDOM"}
            for name in sorted(self.domains)
        ]
        if self._whole:
            return answer_of({"namespaces": found}, kind=_JSON)
        return answer_of({"namespaces": found[:1], "nextPageToken": "2"}, kind=_JSON)


def _error(status: int, code: int, message: str) -> Answer:
    return answer_of({"code": code, "message": message, "details": []}, status, _JSON)
