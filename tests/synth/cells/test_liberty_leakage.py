"""Leakage of a cell, from all the ways in which a Liberty file can give it."""

from itertools import product
from statistics import fmean

import pytest

from qse_hw.synth.cells.liberty_leakage import MOST_PINS, leakage
from qse_hw.synth.cells.liberty_syntax import LibertyError, parse

NAND = 'pin (A, B) { direction : input; } pin (Y) { direction : output; function : "!(A B)"; }'
FLOP = """ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; clear : "!R"; }
pin (CK, D, R) { direction : input; } pin (Q) { direction : output; function : "IQ"; }
pin (QN) { direction : output; function : "IQN"; }"""
LATCH = """latch (IQ, IQN) { enable : "G"; data_in : "D"; }
pin (G, D) { direction : input; } pin (Q) { direction : output; function : "IQ"; }"""


def state(value, when="", supply=""):
    named = f"related_pg_pin : {supply}; " if supply else ""
    return f'leakage_power () {{ {named}{f"when : {chr(34)}{when}{chr(34)}; " if when else ""}value : {value}; }}'


def of(*parts, library="", area="area : 4;"):
    (group,) = parse(f"library (x) {{ {library} cell (C) {{ {area} {' '.join(parts)} }} }}\n").groups
    return leakage(next(group.all("cell")), group)


def test_one_figure():
    assert of(NAND, "cell_leakage_power : 10;") == 10
    assert of(NAND, state(10)) == 10
    assert of(NAND, "cell_leakage_power : 0;", library="default_cell_leakage_power : 7;") == 0


def test_supplies_add_up():
    assert of(NAND, state(10, supply="VDD"), state(0, supply="VSS")) == 10
    assert of(NAND, state(10, supply="VDD"), state(4, supply="VDDL")) == 14
    levels = [f"leakage_power () {{ power_level : V{value}; value : {value}; }}" for value in (3, 4)]
    assert of(NAND, *levels) == 7


def test_states_are_averaged_for_each_supply():
    groups = [state(1, "A", "VDD"), state(3, "!A", "VDD"), state(10, "A", "VSS"), state(30, "!A", "VSS")]
    assert of(NAND, *groups) == 2 + 20


def test_states_count_by_how_many_they_are():
    assert of(NAND, state(1, "A & B"), state(3, "A & !B"), state(10, "!A")) == (1 + 3 + 2 * 10) / 4


@pytest.mark.parametrize(
    "default", [state(3), "cell_leakage_power : 3;"], ids=["a group without when", "cell_leakage_power"]
)
def test_states_without_a_condition(default):
    """They have what is for the others; if there are none, it does not count."""
    assert of(NAND, state(1, "A & B"), default) == (1 + 3 * 3) / 4
    assert of(NAND, default, state(1, "A"), state(2, "!A")) == 1.5


def test_a_group_without_when_goes_before_cell_leakage_power():
    assert of(NAND, state(1, "A & B"), state(3), "cell_leakage_power : 100;") == (1 + 3 * 3) / 4


def test_states_without_anything_do_not_count():
    assert of(NAND, state(1, "A & B"), state(3, "A & !B")) == 2


def test_a_group_without_when_is_for_its_supply():
    """As in ASAP7, whose groups without ``when`` are for states that do not occur."""
    ground = [state(0, "A & B & !Y", "VSS"), state(0, supply="VSS")]
    both = [state(2, "A & B & !Y", "VDD"), state(6, supply="VDD"), *ground]
    assert of(NAND, *both) == (2 + 3 * 6) / 4
    rest = [state(value, when, "VDD") for value, when in ((3, "!A & B & Y"), (4, "A & !B & Y"), (5, "!A & !B & Y"))]
    assert of(NAND, *both, *rest) == (2 + 3 + 4 + 5) / 4


def test_defaults_of_the_library():
    default, density = "default_cell_leakage_power : 7;", "default_leakage_power_density : 0.5;"
    assert of(NAND, library=default) == 7
    assert of(NAND, library=density) == 2
    assert of(NAND, library=default + density) == 7
    assert of(NAND, "cell_leakage_power : -1;", library=default) == 7
    assert of(NAND, state(1, "A & B"), library=default) == (1 + 3 * 7) / 4
    assert of(NAND, library="default_cell_leakage_power : 0;") == 0  # the file does say so
    assert of(NAND, library="default_cell_leakage_power : -1;" + density) == 2


def test_some_states_of_one_supply():
    """What is for the whole cell is for the states that no supply speaks of."""
    groups = [state(1, "A", "VDD"), state(3, "A & B", "VSS"), state(5, "A & !B", "VSS")]
    assert of(NAND, *groups) == 1 + 4
    assert of(NAND, *groups, "cell_leakage_power : 11;") == (5 + 11) / 2


def test_levels_that_do_not_occur_do_not_count():
    """An output is what its function makes of the inputs; a flop's two outputs differ, and its reset rules."""
    assert of(NAND, state(1, "A & B & !Y"), state(3, "!A & Y"), state(3, "!B & Y"), state(100)) == pytest.approx(2.6)
    resets = [state(1, "!R & !Q & QN"), state(2, "R & Q & !QN"), state(3, "R & !Q & QN")]
    assert of(FLOP, *resets, state(100)) == 2
    assert of(LATCH, state(1, "G & D & Q"), state(2, "G & !D & !Q"), state(3, "!G"), state(100)) == (1 + 2 + 4 * 3) / 6


def test_outputs_that_may_float_are_free():
    floating = 'pin (A, E) { direction : input; } pin (Y) { direction : output; function : "A"; three_state : "!E"; }'
    assert of(floating, state(1, "E & A & !Y"), state(2, "!E"), state(3)) == (1 + 4 * 2 + 3 * 3) / 8


def test_against_every_state_one_by_one(rng):
    for _ in range(50):
        groups, conditions = [], []
        for literals in product((None, 0, 1), repeat=3):
            if rng.random() < 0.2 and set(literals) != {None}:
                named = dict(zip("ABC", literals, strict=True))
                conditions.append((float(rng.integers(1, 100)), {n: v for n, v in named.items() if v is not None}))
        if not conditions:
            continue
        for value, named in conditions:
            groups.append(state(value, " & ".join(name if level else f"!{name}" for name, level in named.items())))
        states = [dict(zip("ABC", levels, strict=True)) for levels in product((0, 1), repeat=3)]
        held = [[v for v, named in conditions if all(s[n] == level for n, level in named.items())] for s in states]
        pins = "pin (A, B, C) { direction : input; }"
        every = [value for values in held for value in values] + [7 for values in held if not values]
        assert of(pins, *groups, state(7)) == pytest.approx(fmean(every))


BAD = [
    ([NAND], "line 1: cell C has no leakage, and the library no default for it"),
    ([NAND, "cell_leakage_power : -1;"], "cell C has no leakage"),
    ([NAND, state(1), state(2, supply="VSS")], "leakage_power must have related_pg_pin in all groups of a cell or in"),
    ([NAND, "leakage_power () { }"], "leakage_power must have a value"),
    ([NAND, state("high")], "value must be a number, not 'high'"),
    ([NAND, state("nan")], "value must be a number, not 'nan'"),
    ([NAND, state(1, "A &")], "leakage_power must depend on pins: 'A &' is not complete"),
    ([NAND, state(1, "A & B & Y")], "leakage_power must be for states that the cell can be in"),
    ([state(1, " ".join(f"P{n}" for n in range(MOST_PINS + 1)))], "must depend on at most 16 pins, not 17"),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "problem"), BAD)
def test_what_is_not_given_is_not_zero(parts, problem):
    with pytest.raises(LibertyError, match=problem):
        of(*parts)
    with pytest.raises(LibertyError, match="has no leakage"):
        of(NAND, area="", library="default_leakage_power_density : 0.5;")
