"""Checks of a page's text: complete, well nested, and with links only to the files beside it."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

VOID = ("meta",)
EMBEDDED = (
    "script",
    "link",
    "img",
    "iframe",
    "object",
    "embed",
    "base",
    "form",
    "audio",
    "video",
    "source",
    "use",
    "image",
)


class Page(HTMLParser):
    """A page's elements and texts; fails where they are not well nested."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), tuple(self.open)))
        assert len(dict(attributes)) == len(attributes)
        self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes, _ in self.elements if name == tag]

    @property
    def text(self):
        return "".join(self.words)


def check(file: Path) -> Page:
    """The page in a file, checked."""
    text = file.read_text(encoding="utf-8")
    page = Page(text)
    names = [name for name, *_ in page.elements]
    assert not {*names} & {*EMBEDDED}
    assert names.count("h1") == names.count("main") == names.count("nav") == 1
    assert [within for name, _, within in page.elements if name == "title"].count(("html", "head")) == 1
    assert page.all("html") == [{"lang": "en"}]
    assert {"charset": "utf-8"} in page.all("meta")
    identifiers = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(set(identifiers)) == len(identifiers)
    for _, attributes, _ in page.elements:
        assert not {*attributes} & {"src", "srcset", "style", "action", "xlink:href"}
        assert not any(name.startswith("on") for name in attributes)
        if "href" in attributes:
            _check_link(attributes["href"], file.parent, identifiers)
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in identifiers
    contents = [a["href"] for name, a, within in page.elements if name == "a" and "nav" in within]
    assert contents == [f"#{section['aria-labelledby']}" for section in page.all("section")] != []
    assert all(heading["scope"] in ("col", "row") for heading in page.all("th"))
    assert names.count("caption") == names.count("table")
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert not re.search(r"url\(|@import|expression", style)
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        root = ElementTree.fromstring(drawing)
        assert root.get("role") == "img"
        assert root.get("aria-label") == root.find("title").text != ""
        assert not re.search(r"nan|inf\b", drawing.lower().split("<title>")[0])
        assert all(re.fullmatch(r"-?[\d.]+(e-?\d+)?", one.get(key)) for one in root.iter("rect") for key in ("x", "y"))
        assert all(float(one.get(key)) >= 0 for one in root.iter("rect") for key in ("width", "height"))
    return page


def _check_link(link, folder, identifiers):
    parts = urlsplit(link)
    assert (parts.scheme, parts.netloc) == ("", "")
    if link.startswith("#"):
        assert link[1:] in identifiers
    else:
        path = Path(unquote(link))
        assert not path.is_absolute()
        assert ".." not in path.parts
        assert (folder / path).is_file()
