"""How people spell names, dates and telephone numbers: words folded so that all spellings of one are equal."""

import re
import unicodedata
from functools import lru_cache

JOINERS = "\u0300-\u036f\u00ad\u200b-\u200d\u2060\ufeff"
"""Accents that stand alone (NFD), soft hyphens, and what else is not seen inside a word; for a character class."""

LATIN = "A-Za-zªµºÀ-ÖØ-öø-ɏ"
UNUSUAL = "\u00ad\u0250-\u1fff\u200b-\u200f\u2060-\u209f\u20a0-\U0010ffff"
"""What only the second pattern tells right, which is slower: other scripts, accents that stand alone, what is not seen."""
_WORD = re.compile(f"([{LATIN}]+|[0-9]+)")
_ANY_WORD = re.compile(rf"((?:[^\W\d_]++|[{JOINERS}]++)++|\d+)")
_unusual = re.compile(f"[{UNUSUAL}]").search


def cut(text: str) -> list[str]:
    """A text in parts, which together are the text: at odd places its words, at even ones what is between them.

    A word is letters or digits, since `Müller2024` and `UKX 0123` are written with a gap or without.
    """
    return (_WORD if text.isascii() or not _unusual(text) else _ANY_WORD).split(text)


_JOINERS = re.compile(f"[{JOINERS}]+")
_OTHERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
_TRANSCRIBED = re.compile("(?<=[aou])e+")
_DOUBLED_S = re.compile("s{2,}")

INFLECTIONS = ("s es ens n en ns er in innen sch sche schen schem scher sches").split()  # noqa: SIM905
"""What may follow a name within one word: Müllers, Hansens, die Müllerin, Müllersche."""

APOSTROPHES = "'’‘`´ʼ"

PARTICLES = frozenset(
    [
        "von",
        "vom",
        "zu",
        "zum",
        "zur",
        "und",
        "der",
        "den",
        "dem",
        "des",
        "die",
        "das",
        "auf",
        "aus",
        "im",
        "in",
        "am",
        "an",
        "van",
        "vander",
        "ter",
        "ten",
        "te",
        "de",
        "del",
        "della",
        "di",
        "da",
        "do",
        "dos",
        "das",
        "du",
        "la",
        "le",
        "les",
        "el",
        "al",
        "bin",
        "ibn",
        "ben",
        "y",
        "e",
        "af",
        "av",
        "freiherr",
        "freifrau",
        "freiin",
        "frhr",
        "graf",
        "gräfin",
        "edler",
        "edle",
        "ritter",
        "baron",
        "baronin",
        "baronesse",
        "fürst",
        "fürstin",
        "prinz",
        "prinzessin",
        "herzog",
        "herzogin",
        "dr",
        "prof",
        "med",
        "dipl",
        "ing",
        "phil",
        "rer",
        "nat",
        "dent",
        "mag",
        "jr",
        "sr",
        "junior",
        "senior",
        "herr",
        "frau",
    ]
)
"""Parts of names, in lower case, that are common words: they identify nobody without the rest of the name."""

_MONTHS = (
    "Januar Jänner January Jan", "Februar Feber February Feb", "März Maerz March Mrz Mär Mar", "April Apr", "Mai May",
    "Juni Juno June Jun", "Juli Julei July Jul", "August Aug", "September Sept Sep", "Oktober October Okt Oct",
    "November Nov", "Dezember December Dez Dec",
)  # fmt: skip


def plain(word: str) -> str:
    """A word without case and accents, each of its characters for itself."""
    if not word.isascii():
        word = unicodedata.normalize("NFKD", word.casefold())
        word = _JOINERS.sub("", word).translate(_OTHERS)
    return word.casefold()


@lru_cache(20_000)
def fold(word: str) -> str:
    """What is equal in all spellings of a word: no case, no accents; `Müller`, `Mueller` and `Muller` are one, `ß` is `s`.

    Different words may fold to the same (Bauer, Baur); rather one word too many is replaced than one too few.
    """
    word = plain(word)
    if "ae" in word or "oe" in word or "ue" in word:
        word = _TRANSCRIBED.sub("", word)
    return _DOUBLED_S.sub("s", word) if "ss" in word else word


def _shape(char: str) -> str:
    key = fold(char)
    return key if len(key) == 1 and key.isascii() and key.isalpha() else char


_SHAPES = "".join(map(_shape, map(chr, range(256)))).encode("latin-1")


def shaped(text: str) -> str:
    """A text with its letters folded one by one, as far as they stay one letter, and all else where it was. It has the same words
    as before, which fold faster; a text with characters beyond ISO 8859-1 stays as it is."""
    try:
        return text.encode("latin-1").translate(_SHAPES).decode("latin-1")
    except UnicodeEncodeError:
        return text


def words(text: str) -> list[str]:
    """The folded words of a text."""
    return [fold(word) for word in cut(text)[1::2]]


def run(text: str) -> str:
    """The folded words of a text without anything between them."""
    return "".join(words(text))


MONTHS = tuple(frozenset(fold(name) for name in names.split()) for names in _MONTHS)
"""The folded names of each month, German, Austrian and English, long and short."""

FOLDED_PARTICLES = frozenset(map(fold, PARTICLES))


_BY_LAST = {last: [e for e in INFLECTIONS if e[-1] == last] for last in {e[-1] for e in INFLECTIONS}}


def stems(word: str) -> tuple[str, ...]:
    """A word folded, and what it may be an inflected form of; an `s` of the ending is lost behind one of the word (Weiß, Weißsche)."""
    key = fold(word)
    found = [key]
    for ending in _BY_LAST.get(key[-1:], ()):
        if key.endswith(ending) and len(key) > len(ending):
            found.append(key[: -len(ending)])
        if ending[0] == "s" and len(ending) > 1 and key.endswith(ending) and len(key) > len(ending):
            found.append(key[: 1 - len(ending)])
    return tuple(found)


class Stems(dict[str, tuple[str, ...]]):
    """The stems of words, remembered: texts consist of the same words again and again."""

    MOST = 20_000
    """Words before it starts again."""

    def __missing__(self, word: str) -> tuple[str, ...]:
        if len(self) >= self.MOST:
            self.clear()
        found = self[word] = stems(word)
        return found


def street_forms(line: str) -> list[str]:
    """A line of an address, folded, with `straße` spelled out or cut short (Hauptstraße, Haupt Str.)."""
    whole = run(line)
    forms = {whole, whole.replace("strase", "str")}
    forms |= {re.sub(r"str(?=\d|$)", "strase", form) for form in list(forms)}
    return sorted(forms)


def national_number(phone: str) -> str:
    """The digits of a telephone number without what may be left out: +49, 0049, (0), 0; '' for what is too short for one."""
    digits = re.sub(r"\D", "", phone.replace("(0)", ""))
    if phone.strip().startswith("+") or digits.startswith("00"):
        digits = digits.removeprefix("00")
        digits = digits.removeprefix("49") or digits
    digits = digits.lstrip("0")
    return digits if len(digits) >= 6 else ""


def local_number(phone: str) -> str:
    """The digits behind an area code that is set apart by a bracket or a slash; '' where that cannot be told."""
    _, mark, local = phone.replace("(0)", "").rpartition(")" if ")" in phone.replace("(0)", "") else "/")
    digits = re.sub(r"\D", "", local)
    return digits if mark and len(digits) >= 6 else ""
