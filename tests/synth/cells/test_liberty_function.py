"""Boolean functions of Liberty files."""

import itertools

import pytest

from qse_hw.synth.cells.liberty_function import function


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("A", lambda A, B, C: A),
        ("!A", lambda A, B, C: not A),
        ("A'", lambda A, B, C: not A),
        ("!!A", lambda A, B, C: A),
        ("(!(A B))", lambda A, B, C: not (A and B)),
        ("A B + C", lambda A, B, C: (A and B) or C),
        ("A + B C", lambda A, B, C: A or (B and C)),
        ("A*B|C", lambda A, B, C: (A and B) or C),
        ("A & !B ^ C", lambda A, B, C: A and ((not B) != C)),
        ("!A B", lambda A, B, C: (not A) and B),
        ("A !B", lambda A, B, C: A and not B),
        ("(A + B)' C", lambda A, B, C: not (A or B) and C),
        ("(A B)(B C)", lambda A, B, C: A and B and C),
        ("(((A B)+(B C))+(C A))", lambda A, B, C: A + B + C > 1),
        ("0 + A 1", lambda A, B, C: A),
    ],
)
def test_value(text, same):
    parsed = function(text)
    rows = list(itertools.product((0, 1), repeat=3))
    words = {name: sum(row[at] << n for n, row in enumerate(rows)) for at, name in enumerate("ABC")}
    for row in rows:
        assert parsed(dict(zip("ABC", row, strict=True))) == bool(same(*map(bool, row)))
    assert parsed(words, 255) == sum(bool(same(*map(bool, row))) << n for n, row in enumerate(rows))


def test_names():
    assert function("A0 (B[1] + !A0) 1").names == {"A0", "B[1]"}


@pytest.mark.parametrize("text", ["", "!", "A +", "+ A", "(A", "A)", "A ** B", "A ? B", "()", "'", "A + ' B", "2"])
def test_refuses(text):
    with pytest.raises(ValueError, match=r"unexpected|complete|opened"):
        function(text)


def test_long_ones():
    """No recursion, no power of the length."""
    assert function("(" * 20_000 + "A" + ")" * 20_000)({"A": 1}) == 1
    assert function("!" * 20_001 + "A")({"A": 1}) == 0
