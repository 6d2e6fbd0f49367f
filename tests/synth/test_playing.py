from pathlib import Path

import numpy as np
import pytest

from synth.cache import Cache
from synth.flow import Point
from synth.playing import play
from synth.targets import target
from tests.synth.units import SMALL

LIBERTY = Path(__file__).parent / "assets" / "small.lib"


@pytest.fixture
def data(rng):
    steady = np.full((400, 1), 5, np.uint32)
    return {"steady": steady, "random": rng.integers(0, 256, steady.shape, dtype=np.uint32)}


def test_energy_and_toggles(data, tmp_path):
    points = [Point(SMALL, target("cells", liberty=LIBERTY)), Point(SMALL, target("ice40"))]
    told, cache = [], Cache(tmp_path)
    cells, fpga = play(points, [data, data], cache=cache, step=told.append)
    assert sorted(told) == ["energy of encoder int8 s8 on cells:small", "energy of encoder int8 s8 on ice40:hx8k"]
    for steady, random in (cells, fpga):
        assert [steady["stimulus"], random["stimulus"], steady["values"]] == ["steady", "random", 400]
        assert steady["toggles"][0] < random["toggles"][0] <= random["toggles"][1]
    steady, random = cells
    assert steady["energy"][0] < random["energy"][0] <= random["energy"][1]
    for low_high in (0, 1):
        parts = [random[part][low_high] for part in ("switching", "internal", "clock")]
        assert random["energy"][low_high] == pytest.approx(sum(parts))
    assert random["leakage"] > 0
    assert "energy" not in fpga[0]
    before = len(list(tmp_path.rglob("*.json")))
    assert play(points, [data, data], cache=cache) == [cells, fpga]
    assert play(points[:1], [{"steady": data["steady"]}], cache=cache) == [cells[:1]]
    assert len(list(tmp_path.rglob("*.json"))) == before + 1  # other data is another question
