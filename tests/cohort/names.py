"""Invented names of persons, streets and towns, record numbers, dates: all from one `Draw` per patient."""

import unicodedata
from calendar import isleap, monthrange
from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")

FIRST = (
    "Müller Schäfer König Weiß Groß Jäger Köhler Böhm Kühn Günther Schröder Krüger Hübner Förster Brückner "
    "Kästner Lösch Mühl Nägel Öhler Pfützer Räuber Sänger Tölke Übler Völker Wächter Zöllner Amsel Birken Drossel "
    "Eichen Fichten Gerber Hasel Ilmen Kranich Linden Marder Nessel Otter Pappel Quitten Reiher Specht Tannen Ulmen "
    "Veilchen Weiden Zeder"
).split()
MIDDLE = ("", *"berg wald bach feld stein born moor lund horst sund garten kamp".split())
SECOND = (
    "ström hagen büttel rödder stößer brück wühler döring mörs lüneck tröndle sprößling kämper fährig grüning "
    "bölling schütz häuser nöthen pföhl räther säuberlich thürnau vögtlin wöhrle zürnich heiß spieß strauß preiß"
).split()
# Of people whom no resource knows: no other name begins like these.
STRANGE = (
    "Papagei Flamingo Pinguin Kolibri Tukan Kormoran Pelikan Albatros Kakadu Nandu Ibis Kasuar Beo Zeisig Girlitz Pirol"
).split()
GIVEN_W = (
    "Friederike Annegret Jördis Käthe Zoë Gönül Mechthild Walburga Rosalinde Sünje Edeltraud Irmgard Dörte Hedwig "
    "Liesbeth Ottilie Thekla Wiebke Kunigunde Adelheid"
).split()
GIVEN_M = (
    "Joachim Björn Götz Jürgen Sönke Hartmut Volkmar Ekkehard Wolfram Detlef Burkhard Gerfried Heinrich Ansgar Günter "
    "Lüder Thorwald Winfried Ruprecht Leberecht"
).split()
STREET_A = (
    "Schwalben Holunder Kräuter Brombeer Glühwürmchen Sägewerks Mühlbach Störche Wäscher Kürschner Böttcher "
    "Lärchen Rößler Schmöker Füchsle Hänfling Küster Töpfer Grünspecht Eulen"
).split()
STREET_B = (
    "mühlenstraße grabenweg winkelgasse hügelallee brückenstieg bühlstraße teichpfad kirchäcker höhenring "
    "wällchen tälesweg kämpchen stegstraße schlößchenplatz büschlesgasse"
).split()
CITY_A = (
    "Ober Unter Groß Klein Neu Alt Hohen Nieder Mittel Kreuz Wüsten Frauen Mönchs Königs Bärn Hörn Möllen Süder"
).split()
CITY_B = (
    "krähenwinkel büttelstedt wölfershain rüdenbach sössnitz lüchtringen gänserode mühlhofen pfüllingen röthelheim "
    "strüppau vörden zwölfeichen häselgehr tüßlingen"
).split()
# State, first digits of its postal codes, first digits of its municipality keys (AGS).
STATES = (
    ("DE-SN", "01", "14"), ("DE-TH", "07", "16"), ("DE-BE", "10", "11"), ("DE-MV", "17", "13"), ("DE-HH", "20", "02"),
    ("DE-SH", "24", "01"), ("DE-NI", "30", "03"), ("DE-HE", "35", "06"), ("DE-NW", "50", "05"), ("DE-RP", "55", "07"),
    ("DE-SL", "66", "10"), ("DE-BW", "70", "08"), ("DE-BY", "80", "09"),
)  # fmt: skip
# Nobility: own-prefix, namenszusatz (or "").
NOBILITY = (
    ("von", ""), ("von der", ""), ("zu", ""), ("von und zu", ""), ("vom", ""),
    ("von", "Freiherr"), ("von", "Gräfin"), ("zu", "Graf"), ("von", "Edler"), ("auf der", ""), ("van den", ""),
)  # fmt: skip
TITLES = ("Dr. med.", "Prof. Dr.", "Dr.", "Dipl.-Ing.")

_ASCII = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ë": "e", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"}
)


def _days(first: int, last: int) -> list[str]:
    """Every date of the years `first` to `last` as YYYY-MM-DD."""
    return [
        f"{year}-{month:02d}-{day:02d}"
        for year in range(first, last + 1)
        for month in range(1, 13)
        for day in range(1, monthrange(year, month)[1] + 1)
    ]


# Births end before care begins: a birth date in an output is then never a date of care that may stay.
BIRTHS = _days(1925, 2012)
CARE = _days(2016, 2025)
_SUMMER = {"04", "05", "06", "07", "08", "09"}
_ZONES = ["+02:00" if day[5:7] in _SUMMER else "+01:00" for day in CARE]
assert isleap(2024) and "2024-02-29" in CARE


def ascii_form(name: str) -> str:
    """Name as it is written in an e-mail address: `Müllerström` -> `muellerstroem`."""
    return name.translate(_ASCII).lower().replace(" ", "")


def _transcribed(name: str) -> str:
    """Name without umlauts, as in a telegram: `Müllerström` -> `Muellerstroem`."""
    return name.translate(_ASCII)


SPELLINGS = (
    str.upper,
    str.lower,
    _transcribed,
    lambda name: name.replace("-", " "),
    lambda name: name + "s",
    lambda name: unicodedata.normalize("NFD", name),
)
"""How people and systems write a name."""


def kvnr(number: int) -> str:
    """German health insurance number: letter, 8 digits, check digit (GKV-Spitzenverband, modified Luhn).

    The letter counts as its two-digit place in the alphabet; weights 1, 2, 1, ...; digit sums; modulo 10.
    """
    number %= 26 * 10**8
    letter, digits = divmod(number, 10**8)
    text = f"{letter + 1:02d}{digits:08d}"
    total = 0
    for place, char in enumerate(text):
        product = (ord(char) - 48) * (1 + place % 2)
        total += product if product < 10 else product - 9
    return f"{chr(65 + letter)}{digits:08d}{total % 10}"


class Draw:
    """Random choices for one patient. It hangs on (seed, number) only, so any patient can be made alone."""

    def __init__(self, seed: int, number: int) -> None:
        self.number = number
        self._source = Random((seed << 48) | number)
        self.random = self._source.random
        self.bytes = self._source.randbytes

    def below(self, limit: int) -> int:
        return int(self.random() * limit)

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self.random() * len(items))]

    def chance(self, part: float) -> bool:
        return self.random() < part

    def uuid(self) -> str:
        text = self.bytes(16).hex()
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def family(self) -> str:
        name = self.pick(FIRST) + self.pick(MIDDLE) + self.pick(SECOND)
        if self.chance(0.3):
            name += "-" + self.pick(FIRST) + self.pick(SECOND)
        return name

    def stranger(self) -> str:
        return self.pick(STRANGE) + self.pick(MIDDLE) + self.pick(SECOND)

    def spelt(self, name: str) -> str:
        """A name as somebody may write it; half of them as it is."""
        return name if self.chance(0.5) else self.pick(SPELLINGS)(name)

    def given(self, female: bool) -> str:
        """Double given name. A single one would be too common a word to search for."""
        names = GIVEN_W if female else GIVEN_M
        return self.pick(names) + "-" + self.pick(names)

    def street(self) -> str:
        return self.pick(STREET_A) + self.pick(STREET_B)

    def city(self) -> str:
        return self.pick(CITY_A) + self.pick(CITY_B)

    def phone(self) -> str:
        a, b = self.below(9_000) + 1_000, self.below(90_000) + 10_000
        form = self.below(4)
        if form == 0:
            return f"+49 1{self.pick((51, 60, 62, 70, 76))} {a} {b}"
        if form == 1:
            return f"0{a} / {b // 100} {b % 100:02d} {a % 90 + 10}"
        if form == 2:
            return f"(0{a // 10}) {b}-{a % 100:02d}"
        return f"+49-{a}-{b}{a % 10}"

    def moment(self, day: int) -> str:
        """A time on day `day` (an index of CARE) with the German offset of that month."""
        at = self.below(86_400)
        return f"{CARE[day]}T{at // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}{_ZONES[day]}"
