import pytest

from qse_hw.synth.flow import Point
from qse_hw.synth.targets import target
from qse_hw.synth.targets.gowin import DEVICES
from tests.synth.units import SMALL, encoder


@pytest.mark.full
def test_area_and_timing(tmp_path):
    chosen = target("gowin")
    area = chosen.area(encoder(), tmp_path)
    assert area.dsp == area.cells["MULT18X18"] == 1
    assert area.comb == sum(count for cell, count in area.cells.items() if cell.startswith(("LUT", "ALU")))
    assert area.ff == sum(count for cell, count in area.cells.items() if cell.startswith("DFF")) > 8
    assert not any(cell.endswith("BUF") for cell in area.cells)  # no pins
    chosen.prepare(SMALL, Point(SMALL, chosen).wrapped, tmp_path)
    timing = chosen.timing(SMALL, tmp_path, 1)
    assert 50 < timing.mhz < 600
    assert timing.path


@pytest.mark.full
def test_the_larger_device_is_faster(tmp_path):
    speeds = []
    for part in DEVICES:
        (tmp_path / part).mkdir()
        chosen = target(f"gowin:{part}")
        chosen.prepare(SMALL, Point(SMALL, chosen).wrapped, tmp_path / part)
        speeds.append(chosen.timing(SMALL, tmp_path / part, 1).mhz)
    assert speeds[1] > 1.3 * speeds[0]
