"""Liberty files to cells."""

import re

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from golden.errors import InputError
from synth import liberty
from synth.cell import Table
from synth.liberty import read_liberty
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


def test_leakage_by_state(tmp_path):
    states = "leakage_power () { when : A; value : 1; } leakage_power () { when : !A; value : 3; }"
    (tmp_path / "x.lib").write_text(TEXT.replace("cell_leakage_power : 0.02;", states))
    assert read_liberty(tmp_path / "x.lib").cells["INV"].leakage == pytest.approx(2e-9)


BAD = [
    ('library (small) {', 'lib (small) {', r"line 4: there must be one library \(...\)"),
    ("table_lookup", "generic_cmos", "line 5: delay_model must be table_lookup, not 'generic_cmos'"),
    ('time_unit : "1ns"', 'time_unit : "1V"', "line 6: time_unit must be a number of S, mS, ..., not '1V'"),
    ('time_unit : "1ns"', 'time_unit : "0ns"', "line 6: time_unit must be more than 0, not 0"),
    ('time_unit : "1ns";', "", "line 4: time_unit must be a number of S"),
    ("(1, pf)", "(1)", r"line 11: capacitive_load_unit must be a number and a unit, such as \(1, pf\)"),
    ("nom_voltage : 1.2;", "", "line 4: the library must have a nom_voltage"),
    ("nom_voltage : 1.2", "nom_voltage : high", "line 13: nom_voltage must be a number, not 'high'"),
    ("nom_voltage : 1.2", "nom_voltage : nan", "line 13: nom_voltage must be a number, not 'nan'"),
    ('"1nW"', '"1"', "line 10: leakage_power_unit must be a number of W, mW, ..., not '1'"),
    ('index_1 ("0.01, 0.05, 0.2")', 'index_1 ("0.01, 0.2, 0.05")', r"line \d+: index_1 of cell_rise must be rising"),
    ('values ("0.02434, ', 'values ("', "line 58: cell_rise must have 3 x 3 values, not 8"),
    ("0.02434", "x", "line 58: values must be a number, not 'x'"),
    ("cell_rise (delay_slew_load)", "cell_rise (none)", "line 58: table template none is not in the file"),
    ("variable_1 : input_net_transition", "variable_1 : when", r"line \d+: a table by when is not supported"),
    ("direction : input; capacitance", "direction : in; capacitance", "line 50: pin A must have a direction"),
    ('function : "!A"', 'function : "!(A"', r"line 54: function must be a function of pins: '!\(A' is not complete"),
    ('function : "!A"', 'function : "!Z"', "line 54: function '!Z' must be a function of the cell's pins, not of Z"),
    ('clocked_on : "CK"', 'clocked_on : "!CK"', "line 4: the library must have a flop with a rising clock"),
    ('clocked_on : "CK"', 'clocked_on : "CK D"', "line .*: flop DFF must be clocked by one pin, not 'CK D'"),
    ('clocked_on : "CK";', "", "line .*: flop DFF must have clocked_on"),
    ('function : "!A"', 'function : "A"', "line 4: the library must have an inverter with delays, and has none"),
]  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "problem"), BAD)
def test_refuses(good, bad, problem, tmp_path):
    assert good in TEXT
    (tmp_path / "x.lib").write_text(TEXT.replace(good, bad))
    with pytest.raises(InputError, match=f"^Liberty file {re.escape(str(tmp_path))}/x.lib, {problem}"):
        read_liberty(tmp_path / "x.lib")


def test_refuses_files(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"^Liberty file .*none.lib cannot be read: No such file or directory$"):
        read_liberty(tmp_path / "none.lib")
    with pytest.raises(InputError, match=r"^Liberty file .* cannot be read: Is a directory$"):
        read_liberty(tmp_path)
    with pytest.raises(InputError, match=r"cannot be read: embedded null byte$"):
        read_liberty("x\0")
    (tmp_path / "empty.lib").write_text("")
    with pytest.raises(InputError, match=r"empty.lib, line 1: there must be one library"):
        read_liberty(tmp_path / "empty.lib")
    monkeypatch.setattr(liberty, "SIZE_LIMIT", 1 << 20)
    (tmp_path / "huge.lib").write_text(" " * ((1 << 20) + 1))
    with pytest.raises(InputError, match=r"huge.lib must have at most 1 MiB; choose the library's NLDM file$"):
        read_liberty(tmp_path / "huge.lib")


@pytest.mark.skipif(not OSU.exists(), reason="Debian's qflow-tech-osu018 is not installed")
def test_osu():
    library = read_liberty(OSU)
    assert (library.voltage, len(library.cells), library.nand2_area) == (1.8, 32, 24.0)
    assert {name for name, cell in library.cells.items() if cell.memory} == {"DFFNEGX1", "DFFPOSX1", "DFFSR", "LATCH"}
    assert [name for name, cell in library.cells.items() if cell.flop and cell.flop.rising] == ["DFFPOSX1", "DFFSR"]
    assert library.cells["INVX1"].pins["Y"].arcs[0].tables["cell_rise"].at(0.06, 0.005) == 0.037639
