from pathlib import Path

import numpy as np
import pytest

from qse_hw.synth.cache import Cache
from qse_hw.synth.energy import measure_energy
from qse_hw.synth.flow import Point
from qse_hw.synth.targets import target
from tests.synth.units import SMALL

LIBERTY = Path(__file__).parent / "assets" / "small.lib"


@pytest.fixture
def data(rng):
    steady = np.full((400, 1), 5, np.uint32)
    return {"steady": steady, "random": rng.integers(0, 256, steady.shape, dtype=np.uint32)}


def test_energy_and_toggles(data, tmp_path):
    points = [Point(SMALL, target("cells", liberty=LIBERTY)), Point(SMALL, target("ice40"))]
    told, cache = [], Cache(tmp_path)
    cells, fpga = measure_energy(points, [data, data], cache=cache, step=told.append)
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
    assert measure_energy(points, [data, data], cache=cache) == [cells, fpga]
    assert measure_energy(points[:1], [{"steady": data["steady"]}], cache=cache) == [cells[:1]]
    assert len(list(tmp_path.rglob("*.json"))) == before + 1  # other data is another question


@pytest.mark.full
def test_what_the_library_lacks(data, tmp_path):
    """None, with the reason; cells that nobody uses may lack what they want, and nobody but we must read them."""
    text = LIBERTY.read_text()
    odd = 'cell (ODD) { pin ("A-1") { direction : input; } pin (Y) { direction : output; function : "!(A-1)"; } }\n'

    def random(library):
        (tmp_path / "x.lib").write_text(library)
        return measure_energy([Point(SMALL, target("cells", liberty=tmp_path / "x.lib"))], [data])[0][1]

    whole = random(text)
    energy = random(text.replace("  cell (NOR2)", f"  {odd}  cell (NOR2)").replace("cell_leakage_power", "x"))
    assert energy.pop("missing").keys() == {"leakage"}
    assert energy == whole | {"leakage": None}
    energy = random(text.replace("  nom_voltage : 1.2;", ""))
    assert energy.pop("missing") == {"energy": "Library small has no nom_voltage"}
    assert energy == whole | dict.fromkeys(("switching", "internal", "clock", "energy"))
