"""The terms of one patient, found in a text and replaced."""

from dimpflow.scrub.markup import Markup, Span, edited
from dimpflow.scrub.search import Search
from dimpflow.scrub.terms import Terms

MARKER = "***"


class Automaton:
    """The terms of one patient, ready to be searched for. It is asked for one text at a time and keeps nothing of
    it."""

    __slots__ = ("_compiled", "_encoded", "_search")

    def __init__(self, terms: Terms | bytes) -> None:
        """terms: encoded ones are ready sooner. msgspec.DecodeError, ValueError for what is none."""
        from dimpflow.scrub.compiled import compiled_search  # brings Numba: only who scrubs pays for it

        self._encoded = terms if isinstance(terms, bytes) else terms.encode()
        self._compiled = compiled_search(self._encoded)
        self._search = None if self._compiled is not None else Search(Terms.decode(self._encoded))

    def scrub(self, text: str, marker: str = MARKER, *, xhtml: bool = False) -> str:
        """The text with each term replaced by the marker; the same text where there is none.

        xhtml: the text is XHTML, which stays well-formed (the marker must be text without `<`, `&`, quotes, `--`).
        """
        markup = "<" in text or "&" in text
        if self._compiled is not None and (not markup or (xhtml and text[0] == "<" and "&" not in text)):
            new = self._compiled.scrubbed(text, marker, markup=markup)
            if new is not None:
                return new
        if markup:
            return self._within_markup(text, marker, xhtml=xhtml)
        spans = self.spans(text)
        return edited(text, [(start, end, marker) for start, end in spans]) if spans else text

    def _within_markup(self, text: str, marker: str, *, xhtml: bool) -> str:
        markup = Markup(text, xhtml=xhtml)
        spans = self.spans(markup.seen)
        if not spans and not markup.hidden:
            return text
        return markup.replaced(spans, marker, lambda part: self.scrub(part, marker))

    def spans(self, text: str) -> list[Span]:
        """Where terms stand in a text without markup, in order, not overlapping."""
        if self._compiled is not None:
            found = self._compiled.spans(text)
            if found is not None:
                return found
        if self._search is None:
            self._search = Search(Terms.decode(self._encoded))
        return self._search.spans(text)
