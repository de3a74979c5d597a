"""Reads pages of HTML strictly, for tests: what is not well-formed, or loads anything, fails."""

import re
from html.parser import HTMLParser

from dimpflow.audit.pages import frame

VOID = frozenset(("meta", "br", "hr", "img", "link", "input"))
_LOADS = frozenset(
    ("script", "link", "img", "iframe", "object", "embed", "base", "form", "audio", "video", "source")
)


class Page(HTMLParser):
    """texts: of each element that holds text, by its tag; tables: rows of cells, without the markup in them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.headings: list[tuple[int, str]] = []
        self.said: list[str] = []
        self.style = ""
        assert text.startswith("<!DOCTYPE html>\n") and text.count("<!DOCTYPE") == 1
        self.feed(text)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    @property
    def text(self) -> str:
        """All that a reader sees, with single blanks; the thin gaps in numbers stay."""
        return re.sub(r"[ \n\u00a0]+", " ", "".join(self.said)).strip()

    @property
    def rows(self) -> dict[str, list[str]]:
        """Cells behind the first, by the first; of all tables."""
        return {row[0]: row[1:] for table in self.tables for row in table}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert len(found) == len(attrs), f"an attribute comes twice in {tag}"
        assert tag not in _LOADS, tag
        scripts = [value for name, value in found.items() if name.startswith("on")]
        assert scripts in ([], ["print()"] if tag == "button" else []), tag
        assert not {"src", "action", "style"} & {*found}, f"{tag} {sorted(found)}"
        assert str(found.get("href", "#")).startswith("#"), f"{tag} leads elsewhere"
        self.tags.append((tag, found))
        if tag in VOID:
            return
        if tag in ("p", "h1", "h2", "h3", "table", "ul", "pre"):
            assert not {"p", "h1", "h2", "h3", "pre", "span", "code"} & {*self.open}, f"{tag} in {self.open}"
        self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            assert self.open[-2] == "tr"
            self.tables[-1][-1].append("")
        elif tag in ("h1", "h2", "h3"):
            self.headings.append((int(tag[1]), ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> in {self.open}"
        self.open.pop()
        self.said.append(" " if tag not in ("code", "strong", "span") else "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert "svg" in self.open, f"<{tag}/> is none of HTML"
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            self.style += data
            return
        if self.open and self.open[-1] not in ("title", "desc"):
            self.said.append(data)
        if {"td", "th"} & {*self.open}:
            self.tables[-1][-1][-1] += data
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)


def read_page(made: str | frame.Page, language: str = "en") -> Page:
    """The page, if it is one that stands alone: well-formed, with one heading of the first level, in its language, tables with named
    columns and rows, and nothing that would be loaded."""
    page = Page(made if isinstance(made, str) else made.document())
    assert page.tags[0] == ("html", {"lang": language})
    assert [level for level, _ in page.headings].count(1) == 1 and page.headings[0][0] == 1
    assert all(
        later <= earlier + 1
        for (earlier, _), (later, _) in zip(page.headings, page.headings[1:], strict=False)
    )
    assert not re.search(r"url\s*\(|@import|expression\s*\(|https?:", page.style)
    assert page.style.count("{") == page.style.count("}")
    for tag, attributes in page.tags:
        if tag == "th":
            assert attributes.get("scope") in ("col", "row", "rowgroup", None)
    return page


def plain(number: str) -> int:
    """A number as pages write it."""
    return int(number.replace("\u202f", ""))
