"""Reading a page: which figures are equal, and that an empty page is not accepted."""

import pytest

from tests.docs.pages import Pair, blocks, numbers, rows, same, tables, unnoticed, wrong

PAGE = """Words with 1 number.

<!-- begin one -->

| what | found |
| --- | --- |
| a | 1,234 |
| b | 0.50 |

Between.

| what | other |
| --- | --- |
| c | - |

<!-- end -->
"""


def check(page):
    cells = rows(blocks(page)["one"])
    yield Pair("a", cells[0]["found"], 1234)
    yield Pair("b", cells[1]["found"], 0.5)


@pytest.mark.parametrize(
    ("shown", "value"),
    [("1,234", 1234), ("0.50", 0.504), ("0.5", 0.549), ("-0.0", -0.04), ("514.8", 514.75), ("0.2", 0.25), ("a", "a"),
     ("-", None), ("", None), ("+1.5", 1.5), ("86", 85.5000001)],
)  # fmt: skip
def test_the_same(shown, value):
    assert same(shown, value)


@pytest.mark.parametrize(
    ("shown", "value"),
    [("1,235", 1234), ("0.51", 0.504), ("0.5", 0.551), ("514.7", 514.75), ("a", "b"), ("-", 0), ("", 0.0), ("0", None),
     ("1 s", 1), ("one", 1), ("1.0", "1"), ("85", 85.6)],
)  # fmt: skip
def test_not_the_same(shown, value):
    assert not same(shown, value)


def test_tables_and_numbers():
    assert [len(table) for table in tables(blocks(PAGE)["one"])] == [2, 1]
    assert rows(blocks(PAGE)["one"])[2] == {"what": "c", "other": "-"}
    assert numbers("52 of 1,234 bins at 99.5 %, se8 and s/4 apart") == ["52", "1,234", "99.5", "4"]


def test_damage_is_noticed_or_told():
    assert wrong(check(PAGE)) == []
    assert unnoticed(PAGE, ["one"], check) == []

    def careless(page):
        yield next(check(page))

    assert len(unnoticed(PAGE, ["one"], careless)) == 3, "the three digits of 0.50"
    with pytest.raises(AssertionError, match="must be right"):
        unnoticed(PAGE.replace("1,234", "1,233"), ["one"], check)
    with pytest.raises(AssertionError, match="nothing to damage"):
        unnoticed("<!-- begin one -->\n<!-- end -->", ["one"], lambda page: iter(()))
