"""The compiled search for terms against the one in Python: the same text comes out, whatever goes in."""

import json
import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from dimpflow.native import births
from dimpflow.native import search as loops
from dimpflow.scrub import search
from dimpflow.scrub import terms as names
from dimpflow.scrub.automaton import Automaton
from dimpflow.scrub.compiled import _ROOM_FOR_TEXT, compiled_search
from dimpflow.scrub.gather import TermsGatherer
from dimpflow.scrub.markup import plain_tags
from dimpflow.scrub.search import Search
from dimpflow.scrub.spellings import APOSTROPHES, INFLECTIONS, JOINERS, run, words
from dimpflow.scrub.terms import Terms, terms_of
from generate import generate

MARKER = "#*#"
PEOPLE = [
    {
        "id": "0815-4711-ab",
        "identifier": [{"value": "UKX012345678"}, {"value": "A123456789"}, {"value": "12080"}, {"value": "½²kg77"}],
        "name": [
            {"family": "Freiherr von und zu Müller-Weißenström", "given": ["Anna-Lena", "Rose"]},
            {"family": "O'Brien"},
        ],
        "birthDate": "1970-05-06",
        "telecom": [
            {"value": "+49 151 1234 56789"}, {"value": "(0341) 97-12345"}, {"value": "anna.mueller@web.example"},
        ],
        "address": [{"line": ["Schwalbenstraße 12a"], "city": "Frankfurt am Main", "postalCode": "60311"}],
        "contact": [{"name": {"family": "Tölke", "given": ["Björn"]}}],
    },
    {
        "id": "Ss",
        "name": [
            {"family": "Жуков-Ångström", "given": ["Ø", "Łucja", "Þór", "µμ", "Dž"]},
            {"text": "Weiß Maaß van der Ae"},
        ],
        "birthDate": "2002-12-31",
        "telecom": [{"value": "0049490"}, {"value": "494949"}, {"value": "0170 / 49 49 49"}],
        "address": [{"line": ["Am Graben 3", "Straße 7"], "city": "Halle (Saale)", "postalCode": "06108"}],
    },
    {
        "id": "x",
        "name": [{"family": "Özgür", "given": ["Li", "Ann"]}],
        "birthDate": "1905-01-01",
        "telecom": [{"value": "123456"}],
    },
]  # fmt: skip
TERMS = [terms_of(json.dumps({"resourceType": "Patient"} | person).encode()) for person in PEOPLE]

PIECES = [
    "Freiherr", "von", "und zu", "Müller", "Mueller", "MÜLLER", "Weißenström", "WEISSENSTROEM", "Weissen-stroem",
    "Anna", "Lena", "Rose", "O'Brien", "OBrien", "O’Briens", "Tölke", "Bjoern", "Schwalben", "strasse", "Str.",
    "Straße", "12", "12a", "a", "60311", "Frankfurt", "am", "Main", "UKX", "012", "345", "678", "UKX012345678",
    "A 123 456 789", "0815", "4711", "ab", "0049", "+49", "(0)", "(0341)", "151", "0151", "1234", "56789", "97",
    "12345", "9712345", "06.05.1970", "6.5.70", "6. Mai", "May 6,", "1970", "70", "1970-05-06", "05/06/1970",
    "05.06.1970", "06051970", "060570", "19700506", "06", "05", "5", "6", "März", "Dez", "31.12.2002",
    "Dezember 31, 02", "1.1.05",
    "Жуков", "жуковы", "Ångström", "Ø", "Łucja", "Lucja", "Þórs", "Thor", "µμ", "µg", "ǅ", "dz", "Weiß", "Weisssche",
    "Maaß", "Maas", "Ae", "Ä", "Graben 3", "Halle", "(Saale)", "06108", "494949", "49", "490", "00490", "0", "Özgür",
    "Oezguers", "LiAnn", "Li", "Ann", "123456", "½²kg77", "½²kg", "77", "2", "kg", "4", "1", "m²", "€", "→", "≥",
    "\u00a0", "\ufeff", "漢字", "🙂", "١٢", "\ud800", "e", "s", "ſ", "ŉ", "\u0345", "x", "_", ")", "'", *INFLECTIONS,
    *APOSTROPHES, *"\u00ad\u200b\u0308\u0301",
]  # fmt: skip
GAPS = [
    "", "", "", " ", " ", " ", "-", "\u2011", "–", ".", "/", " - ", "  ", "   ", "    ", "\n", ", ", "'", "’", "'’",
    "´", "(", "+", "(+",
]  # fmt: skip
TAGS = [
    "<b>", "</b>", "<p>", "</p>", "<br/>", "<a href='Müller'>", "<!-- Rose -->", "&amp;", "&uuml;", "<", ">", "]]>",
    "<td\n>", "<ü>",
]  # fmt: skip


def written(draw: random.Random) -> str:
    """A text of pieces, some of them changed as people and machines change them."""
    parts = []
    for _ in range(draw.randrange(12)):
        piece = draw.choice(PIECES)
        match draw.randrange(10):
            case 0:
                piece = unicodedata.normalize("NFD", piece)
            case 1:
                piece = draw.choice([piece.upper(), piece.lower(), piece.title()])
            case 2:
                at = draw.randrange(len(piece) + 1)
                piece = piece[:at] + draw.choice([*JOINERS, *"aeiousß-. 0"]) + piece[at:]
            case 3:
                piece = piece[: draw.randrange(len(piece) + 1)]
        parts += piece, draw.choice(GAPS)
    return "".join(parts)


def marked_up(draw: random.Random) -> str:
    """The same with tags; most of them plain ones."""
    tags = TAGS if draw.randrange(3) == 0 else TAGS[:5]
    parts = [part for _ in range(draw.randrange(1, 5)) for part in (draw.choice(tags), written(draw))]
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{"".join(parts)}</div>'


def in_python(terms: Terms) -> Automaton:
    """What does without compiled loops."""
    automaton = Automaton(terms)
    automaton._compiled = None
    return automaton


@pytest.mark.parametrize("terms", TERMS, ids=["1", "2", "3"])
def test_drawn_texts(terms: Terms) -> None:
    fast, slow, draw = Automaton(terms), in_python(terms), random.Random(1)
    changed = told = 0
    for _ in range(6_000):
        text = written(draw)
        wanted = slow.scrub(text, MARKER)
        assert fast.scrub(text, MARKER) == wanted, text
        changed += wanted != text
        found = compiled_search(terms.encode()).spans(text)
        assert found is None or found == Search(terms).spans(text), text
        told += found is not None
    assert changed > 1_000 and told > 4_000  # so the texts are worth something


SYLLABLES = ["En", "en", "Ens", "Es", "es", "S", "s", "ß", "Er", "er", "in", "n", "sch", "a", "0"]


def of_endings(draw: random.Random) -> tuple[Terms, list[str]]:
    """A name of syllables that are endings, too, with a code of such, and texts of the same syllables."""
    few = draw.sample(SYLLABLES, draw.randrange(1, 4))
    name, code = ("".join(draw.choices(few, k=draw.randrange(2, 7))) for _ in range(2))
    patient = {"resourceType": "Patient", "name": [{"family": name}], "identifier": [{"value": code}]}
    parts, gaps = [*few, *few, name, draw.choice(SYLLABLES)], ["", "", " ", " ", "-", "    "]
    texts = [
        "".join(draw.choice(parts) + draw.choice(gaps) for _ in range(draw.randrange(1, 8)))
        for _ in range(50)
    ]
    return terms_of(json.dumps(patient).encode()), texts


def test_drawn_names_that_repeat_their_endings() -> None:
    draw, changed = random.Random(4), 0
    for _ in range(200):
        terms, texts = of_endings(draw)
        fast, slow = Automaton(terms), in_python(terms)
        for text in texts:
            wanted = slow.scrub(text, MARKER)
            assert fast.scrub(text, MARKER) == wanted, (terms, text)
            changed += wanted != text
    assert changed > 2_000


def test_a_name_that_begins_before_itself() -> None:
    """`En Enen` with an ending, besides the word `Enenen`: all of it belongs to the name."""
    terms = terms_of(b'{"resourceType":"Patient","name":[{"family":"Enenen"}]}')
    for automaton in (Automaton(terms), in_python(terms)):
        assert automaton.scrub("En Enenen", MARKER) == MARKER
        assert automaton.scrub("En und Enenen", MARKER) == f"En und {MARKER}"


@pytest.mark.parametrize("terms", TERMS, ids=["1", "2", "3"])
def test_drawn_markup(terms: Terms) -> None:
    fast, slow, draw = Automaton(terms), in_python(terms), random.Random(2)
    told = 0
    for _ in range(3_000):
        text = marked_up(draw)
        assert fast.scrub(text, MARKER, xhtml=True) == slow.scrub(text, MARKER, xhtml=True), text
        assert fast.scrub(text, MARKER) == slow.scrub(text, MARKER), text
        if "&" not in text:
            told += compiled_search(terms.encode()).scrubbed(text, MARKER, markup=True) is not None
    assert "b" in plain_tags and told > 500


@pytest.mark.parametrize("shape", ["ndjson", "torch"])
def test_texts_of_a_cohort(tmp_path: Path, shape: str) -> None:
    generate(tmp_path, size=400_000, seed=3, shape=shape)
    lines = [line for file in sorted(tmp_path.glob("*.ndjson")) for line in file.read_bytes().splitlines()]
    gatherer = TermsGatherer()
    for line in lines:
        gatherer.take(line)
    people = [Terms.decode(row) for _, row in gatherer.rows()]
    texts = sorted({text for line in lines for text in strings(json.loads(line)) if " " in text})
    assert len(texts) > 300
    for terms in people[:8]:
        fast, slow = Automaton(terms), in_python(terms)
        for text in texts:
            for xhtml in {False, text.startswith("<")}:
                assert fast.scrub(text, MARKER, xhtml=xhtml) == slow.scrub(text, MARKER, xhtml=xhtml), text


def strings(value: object) -> Iterator[str]:
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from strings(one)
    elif isinstance(value, str):
        yield value


def test_each_character_folds_and_divides_as_it_does_in_python() -> None:
    known = 0
    for code in range(0x3000):
        char = chr(code)
        for text in (f"xa{char}eß", f"\u00adxa{char}eß", f"x {char}s y"):
            terms = Terms(words={*words(text), run(text), "x"} - {""}, runs={"xas"})
            found = compiled_search(terms.encode()).spans(text)
            assert found is None or found == Search(terms).spans(text), hex(code)
            known += found is not None
    assert known > 3 * 2_500


def test_long_texts() -> None:
    """More terms, and more text, than there is room for at first."""
    fast, slow = Automaton(TERMS[0]), in_python(TERMS[0])
    text = "Rose sagt: ä " * 3_000
    assert len(text.encode()) > _ROOM_FOR_TEXT
    assert fast.scrub(text, MARKER) == slow.scrub(text, MARKER) == f"{MARKER} sagt: ä " * 3_000
    assert fast.spans(text) == slow.spans(text)
    text = "Li, " * (_ROOM_FOR_TEXT // 4)  # the text has room, not what comes of it
    fast, slow = Automaton(TERMS[2]), in_python(TERMS[2])
    assert fast.scrub(text, MARKER) == slow.scrub(text, MARKER) == f"{MARKER}, " * (_ROOM_FOR_TEXT // 4)


@pytest.mark.parametrize(
    "terms",
    [
        Terms(words={""}),
        Terms(codes={"ab"}),
        Terms(words={"a\n"}),
        Terms(runs={"1970-05-06"}, births={"1970-05-06"}),
    ],
)
def test_odd_terms_are_left_to_python(terms: Terms) -> None:
    assert compiled_search(terms.encode()) is None
    assert Automaton(terms).spans("x a\u0301 ab 1970-05-06 y") == Search(terms).spans(
        "x a\u0301 ab 1970-05-06 y"
    )


@pytest.mark.parametrize(
    "text", ["Sche", "Ssche", "s", "Sens", "ss", "sse", "es", "05.06.1970", "05/06/1970", "5-6-70"]
)
def test_short_names_and_days_in_another_order(text: str) -> None:
    terms = Terms(words={"s", "e"}, births={"1970-05-06"})
    assert compiled_search(terms.encode()).spans(text) == Search(terms).spans(text)


@pytest.mark.parametrize("cut", range(1, 60))
def test_broken_terms_are_refused(cut: int) -> None:
    whole = Terms(words={"müller"}, codes={"ukx0123", "4711"}, births={"1970-05-06"}).encode()
    assert compiled_search(whole) is not None
    with pytest.raises(ValueError):
        Automaton(whole[:-cut])


def test_both_mean_the_same_numbers() -> None:
    lists = [loops.NAMES, loops.RUNS, loops.CODES, loops.PHONES, loops.BIRTHS, loops.BESIDE]
    assert lists == [1 << at for at in range(len(Terms.__slots__))]
    assert Terms.__slots__ == ("words", "runs", "codes", "phones", "births", "beside")
    assert loops.INSIDE == search.INSIDE_WORDS and births.WIDEST == search.WIDEST
    assert loops.SHORTEST_RUN == names.SHORTEST_RUN
    assert (
        max(map(len, INFLECTIONS)) == loops.LONGEST_ENDING
        and max(map(len, search.TRUNKS)) == loops.LONGEST_TRUNK
    )
