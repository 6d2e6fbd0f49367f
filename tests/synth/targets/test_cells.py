from pathlib import Path

import pytest

from golden.errors import InputError
from synth.flow import Point
from synth.targets import cells, target
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
    chosen.prepare(SMALL, Point(SMALL, chosen).framed, tmp_path)
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
    found = target("cells", liberty=tmp_path / "x.lib").area(SMALL, tmp_path)
    assert "NOR2" not in found.cells
    assert found.silicon > 0


def test_no_library_is_installed(monkeypatch):
    monkeypatch.setattr(cells, "KNOWN", ())
    with pytest.raises(InputError, match="Liberty file must be given for target cells: none is installed"):
        target("cells")
