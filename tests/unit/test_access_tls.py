"""dimpflow.clients.access: certificates, against real TLS servers."""

import datetime
import ipaddress
import socket
import warnings
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from dimpflow.errors import ConfigError
from doubles.sessions import SECRET, cause, opened
from doubles.web import LOOPBACK, Authority, Recorder, answering, reset, secure, serving

KEY = {"api_key": "${KEY}"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_an_authority_of_ones_own(authority: Authority) -> None:
    with secure(authority.context(LOOPBACK)) as (server, url):
        with opened(url, ca_cert_path=str(authority.pem), **KEY) as session:
            assert session.get(f"{url}/fhir").status_code == 200
            with pytest.raises(
                requests.RequestException
            ):  # the certificate is for the number, not for the name
                session.get(url.replace("127.0.0.1", "localhost"))
            adapter: Any = session.get_adapter(url)
            context = adapter.poolmanager.connection_pool_kw["ssl_context"]
        assert server.headers["x-api-key"] == f"{SECRET}-key"
        assert len(context.get_ca_certs()) > 50  # added to the usual ones, not in their place
        assert cause(opened(url), url) == "the certificate is not trusted (tls.ca_cert_path)"


def test_an_authority_of_ones_own_behind_a_proxy(authority: Authority) -> None:
    with secure(authority.context(LOOPBACK)) as (server, url), serving(Recorder()) as proxy:
        proxy.tunnel = True
        values: dict[str, Any] = {"environ": {"HTTPS_PROXY": proxy.url}, "use_proxies": True, **KEY}
        with opened(url, ca_cert_path=str(authority.pem), **values) as session:
            assert session.get(url).status_code == 200
        assert server.headers["x-api-key"] == f"{SECRET}-key"
        assert proxy.seen and SECRET not in str(proxy.seen)
        assert cause(opened(url, **values), url) == "the certificate is not trusted (tls.ca_cert_path)"
        assert len(server.seen) == 1


def test_verification_off(authority: Authority) -> None:
    context = authority.context(x509.DNSName("other.example"), (-3, -2))
    with secure(context) as (server, url), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with opened(url, insecure_skip_verify=True, **KEY) as session:
            assert session.get(url).status_code == 200
        assert server.headers["x-api-key"] == f"{SECRET}-key"
    assert not said
    with secure(context) as (_, url):  # nothing of it stays for other sessions
        assert cause(opened(url), url).startswith("the certificate")


@pytest.mark.parametrize(
    ("host", "days", "expected"),
    [
        (x509.DNSName("other.example"), (-1, 2), "the certificate is for another host name"),
        (
            x509.IPAddress(ipaddress.ip_address("127.0.0.2")),
            (-1, 2),
            "the certificate is for another host name",
        ),
        (LOOPBACK, (-3, -2), "the certificate has expired"),
        (LOOPBACK, (2, 3), "the certificate is not valid yet"),
    ],
)
def test_certificates_that_are_wrong(
    authority: Authority, host: x509.GeneralName, days: tuple[int, int], expected: str
) -> None:
    with secure(authority.context(host, days)) as (server, url):
        assert cause(opened(url, ca_cert_path=str(authority.pem), **KEY), url) == expected
        assert not server.seen


def test_an_authority_file_that_cannot_be_used(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    revoked = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.name)
        .last_update(datetime.datetime(2026, 1, 1))
        .next_update(datetime.datetime(2026, 1, 2))
        .sign(ca.key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    der = x509.load_pem_x509_certificate(ca.pem.read_bytes()).public_bytes(serialization.Encoding.DER)
    for content in (b"", b"geheim", der, revoked, ca.pem.read_bytes()[:-60]):
        path = tmp_path / "bad.pem"
        path.write_bytes(content)
        with pytest.raises(ConfigError) as caught:
            opened("https://h", ca_cert_path=str(path))
        assert str(caught.value) == f"tls.ca_cert_path: {path}: holds no certificate in PEM form"
    with pytest.raises(ConfigError, match=r"^tls.ca_cert_path: .*no-such: No such file or directory$"):
        opened("https://h", ca_cert_path=str(tmp_path / "no-such"))
    with pytest.raises(ConfigError, match=r"^tls.ca_cert_path: "):
        opened("https://h", ca_cert_path=str(tmp_path))


def test_tls_and_plain_http_mixed_up(authority: Authority) -> None:
    def plain_http(connection: socket.socket) -> None:
        connection.recv(1)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with answering(plain_http, read=False) as url:
        url = url.replace("http:", "https:")
        assert (
            cause(opened(url), url) == "the server does not speak TLS on this port (is it http, not https?)"
        )

    def crash(connection: socket.socket) -> None:
        connection.recv(1)
        reset(connection)

    with answering(crash, read=False) as url:
        url = url.replace("http:", "https:")
        assert cause(opened(url), url) == "the connection broke off"
    with secure(authority.context(LOOPBACK)) as (_, url):
        url = url.replace("https:", "http:")
        assert cause(opened(url), url) in ("the connection broke off", "the answer is not valid HTTP")
