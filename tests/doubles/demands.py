"""Who may ask a double."""

import base64
from collections.abc import Callable, Mapping
from hmac import compare_digest


class Demands:
    """Credentials that a service asks for.

    basic, bearer, tokens: in Authorization, any of those that are given (tokens: says whether a bearer token is good); api_key:
    header and value, beside them.
    """

    def __init__(
        self,
        basic: tuple[str, str] | None,
        bearer: str | None,
        api_key: tuple[str, str] | None,
        tokens: Callable[[str], bool] | None,
    ) -> None:
        self._basic = base64.b64encode(":".join(basic).encode()).decode() if basic else None
        self._bearer = bearer
        self._api_key = api_key
        self._tokens = tokens
        self._expired: set[str] = set()

    def granted(self, headers: Mapping[str, str]) -> bool:
        """Whether the credentials of a request are right."""
        if self._api_key:
            name, value = self._api_key
            if not compare_digest(headers.get(name.lower(), "").encode(), value.encode()):
                return False
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if given in self._expired:
            return False
        if self._basic is None and self._bearer is None and self._tokens is None:
            return True
        if scheme.lower() == "basic":
            return self._basic is not None and compare_digest(given.encode(), self._basic.encode())
        if scheme.lower() != "bearer":
            return False
        if self._bearer is not None and compare_digest(given.encode(), self._bearer.encode()):
            return True
        return self._tokens is not None and self._tokens(given)

    def expire(self, headers: Mapping[str, str]) -> None:
        """Refuse the token of this request from now on."""
        given = headers.get("authorization", "").partition(" ")[2]
        if given:
            self._expired.add(given)
