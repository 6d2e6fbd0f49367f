"""Liberty files to cells."""

import gzip
import hashlib
import math
import re

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from qse_hw.golden.errors import InputError
from qse_hw.synth.cells.cell import Table
from qse_hw.synth.cells.liberty import read_liberty
from tests.synth.small import OSU, SMALL

TEXT = SMALL.read_text()


@pytest.fixture(scope="module")
def small():
    return read_liberty(SMALL)


def test_cells(small):
    assert (small.name, small.voltage, small.nand2_area) == ("small", 1.2, 6.0)
    assert list(small.cells) == ["INV", "BUF", "NAND2", "NOR2", "XOR2", "AOI21", "MUX2", "DFF"]
    pins = small.cells["INV"].pins
    assert (pins["A"].direction, pins["A"].capacitance, pins["A"].function) == ("input", 0.003, None)
    assert pins["A"].edges == pytest.approx((0.00306, 0.00294))
    assert [(arc.related, arc.kind, arc.sense) for arc in pins["Y"].arcs] == [("A", "combinational", "negative_unate")]
    assert small.cells["INV"].leakage == pytest.approx(0.02e-9)
    (name, pin), *others = small.cells["AOI21"].outputs()
    assert not others
    assert name == "Y"
    assert [pin.function({"A": a, "B": b, "C": c}) for a in (0, 1) for b in (0, 1) for c in (0, 1)] == [
        1, 0, 1, 0, 1, 0, 0, 0,
    ]  # fmt: skip


def test_flop(small):
    assert [name for name, cell in small.cells.items() if cell.memory] == ["DFF"]
    cell = small.cells["DFF"]
    assert (cell.flop.clock, cell.flop.rising, cell.flop.next_state.names) == ("CK", True, {"D"})
    assert cell.pins["CK"].clock
    assert [power.related for power in cell.pins["CK"].powers] == [""]
    assert [power.related for power in cell.pins["Q"].powers] == ["CK"]
    (setup,) = cell.pins["D"].arcs
    assert setup.kind == "setup_rising"
    # the file's first variable is the data's slew, ours is the clock's
    assert setup.tables["rise_constraint"].at(0.1, 0.01) == 0.04
    assert setup.tables["rise_constraint"].at(0.01, 0.2) == 0.09


def test_both_orders_of_variables(small):
    straight = small.cells["INV"].pins["Y"].arcs[0].tables["cell_rise"]
    assert straight.at(0.05, 0.001) == 0.0345
    assert straight.at(0.01, 0.04) == 0.0961
    turned = small.cells["BUF"].pins["Y"].arcs[0].tables["cell_rise"]
    assert turned.at(0.05, 0.001) == 0.0636
    assert turned.at(0.01, 0.04) == 0.0901


def test_interpolation(rng):
    """SciPy's, at the points, between and beyond."""
    for shape in ((3, 4), (2, 2), (5, 1), (1, 4), (1, 1)):
        axes = [np.cumsum(rng.uniform(0.1, 1, size)) for size in shape]
        values = rng.normal(size=shape)
        table = Table(*map(tuple, axes), tuple(map(tuple, values)))
        wide = [at if len(at) > 1 else np.array([at[0] - 1, at[0] + 1]) for at in axes]
        repeated = np.repeat(np.repeat(values, 1 + (shape[0] == 1), 0), 1 + (shape[1] == 1), 1)
        same = RegularGridInterpolator(wide, repeated, bounds_error=False, fill_value=None)
        for x, y in [*rng.uniform(-1, 5, (100, 2)), (axes[0][0], axes[1][-1])]:
            assert table.at(x, y) == pytest.approx(float(same((x, y))), abs=1e-12)


def test_units(small, tmp_path):
    """The same numbers in other units are other quantities."""
    text = TEXT.replace('time_unit : "1ns"', 'time_unit : "10ps"').replace("(1, pf)", "(100, ff)")
    text = text.replace('voltage_unit : "1V"', 'voltage_unit : "100mV"').replace('"1nW"', '"2uW"')
    (tmp_path / "x.lib").write_text(text)
    other, cell = read_liberty(tmp_path / "x.lib"), "NAND2"
    assert other.voltage == pytest.approx(0.12)
    assert other.cells[cell].leakage == pytest.approx(small.cells[cell].leakage * 2000)
    ours, theirs = other.cells[cell].pins, small.cells[cell].pins
    assert ours["A"].capacitance == pytest.approx(theirs["A"].capacitance / 10)
    for kind in ("cell_rise", "fall_transition"):
        a, b = ours["Y"].arcs[1].tables[kind], theirs["Y"].arcs[1].tables[kind]
        assert a.at(0.0007, 0.0013) == pytest.approx(b.at(0.07, 0.013) / 100)
    a, b = ours["Y"].powers[0].rise, theirs["Y"].powers[0].rise
    assert a.at(0.0007, 0.0013) == pytest.approx(b.at(0.07, 0.013) / 1e3)


def edited(tmp_path, *edits, name="x.lib"):
    """The small library with some texts replaced."""
    text = TEXT
    for good, bad in edits:
        assert good in text
        text = text.replace(good, bad)
    (tmp_path / name).write_text(text)
    return read_liberty(tmp_path / name)


same = repr  # of equal things; a capacitance that is not given is NaN, which equals nothing


def test_units_that_are_missing(small, tmp_path):
    """Those of the Liberty reference manual: 1 ns and 1 V. It has none for capacitance, which timing does not need."""
    other = edited(tmp_path, ('time_unit : "1ns";', ""), ('voltage_unit : "1V";', ""))
    assert (other.voltage, same(other.cells), other.no_energy) == (small.voltage, same(small.cells), "")
    other = edited(tmp_path, ("capacitive_load_unit (1, pf);", ""))
    assert other.no_energy == "Library small has no capacitive_load_unit"
    pins = small.cells["BUF"].pins
    assert other.cells["BUF"].pins["Y"].arcs == pins["Y"].arcs
    assert other.cells["BUF"].pins["A"].capacitance == pins["A"].capacitance


def test_voltage_that_is_missing(tmp_path):
    """That of the operating conditions that the file is for; without it there is no energy."""
    missing = ("nom_voltage : 1.2;", "")
    assert edited(tmp_path, missing).no_energy == "Library small has no nom_voltage"
    conditions = """default_operating_conditions : "slow";
        operating_conditions ("fast") { voltage : 1.3; } operating_conditions ("slow") { voltage : 1.1; }"""
    library = edited(tmp_path, ("nom_voltage : 1.2;", conditions))
    assert (library.voltage, library.no_energy) == (1.1, "")
    assert edited(tmp_path, ("nom_voltage : 1.2;", f"nom_voltage : 1.2; {conditions}")).voltage == 1.2


def test_scaling_does_not_matter(small, tmp_path):
    """At the conditions at which the file was characterized all factors are 1."""
    factors = 'nom_voltage : 1.2; k_volt_cell_leakage_power : 2; k_temp_cell_rise : 3; voltage_map (VDD, 1.2);'
    assert same(edited(tmp_path, ("nom_voltage : 1.2;", factors)).cells) == same(small.cells)


def test_leakage(small, tmp_path):
    states = "leakage_power () { when : A; value : 1; } leakage_power () { when : !A; value : 3; }"
    library = edited(tmp_path, ("cell_leakage_power : 0.02;", states))
    assert library.cells["INV"].leakage == pytest.approx(2e-9)
    assert same(library.cells["BUF"]) == same(small.cells["BUF"])


def test_leakage_that_is_missing(tmp_path):
    """It is no zero, and nothing else depends on it."""
    cell = edited(tmp_path, ("cell_leakage_power : 0.02;", "")).cells["INV"]
    assert cell.leakage is None
    assert cell.no_leakage == "line 47: cell INV has no leakage, and the library no default for it"
    cell = edited(tmp_path, ('leakage_power_unit : "1nW";', "")).cells["INV"]
    assert cell.leakage is None
    assert cell.no_leakage == "line 4: leakage_power_unit must be a number of W, mW, ..., not ''"
    cell = edited(tmp_path, ("cell_leakage_power : 0.02;", "cell_leakage_power : low;")).cells["INV"]
    assert (cell.leakage, cell.no_leakage) == (None, "line 49: cell_leakage_power must be a number, not 'low'")
    zero = edited(tmp_path, ("cell_leakage_power : 0.02;", "cell_leakage_power : 0;")).cells["INV"]
    assert (zero.leakage, zero.no_leakage) == (0.0, "")


def test_area_that_is_missing(tmp_path):
    assert math.isnan(edited(tmp_path, ("cell (INV) {\n    area : 4;", "cell (INV) {")).cells["INV"].area)


def test_supplies_of_internal_energy(tmp_path):
    """By either attribute; a group may speak of one edge, and one that speaks of none says nothing."""
    scalar = '%s (scalar) { values ("%d"); }'
    groups = [f'internal_power () {{ related_pin : A; {attribute} : V; {scalar % (edge, 2)} }}' for attribute, edge in
              (("related_pg_pin", "rise_power"), ("power_level", "power"))]  # fmt: skip
    groups.append("internal_power () { related_pin : A; }")
    head, line = "      internal_power () {", 'function : "!A";'
    assert TEXT.index(line) < TEXT.index(head)
    powers = edited(tmp_path, (line, f"{line} {' '.join(groups)}")).cells["INV"].pins["Y"].powers[:-1]
    one, both = powers
    assert (one.supply, both.supply) == ("V", "V")
    assert one.fall is None
    assert one.rise.at(0, 0) == both.rise.at(0, 0) == both.fall.at(0, 0) == 2


BAD = [
    ('library (small) {', 'lib (small) {', r"line 4: there must be one library \(...\)"),
    ("table_lookup", "generic_cmos", "line 5: delay_model must be table_lookup, not 'generic_cmos'"),
    ('time_unit : "1ns"', 'time_unit : "1V"', "line 6: time_unit must be a number of S, mS, ..., not '1V'"),
    ('time_unit : "1ns"', 'time_unit : "0ns"', "line 6: time_unit must be more than 0, not 0"),
    ("(1, pf)", "(1)", r"line 11: capacitive_load_unit must be a number and a unit, such as \(1, pf\)"),
    ("nom_voltage : 1.2", "nom_voltage : high", "line 13: nom_voltage must be a number, not 'high'"),
    ("nom_voltage : 1.2", "nom_voltage : nan", "line 13: nom_voltage must be a number, not 'nan'"),
    ("nom_voltage : 1.2", "nom_voltage : 0", "line 13: nom_voltage must be more than 0, not 0"),
    ('clocked_on : "CK"', 'clocked_on : "!CK"', "line 4: the library must have a flop with a rising clock"),
    ('function : "!A"', 'function : "A"', "line 4: the library must have an inverter with delays, and has none$"),
    ("cell (NOR2)", "cell (NAND2)", r"line \d+: cell NAND2 must be there once, but is in line 93, too"),
]  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "problem"), BAD)
def test_refuses(good, bad, problem, tmp_path):
    with pytest.raises(InputError, match=f"^Liberty file {re.escape(str(tmp_path))}/x.lib, {problem}"):
        edited(tmp_path, (good, bad))


BAD_CELLS = [
    ('index_1 ("0.01, 0.05, 0.2")', 'index_1 ("0.01, 0.2, 0.05")', r"line \d+: index_1 of \w+ must be rising"),
    ('values ("0.02434, ', 'values ("', "line 58: cell_rise must have 3 x 3 values, not 8"),
    ("0.02434", "x", "line 58: values must be a number, not 'x'"),
    ("cell_rise (delay_slew_load)", "cell_rise (none)", r"line \d+: table template none is not in the file"),
    ("variable_1 : input_net_transition", "variable_1 : when", r"line \d+: a table by when is not supported"),
    ("direction : input; capacitance", "direction : in; capacitance", "line 50: pin A must have a direction"),
    ('function : "!A"', 'function : "!(A"', r"line 54: function must be a function of pins: '!\(A' is not complete"),
    ('function : "!A"', 'function : "!Z"', "line 54: function '!Z' must be a function of the cell's pins, not of Z"),
    ('clocked_on : "CK"', 'clocked_on : "CK D"', "line .*: flop DFF must be clocked by one pin, not 'CK D'"),
    ('clocked_on : "CK";', "", "line .*: flop DFF must have clocked_on"),
]  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "problem"), BAD_CELLS)
def test_bad_cells_that_are_needed(good, bad, problem, tmp_path):
    """Nothing can be made without an inverter and a flop; why they are not there is said."""
    lacks = r"line 4: the library must have (a flop with a rising clock|an inverter with delays), and has none"
    with pytest.raises(InputError, match=rf"^Liberty file .*/x.lib, {lacks}; left out is (INV|DFF), {problem}"):
        edited(tmp_path, (good, bad))


ODD = """  cell (DUAL) {
    ff (IQ, IQN) { clocked_on : "CK ^ CKB"; next_state : "D"; }
    pin (CK, CKB, D) { direction : input; } pin (Q) { direction : output; function : "IQ"; }
  } cell (ODD) { pin ("A-1") { direction : input; } pin (Y) { direction : output; function : "!(A-1)"; }
  } cell (WIDE) { bus (D) { direction : input; } }
"""


def test_bad_cells_that_are_not_needed(small, tmp_path):
    """A flop of both edges, an odd pin, a bus, a table that is cut short: the rest is as it was."""
    library = edited(tmp_path, ("  cell (NOR2)", ODD + "  cell (NOR2)"), ("0.06474, ", ""))
    at = TEXT[: TEXT.index("  cell (NOR2)")].count("\n") + 1
    assert dict(library.left_out) == {
        "DUAL": f"line {at + 1}: flop DUAL must be clocked by one pin, not 'CK ^ CKB'",
        "ODD": f"line {at + 3}: function must be a function of pins: unexpected '-' in '!(A-1)'",
        "WIDE": f"line {at + 4}: a cell must have single pins, not a bus",
        "XOR2": f"line {TEXT[: TEXT.index('0.06474, ')].count(chr(10)) + 6}: cell_rise must have 3 x 3 values, not 8",
    }
    assert same(library.cells) == same({name: cell for name, cell in small.cells.items() if name != "XOR2"})
    (tmp_path / "rest.lib").write_bytes(library.text)
    rest = read_liberty(tmp_path / "rest.lib")
    assert (same(rest.cells), dict(rest.left_out)) == (same(library.cells), {})
    assert rest.text.count(b"\n") == (tmp_path / "x.lib").read_bytes().count(b"\n")  # lines keep their numbers


def test_gzipped(small, tmp_path):
    (tmp_path / "x.lib.gz").write_bytes(gzip.compress(SMALL.read_bytes()))
    assert same(read_liberty(tmp_path / "x.lib.gz")) == same(small)
    assert small.text == SMALL.read_bytes()
    assert small.digest == hashlib.sha256(SMALL.read_bytes()).hexdigest()


def test_refuses_files(tmp_path):
    with pytest.raises(InputError, match=r"^Liberty file .*none.lib cannot be read: No such file or directory$"):
        read_liberty(tmp_path / "none.lib")
    with pytest.raises(InputError, match=r"^Liberty file .* cannot be read: Is a directory$"):
        read_liberty(tmp_path)
    with pytest.raises(InputError, match=r"cannot be read: embedded null byte$"):
        read_liberty("x\0")
    (tmp_path / "empty.lib").write_text("")
    with pytest.raises(InputError, match=r"empty.lib, line 1: there must be one library"):
        read_liberty(tmp_path / "empty.lib")


@pytest.mark.skipif(not OSU.exists(), reason="Debian's qflow-tech-osu018 is not installed")
def test_osu():
    library = read_liberty(OSU)
    assert (library.voltage, len(library.cells), library.nand2_area) == (1.8, 32, 24.0)
    assert {name for name, cell in library.cells.items() if cell.memory} == {"DFFNEGX1", "DFFPOSX1", "DFFSR", "LATCH"}
    assert [name for name, cell in library.cells.items() if cell.flop and cell.flop.rising] == ["DFFPOSX1", "DFFSR"]
    assert library.cells["INVX1"].leakage == pytest.approx(2.21741e-11)
    assert not [cell.name for cell in library.cells.values() if cell.leakage is None]
    assert (library.left_out, library.no_energy) == ({}, "")
    assert library.cells["INVX1"].pins["Y"].arcs[0].tables["cell_rise"].at(0.06, 0.005) == 0.037639
