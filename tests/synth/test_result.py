import pytest

from qse_hw.synth.result import Area, Hop, Measured, Timing
from tests.synth.units import SMALL

AREA = Area(comb=1, ff=2)


@pytest.mark.parametrize(
    ("speeds", "median", "spread", "typical"),
    [
        ([100.0], 100.0, (100.0, 100.0), 100.0),
        ([90.0, 130.0, 91.0], 91.0, (90.0, 130.0), 91.0),
        ([90.0, 100.0], 95.0, (90.0, 100.0), 90.0),  # as near; the slower one
    ],
)
def test_seeds(speeds, median, spread, typical):
    timing = {seed: Timing(mhz=mhz) for seed, mhz in enumerate(speeds, 1)}
    measured = Measured(unit=SMALL, target="x", area=AREA, timing=timing)
    assert (measured.median, measured.spread, measured.typical.mhz) == (median, spread, typical)


def test_a_path_adds_up():
    timing = Timing(mhz=1.0, path=(Hop("a", 1.0, 0.5, 3), Hop("b", 0.25, 0.125, 1), Hop("c", 0, 0, 0)))
    assert (timing.logic, timing.routing, timing.cells) == (1.25, 0.625, 4)
