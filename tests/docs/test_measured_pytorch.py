"""README.md, docs/measured.md and docs/pytorch.md: every block is checked, and a damaged figure is noticed."""

from collections.abc import Iterator

import pytest

from tests.docs import measured, pytorch
from tests.docs.pages import Pair, blocks, numbers, unnoticed, wrong

PAGES = {
    "README": (measured.README, measured.README_CHECKS),
    "measured": (measured.PAGE, measured.CHECKS),
    "pytorch": (pytorch.PAGE, pytorch.CHECKS),
}
"""The text of a page, and the check of each block."""


def check(name: str, page: str) -> Iterator[Pair]:
    for one in PAGES[name][1].values():
        yield from one(page)


@pytest.mark.parametrize("name", PAGES)
def test_figures(name):
    assert wrong(check(name, PAGES[name][0])) == []


@pytest.mark.parametrize("name", PAGES)
def test_every_block_is_checked(name):
    shown = blocks(PAGES[name][0])
    assert set(shown) == set(PAGES[name][1])
    assert all(numbers(text) for block, text in shown.items() if block != "age")


@pytest.mark.every(4)
@pytest.mark.parametrize(("name", "block"), [(n, b) for n, (_, checks) in PAGES.items() for b in checks if b != "age"])
def test_a_damaged_figure_is_noticed(name, block):
    assert unnoticed(PAGES[name][0], [block], lambda page: check(name, page), 30) == []
