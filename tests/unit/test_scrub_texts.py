"""Terms of a patient in texts: found in every spelling, and nothing else of the text is touched."""

import json
import unicodedata
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dimpflow.scrub.automaton import Automaton
from dimpflow.scrub.markup import MOST_TAGS, Markup, plain_tags
from dimpflow.scrub.spellings import fold, shaped, words
from dimpflow.scrub.terms import Terms, terms_of

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "0815-4711-ab",
    "identifier": [{"value": "UKX012345678"}, {"value": "A123456789"}, {"value": "12"}, {"value": "12080"}],
    "name": [
        {"family": "Freiherr von und zu Müller-Weißenström", "given": ["Anna-Lena", "Rose"]},
        {"use": "maiden", "family": "O'Brien"},
    ],
    "birthDate": "1970-05-06",
    "telecom": [
        {"system": "phone", "value": "+49 151 1234 56789"},
        {"system": "phone", "value": "(0341) 97-12345"},
        {"system": "email", "value": "anna.mueller@web.example"},
    ],
    "address": [{"line": ["Schwalbenstraße 12a"], "city": "Frankfurt am Main", "postalCode": "60311"}],
    "contact": [{"name": {"family": "Tölke", "given": ["Björn"]}}],
}
AUTOMATON = Automaton(terms_of(json.dumps(PATIENT).encode()))
XHTML = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'

SPELLINGS = [
    "Müller", "Mueller", "Muller", "MÜLLER", "müller", "Müllers", "Müller's", "Müllersche", "Müllerin", "Mu\u0308ller",
    "Mü\u00adller", "Weißenström", "Weissenstroem", "WEISSENSTRÖM", "Weißenströms", "Müller-Weißenström", "Müller Weissenström",
    "Müllerweißenström", "Anna-Lena", "Anna Lena", "AnnaLena", "annalena", "Rose", "O'Brien", "O’Brien", "Obrien", "Tölke",
    "Toelke", "Bjoern", "1970-05-06", "06.05.1970", "6.5.1970", "6.5.70", "06.05.70", "06/05/1970", "6. Mai 1970", "6.Mai 70",
    "May 6, 1970", "19700506", "+49 151 1234 56789", "0151/123456789", "0151-1234-56789", "0049 151 123 456 789",
    "+49 (0)151 1234 56789", "(0341) 9712345", "0341 / 97 12 345", "+4934197-12345", "97-12345", "anna.mueller@web.example",
    "Anna.Mueller@WEB.example", "Schwalbenstraße 12a", "Schwalbenstr. 12 a", "Schwalben-Straße 12a", "SCHWALBENSTRASSE",
    "Frankfurt am Main", "Frankfurt", "60311 Frankfurt", "UKX012345678", "ukx 012 345 678", "A123456789", "A 123 456 789",
    "0815-4711-ab", "12080",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_spelling_goes_and_the_text_around_stays(spelling: str) -> None:
    for before, behind in (
        ("Heute ", " gesehen."),
        ("(", ");"),
        ("\u00a0", "\n"),
        ("", ""),
        ("Datei_", "_2024.txt"),
    ):
        assert AUTOMATON.scrub(before + spelling + behind) == before + "***" + behind
    html = XHTML.format(f"<p>Ä <b>x</b> {spelling}&nbsp;y</p>")
    assert AUTOMATON.scrub(html, xhtml=True) == XHTML.format("<p>Ä <b>x</b> ***&nbsp;y</p>")


@pytest.mark.parametrize(
    "text",
    [
        "rosa Rosenkohl und Prosecco", "RR 120/80, 12.080 Zellen", "6.5 70 mg", "6, 5, 70", "05.06.1971", "1970", "im Jahr 1970",
        "von und zu", "Müllerei", "Müllhalde", "60311 Leukozyten", "0151", "12", "x < y & z > 4", "<b>fett</b> &amp; so", "",
        "Annahme", "Lenalidomid", " \n ", "12345678",
    ],
)  # fmt: skip
def test_other_words_stay(text: str) -> None:
    assert AUTOMATON.scrub(text) is text


def test_names_side_by_side_are_one_marker_and_particles_go_with_them() -> None:
    text = "Frau Rose Anna-Lena von und zu Müller-Weißenström, geb. O'Brien"
    assert AUTOMATON.scrub(text) == "Frau ***, geb. ***"


def test_a_long_name_goes_with_the_word_that_holds_it_and_a_short_one_does_not() -> None:
    assert AUTOMATON.scrub("FrauWeißenström kam") == "*** kam"
    assert AUTOMATON.scrub("FrauMüller kam") == "FrauMüller kam"


def test_parts_of_a_number_stand_close_to_each_other() -> None:
    assert AUTOMATON.scrub("Tel. 0151 / 123456789") == "Tel. ***"
    assert AUTOMATON.scrub("Zimmer 0151, um 8, 123456789") == "Zimmer 0151, um 8, 123456789"
    assert AUTOMATON.scrub("0151 ... 123456789") == "0151 ... 123456789"


def test_the_marker() -> None:
    assert AUTOMATON.scrub("Herr Tölke", "[name]") == "Herr [name]"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<p>M&uuml;ller</p>", "<p>***</p>"),
        ("<p>M&#252;ller M&#xFC;ller</p>", "<p>***</p>"),
        ("<p><b>M</b>üller</p>", "<p><b>***</b></p>"),
        ("<p>Mül<i>ler</i> &lt; 4</p>", "<p>***<i></i> &lt; 4</p>"),
        ("<td>Anna</td><td>Lena</td>", "<td>***</td><td>***</td>"),
        ("<td>01</td><td>51</td>", "<td>01</td><td>51</td>"),
        ("<td>0151</td><td>123456789</td>", "<td>***</td><td></td>"),
        ('<a href="mailto:anna.mueller@web.example">x</a>', '<a href="mailto:***">x</a>'),
        ("<img alt='a &gt; Müller' src=\"#m\"/>", "<img alt='a &gt; ***' src=\"#m\"/>"),
        ("<!-- Müller -->ok", "<!-- *** -->ok"),
        ("<![CDATA[Müller < 3]]>", "<![CDATA[*** < 3]]>"),
    ],
)
def test_xhtml_keeps_its_markup(before: str, after: str) -> None:
    html = AUTOMATON.scrub(XHTML.format(before), xhtml=True)
    assert html == XHTML.format(after)


def test_a_patient_called_like_a_tag_leaves_it() -> None:
    automaton = Automaton(Terms(words={"span", "div", "table", "class"}))
    html = XHTML.format('<span class="span">span <table>x</table></span>')
    assert automaton.scrub(html, xhtml=True) == XHTML.format('<span class="***">*** <table>x</table></span>')


TAGS = ["<p>", "</p>", "<b>", "</b>", "<B>", "<br />", "<td>"]
MARKUP = [
    *TAGS,
    "<p",
    "b>",
    "<",
    ">",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "&lt;",
    '<a href="u">',
    "x",
    " ",
    "ü",
]


def told(html: str) -> tuple[str, Any, list[str]]:
    """What is said of a text: what is seen, what is hidden, and what comes out where one seen character is replaced."""
    markup = Markup(html, xhtml=True)
    each = [markup.replaced([(at, at + 1)], "*", str) for at in range(len(markup.seen))]
    return markup.seen, markup.hidden, each


@given(st.lists(st.sampled_from(MARKUP)), st.sampled_from(["{}", XHTML]))
@settings(max_examples=500, deadline=None)
def test_markup_is_told_the_same_whether_its_tags_were_met_before_or_not(
    inner: list[str], frame: str
) -> None:
    html = frame.format("".join(inner))
    plain_tags.clear()
    fresh = told(html)
    for tag in [*TAGS, XHTML.format("")]:
        Markup(tag, xhtml=True)
    assert told(html) == fresh


def test_tags_that_are_remembered_are_few_and_hold_no_text() -> None:
    plain_tags.clear()
    Markup('<p title="Müller"><b lang="de">', xhtml=True)
    assert plain_tags == {}
    Markup("".join(f"<x{number}>" for number in range(2 * MOST_TAGS)), xhtml=True)
    assert len(plain_tags) == MOST_TAGS
    html = XHTML.format(f"<x{2 * MOST_TAGS}>Müller")
    assert AUTOMATON.scrub(html, xhtml=True) == html.replace("Müller", "***")
    plain_tags.clear()


def test_what_is_no_whole_tag_is_text() -> None:
    """So nothing hides in a narrative that is not well-formed."""
    for html in ("<p Müller>", "<p>RR <5 Müller", '<a x="Müller', "<!-- Müller"):
        assert "Müller" not in AUTOMATON.scrub(html, xhtml=True)


WORDS = [
    "Husten",
    "rosa",
    "120/80",
    "mg.",
    "<b>",
    "&",
    "Ärztin",
    "\n",
    "–",
    "3,5",
    "🙂",
    "e\u0301",
    "x_y",
    "(",
    "ß",
]


@given(st.lists(st.sampled_from(WORDS)), st.sampled_from(SPELLINGS), st.lists(st.sampled_from(WORDS)))
@settings(max_examples=150, deadline=None)
def test_only_the_term_is_replaced(before: list[str], spelling: str, behind: list[str]) -> None:
    left, right = " ".join([*before, "-"]), " ".join(["-", *behind])
    assert AUTOMATON.scrub(f"{left} {spelling} {right}") == f"{left} *** {right}"
    for text in (left, right):
        assert AUTOMATON.scrub(text) is text


@given(st.text())
@settings(max_examples=300, deadline=None)
def test_without_terms_any_text_is_the_same(text: str) -> None:
    nobody = Automaton(terms_of(b'{"resourceType":"Patient"}'))
    assert nobody.scrub(text) == text and nobody.scrub(text, xhtml=True) == text


@given(
    st.text(st.sampled_from("aeosSuÄßæøþµ\u00aa\u00b2\u00adé\u0301ćЖ 1-–"))
    | st.text(st.characters(max_codepoint=255))
)
@settings(max_examples=300, deadline=None)
def test_a_shaped_text_has_the_same_words_in_the_same_places(text: str) -> None:
    assert words(shaped(text)) == words(text) and len(shaped(text)) == len(text)


LETTERS = st.sampled_from("abdegimnoprstuäöüßëÄÖÜ")
# A name of a single folded letter (Ss, Äë) is found without endings only.
NAMES = st.text(LETTERS, min_size=2, max_size=14).filter(
    lambda name: name.lower() not in ("am", "an", "im", "de", "da", "do", "te") and len(fold(name)) > 1
)


def spelt(name: str, draw: Any) -> str:
    """A name as somebody may write it: each umlaut one of three ways, any case, composed or not, inflected."""
    ways = {
        "ä": ("ä", "ae", "a"),
        "ö": ("ö", "oe", "o"),
        "ü": ("ü", "ue", "u"),
        "ß": ("ß", "ss"),
        "ë": ("ë", "e"),
    }
    text = "".join(draw(st.sampled_from(ways.get(letter, (letter,)))) for letter in name.lower())
    text = draw(st.sampled_from([str.lower, str.upper, str.title, str.capitalize]))(text)
    text += draw(st.sampled_from(["", "s", "sche", "'s"]))
    return unicodedata.normalize(draw(st.sampled_from(["NFC", "NFD"])), text)


@given(NAMES, NAMES, st.data())
@settings(max_examples=300, deadline=None)
def test_drawn_names_in_drawn_spellings(family: str, given_name: str, data: st.DataObject) -> None:
    patient = {"resourceType": "Patient", "name": [{"family": family, "given": [given_name]}]}
    automaton = Automaton(terms_of(json.dumps(patient).encode()))
    for name in (family, given_name):
        written = spelt(name, data.draw)
        assert automaton.scrub(f"{written} 1"), (name, written)
        assert automaton.scrub(f"(1) {written} 1") == "(1) *** 1", (name, written)


@given(st.text("<>&;ab/\"'=! -#Müler", max_size=60))
@settings(max_examples=400, deadline=None)
def test_xhtml_that_is_well_formed_stays_so(inner: str) -> None:
    html = XHTML.format(inner + " Müller")
    try:
        before = ElementTree.fromstring(html)
    except ElementTree.ParseError:
        return
    after = ElementTree.fromstring(AUTOMATON.scrub(html, xhtml=True))
    assert [one.tag for one in after.iter()] == [one.tag for one in before.iter()]
    assert "Müller" not in "".join(after.itertext())


def test_long_texts_take_time_by_their_length() -> None:
    """Repeated beginnings of terms come back as they were, however long they are."""
    automaton = Automaton(Terms(codes={"a" * 500 + "b"}, runs={"a" * 400 + "c"}, phones={"1" * 30 + "2"}))
    text = "a" * 100_000 + " " + "1" * 100_000 + " " + "<a " * 50_000 + "<!--" * 20_000 + "&a" * 50_000
    assert automaton.scrub(text, xhtml=True) == text


# ---- what the terms are ------------------------------------------------------------------------------------------------


def terms(**elements: Any) -> Terms:
    return terms_of(json.dumps({"resourceType": "Patient", **elements}).encode())


def test_parts_of_a_name_that_are_common_words_count_only_alone() -> None:
    assert terms(name=[{"family": "von Berg"}]).words == {"berg"}
    assert terms(name=[{"family": "Graf"}]).words == {"graf"}
    assert terms(name=[{"text": "Dr. Eva Noll"}]).words == {"eva", "noll", "evanoll"}


def test_extensions() -> None:
    own = "http://hl7.org/fhir/StructureDefinition/"
    found = terms(
        name=[{"_family": {"extension": [{"url": own + "humanname-own-name", "valueString": "Zeder"}]}}],
        extension=[
            {"url": own + "patient-mothersMaidenName", "valueString": "Ulmen"},
            {"url": own + "patient-birthPlace", "valueAddress": {"city": "Jena"}},
            {"url": own + "patient-religion", "valueString": "keine"},
        ],
    )
    assert found.words == {"zeder", "ulmen", "jena"}


def test_numbers_that_are_too_short_are_no_terms() -> None:
    found = terms(id="p1", identifier=[{"value": "123"}, {"value": "1-2-3"}, {}], birthDate="1970")
    assert found == Terms()


def test_an_identifier_without_words_is_no_term() -> None:
    found = terms(identifier=[{"value": "²²²²"}])
    assert found == Terms() and Automaton(found).scrub("1 ² Husten") == "1 ² Husten"


@pytest.mark.parametrize(
    "patient", [b"[]", b'"x"', b'{"name":{"family":3},"telecom":7,"address":[null]}', b"{}"]
)
def test_what_is_not_as_fhir_has_it_is_passed_over(patient: bytes) -> None:
    assert terms_of(patient) == Terms()


def test_terms_are_the_same_after_writing_and_reading() -> None:
    found = terms_of(json.dumps(PATIENT).encode())
    assert Terms.decode(found.encode()) == found and b"\n" not in found.encode()
    with pytest.raises(ValueError, match="no terms"):
        Terms.decode(b"[[]]")
