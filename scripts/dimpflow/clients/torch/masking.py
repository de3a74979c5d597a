"""Texts of a server that may hold ids of patients and resources, made fit for messages.

What TORCH says of an issue is a sentence of a program with values put in (torch-crtdl.md 1.4, Privacy). What stays is what such a
sentence is made of: words, small numbers, names of FHIR elements, profiles, states and error codes. All else becomes `…`. So an id
with a digit or a dash never stays, nor does what is quoted, assigned or follows the name of a type; a surname would, if a program
wrote it bare into its sentence, which TORCH has no reason for.
"""

import re

from dimpflow.fhir.table import RESOURCE_TYPES, elements

HIDDEN = "…"

_MOST_READ = 10_000
"""Characters of a text that are looked at; far more than are ever shown."""
_LONGEST_WORD = 40

_TOKENS = re.compile(
    r"""
      (?P<gap>\s+)
    | (?P<quoted>["“”„«»`](?:\\.|[^"“”„«»`])*(?:["“”„«»`]|$)
        | (?<!\w)['‘’‚‹›](?:\\.|.)*?(?:['‘’‹›](?!\w)|$))
    | (?P<url>[A-Za-z][A-Za-z0-9+.-]*://[^\s"“”„«»`]*)
    | (?P<uuid>(?<![\w-])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![\w-]))
    | (?P<numbers>(?<!\w)\d+(?:[ .,:/|_-]+\d+)+(?!\.*[\w-]))
    | (?P<mark>[][(){}<>,;:!?|&])
    | (?P<chunk>[^][(){}<>,;:!?|&\s"“”„«»`]+)
    """,
    re.VERBOSE,
)
_QUOTES = "\"“”„«»`'‘’‚‹›"
_HIDDEN_RUN = re.compile(rf"{HIDDEN}(?:[\s.,;:|&]*{HIDDEN})+")
_URL = re.compile(r"(https?://[A-Za-z0-9.-]+(?::\d{1,5})?)(?:([/?#].*)|$)", re.IGNORECASE)
# Who defines profiles; on other hosts, and elsewhere on these, a path may name a resource.
_CANONICAL = re.compile(
    r"https?://(?:[a-z0-9-]+\.)*(?:hl7\.org|hl7\.de|fhir\.de|fhir\.org|medizininformatik-initiative\.de|mii\.de|gematik\.de|kbv\.de|"
    r"netzwerk-universitaetsmedizin\.de|simplifier\.net)(?:/[A-Za-z0-9.-]+)*"
    r"/(?:StructureDefinition|ValueSet|CodeSystem|SearchParameter)/[A-Za-z0-9.-]*[A-Za-z0-9]"
)
_LONG_NUMBER = re.compile(r"\d{4}")
_NUMBER = re.compile(r"[0-9]{1,3}%?")
_NAME = re.compile(  # camel case of whole words; random letters are not
    r"(?:[A-Z]{2,5})?[A-Za-z]?[a-z]+(?:[A-Z][a-z]{2,})*(?:Id|IDs?)?"
)
_CONTRACTED = re.compile(r"([^\W\d_]+)['’](?:s|t|re|ll|ve|d)")
_STATE = re.compile(r"[A-Z]+(?:_[A-Z]+)+")
_CODE = re.compile(  # torch-crtdl.md 1.10
    r"(?:RESULT|CONSENT_VALIDATOR|FHIR_CONTROLLER|DATASTORE|PROCESSING|RESOURCE_REFLECTION|REDACTION)_[0-9]{2}"
)
_PATH = re.compile(r"([A-Z][A-Za-z]+)\.([a-z][A-Za-z]*)(?:\.[a-z][A-Za-z]*)*")
_EXCEPTION = re.compile(r"(?:[a-z][a-z0-9]*\.)+([A-Z][A-Za-z]*(?:Exception|Error))")
_OPERATIONS = frozenset(("$extract-data", "$resume", "$cancel", "$pause"))
_FILES = frozenset(("core.ndjson",))

# Words that a bare number after them belongs to; after the first few, so does anything that a colon or `=` puts there.
_NAMING = frozenset(
    ("id", "ids", "identifier", "identifiers", "patient", "patients", "subject", "name", "names", "mrn", "pid", "kvnr", "case")
)  # fmt: skip
_COUNTING = _NAMING | {"resource", "resources", "reference", "references", "number", "no", "nr", "fall"}
_TYPES = frozenset(type_.casefold() for type_ in RESOURCE_TYPES)


def one_line(text: str) -> str:
    """The text without line breaks, runs of blanks and what plays with a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def cut(text: str, most: int) -> str:
    """At most so many characters; `…` at the end says that there were more."""
    return text if len(text) <= most else text[: most - 1].rstrip() + HIDDEN


def masked(text: str, job_id: str | None = None) -> str:
    """The text on one line, with `…` for all that may be an identifier, but for the id of the job itself."""
    text = one_line(text)
    if len(text) > _MOST_READ:
        text = text[:_MOST_READ].rpartition(" ")[0] + " " + HIDDEN
    shown = "".join(_Masker(job_id).pieces(text))
    return _HIDDEN_RUN.sub(HIDDEN, shown)


class _Masker:
    """Goes through one text from left to right."""

    def __init__(self, job_id: str | None) -> None:
        self._job_id = job_id
        self._word = ""  # the last one
        self._assigned = False  # what comes next is a value, up to a blank
        self._hid_value = False
        self._beside_hidden = False  # no blank since something hidden

    def pieces(self, text: str) -> list[str]:
        found = []
        for token in _TOKENS.finditer(text):
            found.append(self._piece(token, text[token.end() : token.end() + 1]))
            if token.lastgroup != "mark":
                self._beside_hidden = found[-1].endswith(HIDDEN)
        return found

    def _piece(self, token: re.Match[str], following: str) -> str:
        kind, text = token.lastgroup, token[0]
        if kind == "gap":
            if self._hid_value:
                self._assigned = self._hid_value = False
            return text
        if kind == "mark":
            if text == ":" and (
                self._word in _NAMING or (self._word in _COUNTING | _TYPES and following.strip())
            ):
                self._assigned = True
            return text
        if self._assigned and any(map(str.isalnum, text)):
            self._hid_value = True
            return HIDDEN
        if kind == "quoted":
            return self._quoted(text)
        if kind == "url":
            return self._url(text)
        if kind == "uuid":
            return text if text.lower() == self._job_id else HIDDEN
        return HIDDEN if kind == "numbers" else self._chunk(text)

    def _quoted(self, text: str) -> str:
        if len(text) == 1 or text[-1] not in _QUOTES:  # never closed
            return text[0] + HIDDEN
        inner = text[1:-1]
        profile = _CANONICAL.fullmatch(inner) and not _LONG_NUMBER.search(inner)
        return text[0] + (inner if profile else self._named(inner) or HIDDEN) + text[-1]

    def _url(self, text: str) -> str:
        bare = text.rstrip(".,;:!?()[]{}<>'’")
        tail = text[len(bare) :]
        canonical = _CANONICAL.match(bare)
        if canonical and not _LONG_NUMBER.search(canonical[0]):
            return canonical[0] + (HIDDEN if canonical[0] != bare else "") + tail
        address = _URL.fullmatch(bare)
        if address is None:
            return HIDDEN + tail
        return address[1] + (f"/{HIDDEN}" if address[2] else "") + tail

    def _chunk(self, text: str) -> str:
        """A piece without blanks, quotes and most marks."""
        bare = text.rstrip(".")
        tail = text[len(bare) :]
        before, self._word = self._word, ""
        if "=" in bare:
            name, _, value = bare.partition("=")
            self._assigned, self._hid_value = True, bool(value)
            return (self._known(name) or HIDDEN if name else "") + "=" + (HIDDEN + tail if value else tail)
        if _NUMBER.fullmatch(bare):
            return (HIDDEN if self._beside_hidden or before in _COUNTING | _TYPES else bare) + tail
        type_, slash, after = bare.partition("/")
        if slash and type_ in RESOURCE_TYPES:
            return f"{type_}/{after if after.lower() == self._job_id else HIDDEN}{tail}"
        if shown := self._known(bare):
            self._word = bare.casefold()
            return shown + tail
        return (HIDDEN if any(map(str.isalnum, bare)) else bare) + tail

    def _known(self, text: str) -> str:
        """The text if it is a word or a name that stays, else ""."""
        if contracted := _CONTRACTED.fullmatch(text):
            return text if _is_word(contracted[1]) else ""
        return text if _is_word(text) else self._named(text)

    def _named(self, text: str) -> str:
        """The text if it is the name of something that is no person and no resource, else ""."""
        if _STATE.fullmatch(text) or _CODE.fullmatch(text) or text in _OPERATIONS or text in _FILES:
            return text
        if text.lower() == self._job_id:
            return text
        if exception := _EXCEPTION.fullmatch(text):
            return exception[1]
        return text if _is_path(text) else ""


def _is_word(text: str) -> bool:
    if len(text) > _LONGEST_WORD or not text.isalpha():
        return False
    return text.isupper() or text.islower() or text[1:].islower() or bool(_NAME.fullmatch(text))


def _is_path(text: str) -> bool:
    """Whether it is the path of an element of a FHIR type, such as Condition.code.coding."""
    path = _PATH.fullmatch(text)
    if path is None or path[1] not in RESOURCE_TYPES:
        return False
    return any(path[2] in (element.name, element.json) for element in elements(path[1])) and all(
        _is_word(part) for part in text.split(".")
    )
