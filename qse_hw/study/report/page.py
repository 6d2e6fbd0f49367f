"""The whole page."""

from collections.abc import Sequence
from pathlib import Path

from qse_hw.study.report.html import Html, join, tag
from qse_hw.study.report.place import MARK

STYLE = Path(__file__).with_name("style.css")

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""No script, and nothing from anywhere else."""


def page(
    title: str, lead: str, glance: Sequence[tuple[str, str, str]], sections: Sequence[tuple[str, str, Html]]
) -> str:
    """HTML that needs nothing but itself.

    Args:
        title: its heading.
        lead: a sentence below it.
        glance: the most important figures: what, how much, a remark.
        sections: identifier, heading and content.
    """
    figures = (
        tag("div", tag("dt", what), tag("dd", value, tag("small", remark))) for what, value, remark in glance
    )
    contents = (tag("li", tag("a", heading, href=f"#{identifier}")) for identifier, heading, _ in sections)
    head = (
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        Html(MARK),
        tag("title", title),
        tag("style", Html(STYLE.read_text(encoding="utf-8"))),
    )
    body = (
        tag("header", tag("h1", title), "\n", tag("p", lead, class_="lead")),
        tag("dl", join(figures), class_="glance"),
        tag("nav", tag("ol", join(contents)), aria_label="Contents"),
        tag("main", "\n", join(content for *_, content in sections), "\n"),
    )
    html = tag("html", "\n", tag("head", join(head)), "\n", tag("body", join(body)), "\n", lang="en")
    return f"<!DOCTYPE html>\n{html}\n"
