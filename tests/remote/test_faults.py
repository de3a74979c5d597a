"""Every fault of a service ends as its kind says: the same result, each line once; or one clear line, and a rerun completes."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from shards import RULESETS, TODAY, Shards, bundle, parsed, patient

from dimpflow.clients.retry import Retry
from dimpflow.errors import DimpflowError, InputError, ServiceError
from doubles.dimp import DimpDouble, Foreign
from doubles.faults import Fault, random_faults, retry_date
from doubles.oidc import OidcIssuer

LINES = [*(patient(n) for n in range(12)), bundle(1, 4), bundle(2, 3), *(patient(n) for n in range(20, 26))]
MIXES = int(os.environ.get("DIMP_MIXES", "40"))
SEED = int(os.environ.get("DIMP_SEED", "1"))
RULES = RULESETS / "mii-like.yaml"
SECRETS = ("Name", "p20", "b1")
"""What stands in the lines."""


def shards(folder: Path) -> Shards:
    return Shards(folder, LINES, RULES, shards=2, limit=800)


TRANSIENT: dict[str, list[Fault]] = {
    "slow": [Fault("slow", at=(2, 5), value=0.2)],
    "429": [Fault("429", at=(1, 2))],
    "429 with seconds": [Fault("429", at=(3,), value="1")],
    "429 with a date": [Fault("429", at=(3,), value=retry_date(1))],
    "429 with nonsense": [Fault("429", at=(1, 4), value="later")],
    "408": [Fault("408", at=(1, 4))],
    "500 once": [Fault("500", at=(2,))],
    "500 twice for one line": [Fault("500", containing=b'"p3"', times=2)],
    "502 as a page": [Fault("502", at=(1, 2, 7))],
    "503": [Fault("503", at=(2, 3))],
    "503 with seconds": [Fault("503", at=(2,), value="0")],
    "504": [Fault("504", at=(6,))],
    "reset before the answer": [Fault("reset", at=(1, 3))],
    "reset in the middle": [Fault("reset-middle", at=(2, 4))],
    "truncated": [Fault("truncated", at=(1, 5))],
    "wrong length": [Fault("wrong-length", at=(2, 6))],
    "a page in place of JSON": [Fault("not-json", at=(3,))],
    "gzip that is none": [Fault("garbage-gzip", at=(3, 4))],
    "idle connections closed": [Fault("close-idle", at=(1, 2, 3))],
    "no answer": [Fault("hang", at=(2,))],
    "at every first attempt": [Fault("503", spare_after=1)],
}


@pytest.mark.parametrize("pack", [1, 5])
@pytest.mark.parametrize("name", TRANSIENT)
def test_what_passes(tmp_path: Path, name: str, pack: int) -> None:
    data = shards(tmp_path)
    with DimpDouble(RULES, reference_date=TODAY, faults=TRANSIENT[name]) as double:
        done = data.remote(double.url, pack=pack, connections=2, access={"read_timeout": 1.0})
        assert any(seen.fault for seen in double.posts), "the fault was never there"
    assert parsed(done) == parsed(data.embedded())


@pytest.mark.parametrize("seed", range(SEED * 1000, SEED * 1000 + MIXES))
def test_mixes(tmp_path: Path, seed: int) -> None:
    data = shards(tmp_path)
    connections, pack = 1 + seed % 4, (1, 4, 100)[seed % 3]
    with DimpDouble(RULES, reference_date=TODAY, faults=random_faults(seed, 60)) as double:
        done = data.remote(double.url, pack=pack, connections=connections, compress=bool(seed % 2))
    assert parsed(done) == parsed(data.embedded())


FINAL: dict[str, tuple[list[Fault], str]] = {
    "503 for ever": ([Fault("503")], r"^services\.dimp\.url: DIMP service unavailable: status 503 \(tried 5 times\)"),
    "429 for an hour and more": ([Fault("429", at=(4,), value="4000")], r"unavailable: status 429; look at the service"),
    "connections reset for ever": ([Fault("reset")], r"^services\.dimp\.url: DIMP service unavailable: .*\(tried 5 times\)"),
    "truncated for ever": ([Fault("truncated")], r"^services\.dimp\.url: DIMP service unavailable"),
    "no JSON for ever": ([Fault("not-json")], r"unavailable: the answer is no whole JSON \(tried 5 times\)"),
    "gzip that is none, for ever": ([Fault("garbage-gzip")], r"^services\.dimp\.url: DIMP service unavailable"),
    "no answers": ([Fault("hang")], r"unavailable: no answer within 0\.3 s"),
    "another resource": ([Fault("other-resource", at=(3,))], r"import\.ndjson:\d+.*: the service answered with a resource of another type"),
    "an entry is missing": ([Fault("missing-entry")], r"import\.ndjson:\d+.*: the service answered with \d entries for a Bundle of \d"),
    "everything redacted": ([Fault("emptied")], r"import\.ndjson:\d+.*: the service empties resources: .*services\.dimp\.allow_empty"),
    "one resource redacted": ([Fault("emptied", containing=b'"p21"')], r"import\.ndjson:1\d.*: the service empties resources"),
    "401 from the third on": ([Fault("401", at=range(3, 10**6))], r"^services\.dimp\.auth: the service refuses these credentials \(status 401\)"),
    "403": ([Fault("403", at=range(2, 10**6))], r"^services\.dimp\.auth: the service refuses these credentials \(status 403\)"),
    "404": ([Fault("404")], r"^services\.dimp\.url: there is no \$de-identify \(status 404\)"),
}  # fmt: skip


@pytest.mark.parametrize("pack", [1, 5])
@pytest.mark.parametrize("name", FINAL)
def test_what_does_not_pass(tmp_path: Path, name: str, pack: int) -> None:
    faults, words = FINAL[name]
    data = shards(tmp_path)
    access = {"read_timeout": 0.3} if name == "no answers" else {}  # else a busy machine is one more fault
    with DimpDouble(RULES, reference_date=TODAY, faults=faults) as double:
        with pytest.raises(ServiceError, match=words) as error:
            data.remote(double.url, pack=pack, connections=2, access=access)
        said(error.value)
        assert not data.out(2).exists()  # nothing that looks like a result
    kept = data.journal(1)
    answered = kept.exists() and len(kept.read_bytes().splitlines()) > 1
    with DimpDouble(RULES, reference_date=TODAY) as double:
        done = data.remote(double.url, pack=pack, connections=2)
        alone = len(double.posts)
    assert parsed(done) == parsed(data.embedded())
    again = Shards(tmp_path / "again", LINES, RULES, shards=2, limit=800)
    with DimpDouble(RULES, reference_date=TODAY) as double:
        again.remote(double.url, pack=pack, connections=2)
        assert (
            alone < len(double.posts) if answered and not data.out(1).exists() else alone <= len(double.posts)
        )


def said(error: BaseException) -> None:
    """One line, with nothing of what was sent or answered, not even in the chain of causes."""
    assert isinstance(error, DimpflowError)
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None:
        chain.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    assert "\n" not in str(error)
    assert not any(secret in str(one) for one in chain for secret in SECRETS)


@pytest.mark.parametrize("pack", [1, 5])
def test_500_for_ever_is_about_the_line(tmp_path: Path, pack: int) -> None:
    data = shards(tmp_path)
    faults = [Fault("500", containing=b'"p7"'), Fault("500", containing=b'"b2"')]
    with DimpDouble(RULES, reference_date=TODAY, faults=faults) as double:
        with pytest.raises(InputError) as error:
            data.remote(double.url, pack=pack, connections=2)
        message = str(error.value)
        assert ":8: the service fails on it (status 500); its log says why" in message
        assert (
            not any(secret in message.replace(str(tmp_path), "") for secret in SECRETS)
            and "   at " not in message
        )
        done = data.remote(double.url, pack=pack, connections=2, on_invalid="quarantine")
    assert len(parsed(done)) == len(LINES) - 2
    assert (
        data.rejected(1).read_bytes() == LINES[7] + b"\n"
        and data.rejected(2).read_bytes() == LINES[13] + b"\n"
    )


def test_a_service_that_fails_on_everything_is_not_asked_for_all(tmp_path: Path) -> None:
    data = Shards(tmp_path, [patient(n) for n in range(300)], RULES)
    with DimpDouble(RULES, reference_date=TODAY, faults=[Fault("500")]) as double:
        with pytest.raises(ServiceError, match=r"the service answers to none of the first 2\d lines"):
            data.remote(double.url, on_invalid="quarantine")
        assert len(double.posts) < 100


def test_413_halves_down_to_one_entry(tmp_path: Path) -> None:
    data = Shards(tmp_path, [bundle(1, 30), *(patient(n) for n in range(30))], RULES)
    for pack in (1, 20):
        with DimpDouble(RULES, reference_date=TODAY, faults=[Fault("413", value=700)]) as double:
            assert parsed(data.remote(double.url, pack=pack, identity=str(pack))) == parsed(data.embedded())
            assert any(seen.fault == "413" for seen in double.posts)


def test_entries_in_another_order(tmp_path: Path) -> None:
    """Of a user's Bundle it shows by types and methods, of packed resources always."""
    mixed = bundle(1, 2).replace(b'"entry":[', b'"entry":[{"resource":{"resourceType":"Basic","id":"x"}},')
    for lines, pack in (([mixed], 1), ([patient(n) for n in range(4)], 4)):
        data = Shards(tmp_path / str(pack), lines, RULESETS / "minimal.yaml")
        with (
            DimpDouble(data.rules, reference_date=TODAY, faults=[Fault("reordered")]) as double,
            pytest.raises(ServiceError, match=r"import\.ndjson:1.*: .* in another order"),
        ):
            data.remote(double.url, pack=pack)


def test_a_chunk_may_be_emptied_where_its_bundle_is_not(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("fhirVersion: R4\nfhirPathRules: [{path: Basic, method: redact}]\n")
    basic = b'{"resource":{"resourceType":"Basic","id":"x","code":{"text":"y"}}}'
    mixed = bundle(1, 6).replace(b'"entry":[', b'"entry":[%s,%s,' % (basic, basic))
    only = b'{"resourceType":"Bundle","type":"batch","entry":[%s]}' % b",".join([basic] * 6)
    for limit, service_limit in (
        (150, 10**6),
        (1 << 30, 250),
    ):  # cut by us, or since the service finds it too large
        data = Shards(tmp_path / str(limit), [mixed], rules, limit=limit)
        with DimpDouble(rules, reference_date=TODAY, limit=service_limit) as double:
            assert parsed(data.remote(double.url)) == parsed(data.embedded()) and len(double.posts) > 4
        data = Shards(tmp_path / f"only-{limit}", [patient(1), only], rules, limit=limit)
        with (
            DimpDouble(rules, reference_date=TODAY, limit=service_limit) as double,
            pytest.raises(ServiceError, match=r"import\.ndjson:2: the service empties resources"),
        ):
            data.remote(double.url)


def test_emptied_resources_may_be_meant(tmp_path: Path) -> None:
    data = shards(tmp_path)
    with DimpDouble(RULES, reference_date=TODAY, faults=[Fault("emptied")]) as double:
        done = parsed(data.remote(double.url, allow_empty=True))
    assert len(done) == len(LINES) and set(done[0]) <= {"resourceType", "meta"}


@pytest.mark.parametrize("same_host", [False, True])
def test_nothing_follows_a_redirect(tmp_path: Path, same_host: bool) -> None:
    data = shards(tmp_path)
    access = {"username": "u", "password": "${PW}", "api_key": "${KEY}"}
    with Foreign() as foreign, DimpDouble(RULES, reference_date=TODAY) as other:
        target = (other.url if same_host else foreign.url) + "/fhir/$de-identify"
        with (
            DimpDouble(RULES, faults=[Fault("redirect", at=(2,), value=target)]) as double,
            pytest.raises(
                ServiceError, match=r"services\.dimp\.url: the service sends elsewhere \(status 307\)"
            ),
        ):
            data.remote(double.url, access=access, environ={"PW": "secret-1", "KEY": "secret-2"})
        assert foreign.requests == [] and other.requests == []


def test_credentials(tmp_path: Path) -> None:
    data = shards(tmp_path)
    access: dict[str, Any] = {"username": "u", "password": "${PW}", "api_key": "${KEY}"}
    environ = {"PW": "secret-1", "KEY": "secret-2"}
    with DimpDouble(
        RULES, reference_date=TODAY, basic=("u", "secret-1"), api_key=("X-Api-Key", "secret-2")
    ) as double:
        assert parsed(data.remote(double.url, access=access, environ=environ)) == parsed(data.embedded())
        with pytest.raises(ServiceError, match=r"services\.dimp\.auth: .* \(status 401\)") as error:
            data.remote(double.url, access=access, environ={**environ, "PW": "other"}, identity="b")
        assert "secret" not in str(error.value) and "other" not in str(error.value)
    assert b"secret-" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_oauth_tokens_that_expire_on_the_way(tmp_path: Path) -> None:
    data = shards(tmp_path)
    with OidcIssuer() as issuer:
        access = {"oauth_issuer": issuer.url, "oauth_client_id": "dimp", "oauth_client_secret": "${SECRET}"}
        environ = {"SECRET": issuer.secret}
        # one in each shard, so that no request meets both: a second 401 for the same one is final
        expiring = [Fault("expired-token", containing=line, times=1) for line in (b'"p1"', b'"p22"')]
        with DimpDouble(
            RULES, reference_date=TODAY, faults=expiring, tokens=issuer.tokens.__contains__
        ) as double:
            done = data.remote(double.url, access=access, environ=environ, connections=3)
            assert parsed(done) == parsed(data.embedded()) and issuer.token_requests == 3
        refusing = [Fault("401", at=range(4, 10**6))]
        with DimpDouble(
            RULES, reference_date=TODAY, faults=refusing, tokens=issuer.tokens.__contains__
        ) as double:
            with pytest.raises(ServiceError, match=r"services\.dimp\.auth: .* \(status 401\)"):
                data.remote(double.url, access=access, environ=environ, identity="b", connections=1)
            assert len(double.posts) < 8  # once more with a new token, then it is over


def test_an_issuer_that_is_gone_for_a_moment(tmp_path: Path) -> None:
    data = shards(tmp_path)
    with OidcIssuer("other") as issuer, DimpDouble(RULES, reference_date=TODAY) as double:
        access = {"oauth_issuer": issuer.url, "oauth_client_id": "other", "oauth_client_secret": "${SECRET}"}
        issuer.answer = (503, b"")
        patient_retry = Retry(max_attempts=9, initial_backoff_ms=50, max_backoff_ms=200)
        back = threading.Timer(0.4, setattr, (issuer, "answer", None))
        back.start()
        done = data.remote(double.url, access=access, environ={"SECRET": issuer.secret}, retry=patient_retry)
        back.join()
        assert parsed(done) == parsed(data.embedded()) and issuer.token_requests > 1


def test_a_single_attempt(tmp_path: Path) -> None:
    with DimpDouble(RULES, reference_date=TODAY, faults=[Fault("503", at=(1,))]) as double:
        with pytest.raises(ServiceError, match=r"unavailable: status 503;"):
            shards(tmp_path).remote(double.url, retry=Retry(1, 1, 1), connections=1)
        assert len(double.posts) == 1
