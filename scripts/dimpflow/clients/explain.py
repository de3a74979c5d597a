"""Why a request failed, in a few words for a person: nothing of the address, of what was sent or of the answer."""

import http.client
import os
import re
import socket
import ssl
from typing import Any

import requests
import urllib3.exceptions as u3

# OpenSSL's x509_vfy.h
_CERTIFICATE_FAULTS = {
    9: "the certificate is not valid yet",
    10: "the certificate has expired",
    62: "the certificate is for another host name",
    64: "the certificate is for another host name",
}


def explain(error: requests.RequestException) -> str:
    """The cause, by the types of the exceptions; their texts may quote what was sent or answered and are not used."""
    causes = _causes(error)
    proxy = _first(causes, u3.ProxyError)
    if isinstance(proxy, u3.ProxyError):
        inner = _causes(proxy.original_error)
        return f"the proxy cannot be used: {_tls(inner) or _unconnected(inner, error) or 'it refuses'}"
    return _tls(causes) or _unconnected(causes, error) or _broken(causes, error) or _misused(causes, error)


def untrusted(error: requests.RequestException) -> bool:
    """Whether the server's certificate is the cause, which no further attempt will change."""
    return _first(_causes(error), ssl.SSLCertVerificationError) is not None


def unsent(error: requests.RequestException) -> bool:
    """Whether the request failed before a byte of it was sent. False where that cannot be told."""
    kinds = (
        socket.gaierror,
        u3.NewConnectionError,
        u3.ConnectTimeoutError,
        requests.ConnectTimeout,
        u3.ProxyError,
    )
    return untrusted(error) or _first(_causes(error), *kinds) is not None


def _causes(error: BaseException) -> list[BaseException]:
    """An exception and those it carries, the outermost first. Not __context__: that may be an earlier attempt's."""
    found: list[BaseException] = []
    todo: list[Any] = [error]
    while todo:
        one = todo.pop(0)
        if isinstance(one, BaseException) and not any(one is other for other in found):
            found.append(one)
            todo += [*one.args, getattr(one, "reason", None), one.__cause__]
    return found


def _first(causes: list[BaseException], *kinds: type[BaseException]) -> BaseException | None:
    return next((cause for cause in causes if isinstance(cause, kinds)), None)


def _tls(causes: list[BaseException]) -> str:
    certificate = _first(causes, ssl.SSLCertVerificationError)
    if isinstance(certificate, ssl.SSLCertVerificationError):
        untrusted = "the certificate is not trusted (tls.ca_cert_path)"
        return _CERTIFICATE_FAULTS.get(certificate.verify_code, untrusted)
    if _first(causes, ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return "the connection broke off"
    fault = _first(causes, ssl.SSLError)
    if isinstance(fault, ssl.SSLError) and fault.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return "the server does not speak TLS on this port (is it http, not https?)"
    if fault or _first(causes, u3.SSLError, requests.exceptions.SSLError):
        return "no common ground for TLS with the server"
    return ""


def _unconnected(causes: list[BaseException], error: requests.RequestException) -> str:
    """Failures before anything was sent."""
    lookup = _first(causes, socket.gaierror)
    if isinstance(lookup, socket.gaierror):
        again = lookup.errno == socket.EAI_AGAIN
        return "the host's name cannot be looked up now" if again else "no such host"
    if _first(causes, u3.NewConnectionError):
        system = next((one for one in causes if isinstance(one, OSError) and one.errno), None)
        return f"cannot connect: {_of_system(system)}" if system else "cannot connect"
    if _first(causes, u3.ConnectTimeoutError, requests.ConnectTimeout):
        return f"cannot connect{_within(error, 0)}"
    return ""


def _broken(causes: list[BaseException], error: requests.RequestException) -> str:
    """Failures on the way of the request or of the answer."""
    if _first(causes, u3.ReadTimeoutError, requests.ReadTimeout, TimeoutError):
        return f"no answer{_within(error, 1) or ' in time'}"
    if _first(causes, u3.DecodeError, requests.exceptions.ContentDecodingError):
        return "the answer is not valid gzip"
    if _first(causes, u3.InvalidChunkLength, u3.InvalidHeader):
        return "the answer is not valid HTTP"
    if _first(
        causes, http.client.IncompleteRead, ConnectionError
    ):  # before HTTPException: RemoteDisconnected is both
        return "the connection broke off"
    if _first(causes, http.client.HTTPException, u3.ResponseNotChunked):
        return "the answer is not valid HTTP"
    if _first(causes, u3.ProtocolError, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    return ""


def _misused(causes: list[BaseException], error: requests.RequestException) -> str:
    if _first(causes, requests.exceptions.InvalidProxyURL, u3.ProxySchemeUnknown):
        return "the proxy's address cannot be used (HTTP_PROXY, HTTPS_PROXY)"
    if _first(
        causes,
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
        requests.exceptions.MissingSchema,
        u3.LocationValueError,
    ):
        return "the address cannot be used"
    system = next((one for one in causes if isinstance(one, OSError) and one.errno), None)
    return _of_system(system) if system else f"the request failed ({type(error).__name__})"


def _of_system(error: BaseException) -> str:
    number = error.errno if isinstance(error, OSError) else None
    text = os.strerror(number or 0)
    return text if re.match(r"[A-Z]{2}", text) else text[:1].lower() + text[1:]


def _within(error: requests.RequestException, which: int) -> str:
    """The connect (0) or read (1) time-out of the request, which a session of ours notes on its exceptions."""
    limits = getattr(error, "timeout", None)
    seconds = limits[which] if isinstance(limits, tuple) else limits
    return f" within {seconds:g} s" if isinstance(seconds, int | float) else ""
