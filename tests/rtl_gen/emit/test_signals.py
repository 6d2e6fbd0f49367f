"""Names, constants, slices and concatenations are read and written as what they are."""

import pytest

from qse_hw.rtl_gen.emit.signals import NAME, Part, chosen, neat, parts, trimmed, written

WIDTHS = {"a": 8, "b": 1, "\\a$3": 4}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", [Part("a", 0, 8)]),
        ("a[3]", [Part("a", 3, 1)]),
        ("\\a$3 ", [Part("\\a$3", 0, 4)]),
        ("\\a$3 [2:1]", [Part("\\a$3", 1, 2)]),
        ("{ b, a[7:4] }", [Part("b", 0, 1), Part("a", 4, 4)]),
        ("6'h2a", [Part("", 0, 6, "101010")]),
        ("3'bx01", [Part("", 0, 3, "x01")]),
        ("32'd5", [Part("", 0, 32, f"{5:032b}")]),
    ],
)
def test_parts(text, found):
    assert parts(text, WIDTHS) == found
    assert parts(written(found, WIDTHS), WIDTHS) == found


@pytest.mark.parametrize("text", ["a + b", "~ a", "$signed(a)", "unknown", "4'sh3", "{ b, a + b }", ""])
def test_what_is_computed_has_no_parts(text):
    assert parts(text, WIDTHS) is None


@pytest.mark.parametrize(
    ("low", "width", "text"),
    [(0, 9, "{ b, a }"), (4, 5, "{ b, a[7:4] }"), (8, 1, "b"), (2, 3, "a[4:2]"), (0, 8, "a")],
)
def test_part_of_a_concatenation(low, width, text):
    assert written(chosen(parts("{ b, a }", WIDTHS), low, width), WIDTHS) == text


def test_constants_side_by_side_are_one():
    assert written(parts("{ 2'h1, 3'h2, b, 1'h1 }", WIDTHS), WIDTHS) == "{ 5'h0a, b, 1'h1 }"
    assert written(chosen(parts("8'ha5", WIDTHS), 2, 4), WIDTHS) == "4'h9"


def test_names():
    text = "if (rst) \\x$1 .b <= 8'hff & $signed(y) | pin; .\\code$4 (a), .b(\\begin )"
    assert [name for name in NAME.findall(text) if name != "if"] == ["rst", "\\x$1", "y", "pin", "a", "\\begin"]


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("{ a[7], a[7], a[7] }", "{3{a[7]}}"),
        ("{ \\$1 , \\$1 , \\$1 , b }", "{ {3{\\$1 }}, b }"),
        ("{ a, a }", "{ a, a }"),
        ("f(a, a, a)", "f(a, a, a)"),
        ("{ y , a[3:0] , \\a$3 , \\begin , \\x.v[0] }", "{ y, a[3:0], \\a$3 , \\begin , \\x.v[0] }"),
        ("if (y )", "if (y)"),
    ],
)
def test_neat(text, short):
    assert neat(text) == short


def test_an_escaped_name_keeps_the_space_that_ends_it():
    assert trimmed(" \\$1   & b  ") == "\\$1 & b"
    assert trimmed("b & \\$1  ") == "b & \\$1 "
