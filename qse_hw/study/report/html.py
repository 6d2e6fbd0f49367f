"""HTML from small functions. What is plain text is escaped; only what these functions made is taken as it is."""

from collections.abc import Container, Iterable, Sequence
from html import escape

_VOID = ("meta", "br", "line", "rect", "circle", "path", "polyline")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def join(parts: Iterable[str], between: str = "\n") -> Html:
    """All parts, one after another."""
    return Html(escape(between, quote=False).join(_safe(part) for part in parts))


def tag(element: str, /, *content: str, **attributes: str | float | None) -> Html:
    """An element; ``class_="a"`` and ``aria_label="b"`` become ``class`` and ``aria-label``, None is left out."""
    present = {key.strip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    given = "".join(f' {key}="{_value(value)}"' for key, value in present.items())
    if element in _VOID:
        return Html(f"<{element}{given}/>")
    return Html(f"<{element}{given}>{join(content, '')}</{element}>")


def paragraph(*content: str) -> Html:
    """Text, with elements in it."""
    return tag("p", *content)


def code(text: str) -> Html:
    """A few words of a program or a command."""
    return tag("code", text)


def listing(text: str) -> Html:
    """Lines of a program, or commands; long ones scroll."""
    return tag("pre", tag("code", text), class_="scroll", tabindex="0")


def table(
    caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1, quiet: Container[int] = ()
) -> Html:
    """A table that scrolls within the page; the first column are the rows' headings.

    Args:
        caption: what it shows.
        headings: of the columns.
        rows: as many cells each.
        left: so many columns hold words; the others hold numbers, to the right.
        quiet: numbers of the rows that only comment on the one above.
    """

    def cell(element: str, column: int, content: str, scope: str | None) -> Html:
        return tag(element, content, class_=None if column < left else "number", scope=scope)

    head = tag("tr", *(cell("th", number, heading, "col") for number, heading in enumerate(headings)))
    body = [
        tag(
            "tr",
            *(cell("td" if n else "th", n, content, None if n else "row") for n, content in enumerate(row)),
            class_="quiet" if number in quiet else None,
        )
        for number, row in enumerate(rows)
    ]
    made = tag("table", tag("caption", caption), "\n", tag("thead", head), "\n", tag("tbody", join(body)))
    return tag("div", made, class_="scroll", tabindex="0", role="region", aria_label=caption)


def figure(picture: Html, caption: str) -> Html:
    """A picture and what to see in it."""
    return tag("figure", tag("div", picture, class_="scroll"), "\n", tag("figcaption", caption))


def section(identifier: str, heading: str, *content: str) -> Html:
    """A section that the table of contents names."""
    return tag("section", "\n", join((tag("h2", heading, id=identifier), *content)), "\n", aria_labelledby=identifier)


def _safe(part: str) -> str:
    return part if isinstance(part, Html) else escape(part, quote=False)


def _value(value: str | float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else escape(str(value))
