import pytest

from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.hadamard import HadamardConfig
from qse_hw.synth.flow import Point
from qse_hw.synth.targets import target
from tests.synth.units import SMALL


@pytest.mark.full
@pytest.mark.parametrize(("part", "dsp"), [("hx8k", 0), ("up5k", 1)])
def test_area_and_timing(part, dsp, tmp_path):
    chosen = target(f"ice40:{part}")
    area = chosen.area(SMALL, tmp_path)
    assert area.dsp == dsp
    assert (area.comb, area.dsp) == (area.cells["ICESTORM_LC"], area.cells.get("ICESTORM_DSP", 0))
    assert 8 < area.ff < area.comb  # a logic cell has one flop
    assert "SB_IO" not in area.cells
    chosen.prepare(SMALL, Point(SMALL, chosen).wrapped, tmp_path)
    timing = chosen.timing(SMALL, tmp_path, 1)
    assert 20 < timing.mhz < 300
    assert timing.logic + timing.routing == pytest.approx(1000 / timing.mhz)
    assert "?" not in [hop.signal for hop in timing.path]


@pytest.mark.full
def test_queues_without_distributed_memory(tmp_path):
    """A Hadamard transform's queue asks for memory of look-up tables, which iCE40 has not."""
    unit = emit(HadamardConfig(size=8, width=4, lanes=4))
    assert "ram_style" in unit.text
    assert target("ice40").area(unit, tmp_path).bram > 0
