"""Services that give pseudonyms: the same for the same, back again, in few requests, for whatever text."""

import math
import random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sorts import ALL, DOMAIN, ORIGINALS, REVERSING, SORTS, refused, right

from dimpflow.clients.pseudonyms import BackendOptions
from dimpflow.errors import ConfigError, ServiceError
from doubles.pseudonyms import GpasDouble, MiiDouble, PseudonymDouble

ODD = [
    "a/b?c=d&e=f#g%20+h;i:j@k", "%2e%2e", "../../x", "a b", "\u00fc\u00df\u20ac\U0001f600", "e\u0301", "\u00e9", '"', "\\", "'", "<x>", "a\tb",
    "line\nbreak", "a\u2028b", "\x7f", "x" * 6000, "ü" * 2000, "{}", "$pseudonymize", "pseudonym", "target", "0", "null", " lead", "trail ", "..", ".",
    "http://server.example/fhir/Patient", "Patient?identifier=urn:x|",
]  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_the_same_for_the_same(name: str) -> None:
    sort = SORTS[name]
    with sort.serve([DOMAIN, "other"]) as double:
        first = sort.open(double).create(DOMAIN, ORIGINALS)
        assert first == right(double) and list(first) == ORIGINALS
        mixed = random.Random(3).sample(ORIGINALS, len(ORIGINALS))
        again = sort.open(double, options={"batch": 7, "connections": 1}).create(DOMAIN, [*mixed, *mixed[:3]])
        assert again == first
        other = sort.open(double).create("other", ORIGINALS)
        assert not set(other.values()) & set(first.values())
        assert sort.open(double).create(DOMAIN, []) == {}


@pytest.mark.parametrize("name", REVERSING)
def test_back_again(name: str) -> None:
    sort = SORTS[name]
    with sort.serve([DOMAIN, "other"]) as double:
        backend = sort.open(double)
        made = backend.create(DOMAIN, ORIGINALS)
        back = {pseudonym: original for original, pseudonym in made.items()}
        assert backend.reverse(DOMAIN, list(back)) == back
        unknown = ["psn-0", *list(back)[:7], "psn-1", "", " ", "..", "."]
        assert backend.reverse(DOMAIN, unknown) == dict(list(back.items())[:7])
        assert backend.reverse("other", list(back)) == {}
        assert backend.reverse(DOMAIN, []) == {}


def test_entici_has_no_way_back() -> None:
    sort = SORTS["entici"]
    with sort.serve() as double:
        backend = sort.open(double)
        made = backend.create(DOMAIN, ORIGINALS)
        refused(lambda: backend.reverse(DOMAIN, list(made.values())), "entici gives no originals back")


@pytest.mark.parametrize("version", ["1.10.2", "2023.1.0"])
@pytest.mark.parametrize("known", [0, 1, 6, 11])
def test_one_unknown_pseudonym_does_not_hide_the_others(version: str, known: int) -> None:
    sort = SORTS["gpas 2023" if version == "2023.1.0" else "gpas 1.10.2"]
    with GpasDouble([DOMAIN], version, strict=True) as double:
        backend = sort.open(double, options={"batch": 100})
        made = backend.create(DOMAIN, ORIGINALS[:known]) if known else {}
        asked = [*made.values(), "psn-unknown"]
        random.Random(known).shuffle(asked)
        assert backend.reverse(DOMAIN, asked) == {made[one]: one for one in made}


@pytest.mark.parametrize("original_as", ["valueString", "valueIdentifier"])
def test_mii_gives_originals_in_two_ways(original_as: str) -> None:
    with MiiDouble([DOMAIN], original_as=original_as) as double:
        backend = SORTS["mii 1.x"].open(double)
        made = backend.create(DOMAIN, ORIGINALS)
        assert backend.reverse(DOMAIN, list(made.values())) == {made[one]: one for one in made}


@pytest.mark.parametrize("name", ALL)
def test_requests_are_few_and_counted(name: str) -> None:
    sort = SORTS[name]
    originals = [f"geheim-{n}" for n in range(1000 if sort.lists else 60)]
    for batch in (500, 300, 1) if sort.lists else (500,):
        if batch == 1:
            originals = originals[:30]
        with sort.serve() as double:
            backend = sort.open(double, options={"batch": batch})
            backend.create(DOMAIN, [*originals, *originals])
            needed = math.ceil(len(originals) / batch) if sort.lists else len(originals)
            assert len(double.requests) == backend.counts.requests == needed
            assert backend.counts.repeated == 0
            assert sum(seen.values for seen in double.requests) == len(originals)


@pytest.mark.parametrize("name", [name for name in ALL if not SORTS[name].lists])
def test_so_many_at_once_and_no_more(name: str) -> None:
    sort = SORTS[name]
    with sort.serve(latency=0.02) as double:
        sort.open(double, options={"connections": 3}).create(DOMAIN, ORIGINALS)
        assert 1 < double.peak <= 3


@pytest.mark.parametrize("name", ALL)
def test_odd_texts(name: str) -> None:
    """As originals, and as domains but for what no address can hold."""
    sort = SORTS[name]
    domains = [one for one in ODD if not (sort.kind == "vfps" and one in (".", ".."))]
    with sort.serve([DOMAIN, *domains]) as double:
        backend = sort.open(double)
        assert backend.create(DOMAIN, ODD) == right(double, ODD)
        backend.check([DOMAIN, *domains])
        for domain in domains:
            made = backend.create(domain, ORIGINALS[:2])
            assert made == right(double, ORIGINALS[:2], domain)
            if sort.reverses:
                assert backend.reverse(domain, list(made.values())) == {made[one]: one for one in made}


@pytest.fixture(scope="module", params=ALL)
def any_double(request: pytest.FixtureRequest):
    sort = SORTS[request.param]
    with sort.serve([]) as double:
        yield sort, double, sort.open(double)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(str.strip)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXTS, min_size=1, max_size=8), TEXTS.filter(lambda text: text not in (".", "..")))
@example(["\x00", "a\x00b"], "\x00-")
def test_any_texts(any_double, originals: list[str], domain: str) -> None:
    sort, double, backend = any_double
    double.domains.add(domain)
    made = backend.create(domain, originals)
    assert made == right(double, list(dict.fromkeys(originals)), domain)
    if sort.reverses:
        assert backend.reverse(domain, list(made.values())) == {made[one]: one for one in made}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_blank_values_and_domains_are_refused_before_anything_is_sent(name: str, blank: str) -> None:
    sort = SORTS[name]
    with sort.serve() as double:
        backend = sort.open(double)
        refused(
            lambda: backend.create(DOMAIN, ["geheim-1", blank]), r'1 values .* "studie-patients" are blank'
        )
        refused(lambda: backend.create(blank, ["geheim-1"]), "has no domain")
        refused(lambda: backend.check([DOMAIN, blank]), "has no domain")
        assert double.requests == []


def test_vfps_cannot_have_namespaces_that_lead_elsewhere() -> None:
    with SORTS["vfps"].serve([".", ".."]) as double:
        backend = SORTS["vfps"].open(double)
        for domain in (".", ".."):
            refused(lambda domain=domain: backend.create(domain, ["geheim-1"]), "cannot be a namespace")
            refused(lambda domain=domain: backend.check([domain]), "cannot be a namespace")
        assert double.requests == []


# ---- what exists ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REVERSING)
def test_missing_domains_are_named_and_nothing_is_made(name: str) -> None:
    sort = SORTS[name]
    for status in (404,) if sort.kind == "vfps" else (400, 404, 422, 500):
        with sort.serve([DOMAIN, "there"], missing=status) as double:
            backend = sort.open(double)
            backend.check([DOMAIN, "there"])
            backend.check([])
            message = refused(
                lambda backend=backend: backend.check([DOMAIN, "gone-2", "there", "gone-1"]), "gone"
            )
            assert '"gone-1", "gone-2"' in message and DOMAIN not in message
            assert double.created == {}
            assert "gone-1" in refused(lambda backend=backend: backend.create("gone-1", ORIGINALS), "gone-1")


@pytest.mark.parametrize("version", ["1.10.2", "2023.1.0"])
@pytest.mark.parametrize("unknown_is", ["404", "404 named"])
def test_an_unknown_pseudonym_is_told_from_an_unknown_domain(version: str, unknown_is: str) -> None:
    """By the status, or by what the answer names."""
    sort = SORTS["gpas 2023" if version == "2023.1.0" else "gpas 1.10.2"]
    missing = 404 if unknown_is == "404 named" else 400
    with GpasDouble([DOMAIN], version, unknown_is=unknown_is, missing=missing) as double:
        backend = sort.open(double)
        backend.check([DOMAIN])
        refused(lambda: backend.check([DOMAIN, "gone"]), '"gone"')


def test_entici_is_asked_without_a_value() -> None:
    sort = SORTS["entici"]
    with sort.serve([]) as double:
        backend = sort.open(double)
        backend.check([DOMAIN])
        assert double.created == {} and len(double.requests) == 1
        assert DOMAIN in refused(lambda: backend.create(DOMAIN, ORIGINALS), "status 404")


def test_vfps_that_does_not_list_its_namespaces() -> None:
    sort = SORTS["vfps"]
    with sort.serve(["a", "b"], listing=403) as double:
        sort.open(double).check(["b"])
    with sort.serve(["a", "b"], whole=False) as double:
        sort.open(double).check(["b"])


@pytest.mark.parametrize("name", ALL)
def test_an_address_without_the_service_is_found_before_the_first_value(name: str) -> None:
    sort = SORTS[name]

    class Elsewhere(PseudonymDouble):
        base_url = property(lambda self: f"{self.url}/elsewhere")

        def asked(self, request):
            from doubles.pseudonyms.service import Refused

            raise Refused()

    with Elsewhere([DOMAIN]) as double:
        refused(lambda: sort.open(double).check([DOMAIN]), "status 404")


@pytest.mark.parametrize(
    "wrong,right_one", [("1.10.1", "2023.1.0"), ("2023.1.0", "1.10.1"), ("1.10.2", "2023.1.0")]
)
def test_another_version_of_gpas(wrong: str, right_one: str) -> None:
    sort = SORTS["gpas 2023"]
    with GpasDouble([DOMAIN], right_one) as double:
        backend = sort.open(double, options={"version": wrong})
        refused(lambda: backend.check([DOMAIN]), r"services\.pseudonyms\.version right\?")
        refused(lambda: backend.create(DOMAIN, ORIGINALS), r"services\.pseudonyms\.version")


# ---- options --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "version,operation",
    [("1.10.1", "GET"), ("1.9", "GET"), ("1.10.2-rc.1", "GET"), ("1.10.2", "-allow-create"), ("1.10.2+b7", "-allow-create"),
     ("1.10.3", "AllowCreate"), ("1.11", "AllowCreate"), ("2", "AllowCreate"), ("2023.1.0", "AllowCreate"), ("", "AllowCreate")],
)  # fmt: skip
def test_versions_of_gpas(version: str, operation: str) -> None:
    serving = {"GET": "1.10.1", "-allow-create": "1.10.2", "AllowCreate": "2023.1.0"}[operation]
    with GpasDouble([DOMAIN], serving) as double:
        backend = SORTS["gpas 2023"].open(double, options={"version": version})
        assert backend.create(DOMAIN, ORIGINALS) == right(double)


@pytest.mark.parametrize(
    "name,options,words",
    [
        ("gpas 2023", BackendOptions("latest"), r"services\.pseudonyms\.version: not a version of gPAS"),
        ("gpas 2023", BackendOptions("1.10.2.4"), r"services\.pseudonyms\.version"),
        (
            "mii 1.x",
            BackendOptions("2.0"),
            r"services\.pseudonyms\.version: not a version of the MII interface",
        ),
        ("entici", BackendOptions(), r"services\.pseudonyms\.resource_type"),
        ("entici", BackendOptions(resource_type="Patients"), r"services\.pseudonyms\.resource_type"),
    ],
)
def test_options_that_do_not_fit(name: str, options: BackendOptions, words: str) -> None:
    sort = SORTS[name]
    with sort.serve() as double, pytest.raises(ConfigError, match=words) as caught:
        sort.open(
            double, options={key: getattr(options, key) for key in ("version", "resource_type", "project")}
        )
    assert not isinstance(caught.value, ServiceError)


def test_entici_is_told_type_and_project() -> None:
    sort = SORTS["entici"]
    with sort.serve() as double:
        refused(
            lambda: sort.open(double, options={"project": "p2"}).create(DOMAIN, ["geheim-1"]), "status 422"
        )
        assert sort.open(double).create(DOMAIN, ["geheim-1"]) == right(double, ["geheim-1"])
