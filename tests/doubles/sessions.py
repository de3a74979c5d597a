"""Sessions as the clients open them, with secrets that must not show."""

from typing import Any

import pytest
import requests

from dimpflow.clients.access import Access, explain, open_session

SECRET = "geheim-42"
ENV = {"PASSWORD": f"{SECRET}-ü", "TOKEN": SECRET, "KEY": f"{SECRET}-key"}


def access(url: str, **values: Any) -> Access:
    return Access(url=url, section="services.dimp", **values)


def opened(url: str, connections: int = 2, environ: dict[str, str] | None = None, **values: Any) -> Any:
    return open_session(
        access(url, **values), ENV if environ is None else {**ENV, **environ}, connections=connections
    )


def cause(session: requests.Session, url: str, **kwargs: Any) -> str:
    """What is said of a request that must fail."""
    with session, pytest.raises(requests.RequestException) as caught:
        session.post(url, data=SECRET, **kwargs)
    said = explain(caught.value)
    assert SECRET not in said and "127.0.0.1" not in said and "geheim" not in said and "\n" not in said
    return said
