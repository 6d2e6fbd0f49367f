"""Which code is mutated, which is not, and how mutants are named."""

import ast

from tests.mutation.mutants import mutants

SOURCE = '''
"""Text."""

from functools import lru_cache
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import torch

Kind = Literal["a", "b"]
LIMIT = 3


class Shape(Protocol):
    size: int = 4


@lru_cache(maxsize=64)
def cached(n: int = 5) -> "Kind":
    """Text."""
    if n > LIMIT:
        raise ValueError(f"{n + 1} is too many " + "for me")
    return [a for a, _ in zip([n], [n], strict=True)]


class Box:
    width = 6

    @property
    def double(self) -> int:
        def twice(n: int) -> int:
            return n * 2

        return twice(
            self.width,
        )
'''


def toy_mutants():
    return mutants("golden/some.py", SOURCE)


def test_what_is_mutated():
    changed = {tuple(line[1:] for line in mutant.diff.splitlines() if line.startswith("+")) for mutant in toy_mutants()}
    assert changed == {
        ("LIMIT = None",),
        ("LIMIT = 4",),
        ('def cached(n: int = 6) -> "Kind":',),
        ("if n >= LIMIT:",),
        ("return [a for a, _ in zip(None, [n], strict=True)]",),
        ("return [a for a, _ in zip([n], None, strict=True)]",),
        ("return [a for a, _ in zip([n], strict=True)]",),
        ("width = None",),
        ("width = 7",),
        ("return n / 2",),
        ("return n * 3",),
        ("None,",),
    }


def test_every_mutant_is_a_program_with_one_change():
    for mutant in toy_mutants():
        ast.parse(mutant.source)
        assert mutant.source != SOURCE
    assert len({mutant.source for mutant in toy_mutants()}) == len(toy_mutants())


def test_where_a_mutant_is():
    places = {line: mutant for mutant in toy_mutants() for line in mutant.diff.splitlines() if line.startswith("+")}
    assert places["+LIMIT = 4"].function is None
    assert places["+width = 7"].function is None
    assert places['+def cached(n: int = 6) -> "Kind":'].function is None, "default values are made with the function"
    lines = SOURCE.splitlines()
    name, line = places["+if n >= LIMIT:"].function
    assert (name, lines[line - 1]) == ("cached", "@lru_cache(maxsize=64)")
    name, line = places["+return n * 3"].function
    assert (name, lines[line - 1].strip()) == ("Box.double", "@property"), "the outermost function"
    assert [lines[n - 1].strip() for n in places["+return n * 3"].lines] == ["return n * 2"] * 2
    first, last = places["+None,"].lines
    assert (lines[first - 1].strip(), lines[last - 1].strip()) == ("return twice(", ")")


def test_names_stay_when_other_lines_change():
    before = {mutant.key for mutant in toy_mutants()}
    after = {mutant.key for mutant in mutants("golden/some.py", SOURCE.replace('"""Text."""\n\nfrom', "\n\n\nfrom"))}
    assert len(before) == len(toy_mutants())
    assert before == after
    assert before.isdisjoint(mutant.key for mutant in mutants("golden/other.py", SOURCE))
