"""README.md and docs/pytorch.md: every block is checked, and a damaged figure is noticed."""

from collections.abc import Iterator

import pytest

from tests.docs import pytorch, readme
from tests.docs.pages import Pair, blocks, numbers, unnoticed, wrong

PAGES = {"README": readme, "pytorch": pytorch}


def check(name: str, page: str) -> Iterator[Pair]:
    for one in PAGES[name].CHECKS.values():
        yield from one(page)


@pytest.mark.parametrize("name", PAGES)
def test_figures(name):
    assert wrong(check(name, PAGES[name].PAGE)) == []


@pytest.mark.parametrize("name", PAGES)
def test_every_block_is_checked(name):
    shown = blocks(PAGES[name].PAGE)
    assert set(shown) == set(PAGES[name].CHECKS)
    assert all(numbers(text) for block, text in shown.items() if block != "age")


@pytest.mark.every(4)
@pytest.mark.parametrize(("name", "block"), [(n, b) for n, page in PAGES.items() for b in page.CHECKS if b != "age"])
def test_a_damaged_figure_is_noticed(name, block):
    assert unnoticed(PAGES[name].PAGE, [block], lambda page: check(name, page), 30) == []
