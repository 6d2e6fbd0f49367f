"""The small functions that HTML and drawings are made of."""

import pytest

from qse_hw.study.report.html import Html, code, join, section, table, tag
from qse_hw.study.report.svg import Plot, power_of_two, powers, ticks
from tests.qse_hw.study.report.checker import Page


def test_text_is_escaped_and_elements_are_not():
    assert tag("p", "<b> & 'c'", code("<d>")) == "<p>&lt;b&gt; &amp; 'c'<code>&lt;d&gt;</code></p>"
    assert join(["<", Html("<br/>")], ">") == "&lt;&gt;<br/>"
    assert tag("a", "x", href='"><script>') == '<a href="&quot;&gt;&lt;script&gt;">x</a>'


def test_attributes():
    assert tag("td", "x", class_="n", aria_label="y", id=None, x=0.5) == '<td class="n" aria-label="y" x="0.5">x</td>'
    assert tag("meta", name="a") == '<meta name="a"/>'


def test_table():
    page = Page(table("what <is>", ["a", "<b>"], [["r", "1"], ["s", Html("<i>2</i>")]], quiet={1}))
    assert page.all("th") == [
        {"scope": "col"}, {"class": "number", "scope": "col"}, {"scope": "row"}, {"scope": "row"}
    ]  # fmt: skip
    assert page.all("td") == [{"class": "number"}] * 2
    assert page.all("tr") == [{}, {}, {"class": "quiet"}]
    assert page.all("div")[0]["aria-label"] == "what <is>"
    assert page.text.split() == ["what", "<is>", "a<b>", "r1", "s2"]


def test_section():
    page = Page(section("here", "A & B", tag("p", "x")))
    assert page.all("section") == [{"aria-labelledby": "here"}]
    assert page.all("h2") == [{"id": "here"}]


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((0, 10), "0 2 4 6 8 10"),
        ((-136, 136), "-100 -50 0 50 100"),
        ((24.05, 24.95), "24.2 24.4 24.6 24.8"),
        ((0, 0.034), "0 0.005 0.01 0.015 0.02 0.025 0.03"),
    ],
)
def test_ticks(ends, words):
    marks = ticks(*ends)
    assert " ".join(word for _, word in marks) == words
    assert all(ends[0] - 1e-9 <= value <= ends[1] + 1e-9 for value, _ in marks)
    assert len(marks) <= 9


def test_powers():
    assert [word for _, word in powers(0.2, 5)] == ["1/4", "1/2", "1", "2", "4"]
    assert len(powers(2.0**-40, 2.0**40)) <= 9
    assert [power_of_two(power) for power in (-3, 0, 5)] == ["1/8", "1", "32"]


def test_places_of_points():
    plot = Plot("p", x=(-1, 3), y=(0.25, 16), log=True, height=200)
    assert plot.at(-1, 0.25) == (plot.left, plot.bottom)
    assert plot.at(3, 16) == (plot.right, plot.top)
    assert plot.at(1, 2) == ((plot.left + plot.right) / 2, (plot.top + plot.bottom) / 2)
