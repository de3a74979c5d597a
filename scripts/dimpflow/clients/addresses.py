"""Addresses of servers: the origin that credentials belong to, and whether it is this machine."""

import ipaddress
from urllib.parse import SplitResult, urljoin, urlsplit

import idna

_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """Scheme, host and port as RFC 6454 (section 6.2) writes them: lower case, punycode, no default port.

    Raises:
        ValueError: not an http or https address with a host. The text holds nothing of it.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, _host(parts), parts.port
    except ValueError:  # its text quotes the address; so does that of IDNAError
        raise ValueError("not an address") from None
    if scheme not in _PORTS or not host:
        raise ValueError("not an http or https address")
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}" if port in (None, _PORTS[scheme]) else f"{scheme}://{name}:{port}"


def within_origin(url: str, location: str) -> str:
    """Where a redirect from `url` leads; "" if that is another origin, where nothing of ours belongs, or no address."""
    try:
        found = urljoin(url, location)
        return found if location and origin_of(found) == origin_of(url) else ""
    except ValueError:
        return ""


def is_loopback(url: str) -> bool:
    """Whether what is sent there stays on this machine. Names other than localhost are not looked up."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761, section 6.3
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def fault_of(url: str) -> str:
    """What is wrong with a configured address, in a few words; "" if it can be used."""
    try:
        origin_of(url)
    except ValueError:
        return "must be an http or https address with a host, such as https://server.example:8443"
    parts = urlsplit(url)
    if "@" in parts.netloc:
        return "must not hold a user name or password"
    if parts.query or parts.fragment:
        return "must end before the '?' or '#'"
    return ""


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return host if host.isascii() else idna.encode(host, uts46=True).decode()
