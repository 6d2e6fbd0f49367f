import gzip
from pathlib import Path

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.synth.cells.mapped import MappedNetlist
from qse_hw.synth.flow import Point
from qse_hw.synth.targets import cells, target
from tests.synth.small import write_netlist
from tests.synth.units import SMALL

LIBERTY = Path(__file__).parents[1] / "assets" / "small.lib"


def test_area_and_timing(tmp_path):
    chosen = target("cells", liberty=LIBERTY)
    area = chosen.area(SMALL, tmp_path)
    assert area.ff > 8
    assert sum(area.cells.values()) == area.comb + area.ff
    library = chosen.library.cells
    assert area.silicon == pytest.approx(sum(library[cell].area * count for cell, count in area.cells.items()))
    assert area.nand2 == pytest.approx(area.silicon / chosen.library.nand2_area)
    chosen.prepare(SMALL, Point(SMALL, chosen).wrapped, tmp_path)
    timing = chosen.timing(SMALL, tmp_path, 1)
    assert timing.routing == 0
    assert timing.logic == pytest.approx(1000 / timing.mhz)


def test_the_clock_is_what_abc_aims_at(tmp_path):
    target("cells", freq=400.0, liberty=LIBERTY).area(SMALL, tmp_path)
    assert (tmp_path / "cells.abc").read_text().count("-D 2500\n") == 3
    assert target("cells", freq=200.0, liberty=LIBERTY).describe() != target("cells", liberty=LIBERTY).describe()


def test_what_results_depend_on(tmp_path):
    copy = tmp_path / "copy.lib"
    copy.write_bytes(LIBERTY.read_bytes())
    first, same = (target("cells", liberty=file).describe() for file in (LIBERTY, copy))
    assert first == same
    copy.write_bytes(LIBERTY.read_bytes() + b"\n")
    assert target("cells", liberty=copy).describe() != first


def test_gzipped(tmp_path):
    """The same results, under the same key."""
    (tmp_path / "small.lib.gz").write_bytes(gzip.compress(LIBERTY.read_bytes()))
    plain, packed = (target("cells", liberty=file) for file in (LIBERTY, tmp_path / "small.lib.gz"))
    assert plain.describe() == packed.describe()
    (tmp_path / "work").mkdir()
    assert packed.area(SMALL, tmp_path / "work") == plain.area(SMALL, tmp_path / "work")


ODD = """  cell (DUAL) {
    area : 1;
    ff (IQ, IQN) { clocked_on : "CK ^ CKB"; next_state : "D"; }
    pin (CK, CKB, D) { direction : input; capacitance : 0.003; } pin (Q) { direction : output; function : "IQ"; }
  } cell (ODD) { area : 1; pin ("A-1") { direction : input; capacitance : 0.003; }
    pin (Y) { direction : output; function : "!(A-1)"; } }
"""


def test_a_cell_that_is_left_out(tmp_path):
    """The tools never see it; the report says so; a netlist that has it all the same is refused."""
    text = LIBERTY.read_text()
    (tmp_path / "odd.lib").write_text(text.replace("  cell (NOR2)", ODD + "  cell (NOR2)"))
    chosen = target("cells", liberty=tmp_path / "odd.lib")
    (tmp_path / "work").mkdir()
    assert chosen.area(SMALL, tmp_path / "work") == target("cells", liberty=LIBERTY).area(SMALL, tmp_path / "work")
    assert chosen.describe()["left_out"].keys() == {"DUAL", "ODD"}
    assert "left_out" not in target("cells", liberty=LIBERTY).describe()
    assert "no_energy" not in chosen.describe()
    (tmp_path / "odd.lib").write_text(text.replace("capacitive_load_unit (1, pf);", ""))
    said = target("cells", liberty=tmp_path / "odd.lib").describe()["no_energy"]
    assert said == "Library small has no capacitive_load_unit"
    assert chosen.netlist(SMALL, tmp_path / "work").models.keys() <= {f"{name}.v" for name in chosen.library.cells}
    netlist = write_netlist(tmp_path / "x.json", {"one": ("DUAL", {"CK": 2, "CKB": 3, "D": 4, "Q": 5})}, {})
    with pytest.raises(InputError, match=r"but one is DUAL, which is left out: line \d+: flop DUAL must be clocked by"):
        MappedNetlist.read(netlist, chosen.library)


def test_what_fails_in_the_tools_names_the_library(tmp_path):
    text = LIBERTY.read_text()
    begin = text.index("  cell (BUF)")
    (tmp_path / "x.lib").write_text(text[:begin] + text[text.index("  cell (NAND2)") :])
    with pytest.raises(InputError, match=r"ABC failed: Cannot find buffer .* \(with the cells of .*x\.lib\)$"):
        target("cells", liberty=tmp_path / "x.lib").area(SMALL, tmp_path)


def test_an_assertion_of_abc_names_the_cell(tmp_path):
    """ABC says no more than that it expected a delay; we know where there is none."""
    text = LIBERTY.read_text()
    begin = text.index('related_pin : "B";', text.index("cell (NAND2)"))
    (tmp_path / "x.lib").write_text(text[:begin] + text[begin:].replace('related_pin : "B";', "", 1))
    why = r"ABC failed: it stopped on an assertion .*, Delay > 0 \(.*\) \(with .*x\.lib; NAND2 has no delay from B\)$"
    with pytest.raises(InputError, match=why):
        target("cells", liberty=tmp_path / "x.lib").area(SMALL, tmp_path)


def test_an_area_that_is_missing(tmp_path):
    """It does not count as zero; a cell that is marked is not used, whatever it lacks."""
    text = LIBERTY.read_text()
    (tmp_path / "x.lib").write_text(text.replace("    area : 6;\n", ""))
    problem = r"^Liberty cell \w+, which the netlist uses, must have an area; complete the file or mark the cell with"
    with pytest.raises(InputError, match=problem):
        target("cells", liberty=tmp_path / "x.lib").area(SMALL, tmp_path)
    assert "NOR2" in target("cells", liberty=LIBERTY).area(SMALL, tmp_path).cells
    begin = text.index("cell (NOR2)")
    (tmp_path / "x.lib").write_text(text[:begin] + text[begin:].replace("area : 6;", "dont_use : true;", 1))
    area = target("cells", liberty=tmp_path / "x.lib").area(SMALL, tmp_path)
    assert "NOR2" not in area.cells
    assert area.silicon > 0


def test_no_library_is_installed(monkeypatch):
    monkeypatch.setattr(cells, "KNOWN", ())
    with pytest.raises(InputError, match="Liberty file must be given for target cells: none is installed"):
        target("cells")
