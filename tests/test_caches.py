"""All that keeps results between runs, module by module, and that each key has the sources of what it keeps in it."""

import ast
from pathlib import Path

import numpy as np
import pytest

from qse_hw.golden.io import sources
from qse_hw.golden.io.sources import FLOORS
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.rtl_gen.units.model import ModelConfig
from qse_hw.synth import flow
from qse_hw.synth.cache import Cache
from qse_hw.synth.energy import measure_energy
from qse_hw.synth.flow import Point
from qse_hw.synth.model_energy import measure_model_energy
from tests.golden.models.integer import small
from tests.synth.fakes import Fake
from tests.synth.units import SMALL

ROOT = Path(__file__).parents[1]

WAYS = {
    "qse_hw.golden.io.files.cache_folder", "qse_hw.synth.cache.Cache", "qse_hw.synth.cache.default_folder",
    "torch.utils.cpp_extension.load",
}  # fmt: skip
"""What a module imports or calls to keep something."""

MAKE_KEYS = {
    "golden/io/compiler.py", "golden/models/mamba/scan.py", "synth/flow.py", "synth/energy.py", "synth/model_energy.py",
}  # fmt: skip
"""Modules that keep what they made under keys of their own: one test each, below or in the module's own tests."""

PASS_ON = {
    "synth/cache.py": "refuses a key without sources",
    "qse_hw/cli/report.py": "to flow and energy",
    "qse_hw/cli/sweep.py": "to stages",
    "qse_hw/cli/synth.py": "to flow and energy",
    "qse_hw/study/sweep/plan.py": "to flow",
    "qse_hw/study/sweep/schedule.py": "under the keys of stages",
    "qse_hw/study/sweep/stages.py": "under accuracy.key and plan.key",
}


def used(path):
    """Those of WAYS that a module imports."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)]
    names = {f"{node.module}.{alias.name}" for node in nodes for alias in node.names}
    text = path.read_text(encoding="utf-8")
    homes = {way for way in ("XDG_CACHE_HOME", "Path.home()", "expanduser", "gettempdir") if way in text}
    return names & WAYS | (homes if path != ROOT / "golden" / "io" / "files.py" else set())


def test_every_keeper_is_known():
    paths = [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]
    found = {str(path.relative_to(ROOT)) for path in paths if used(path)}
    assert found == MAKE_KEYS | set(PASS_ON)


@pytest.fixture
def edit(monkeypatch):
    """Pretends that a room's sources are others."""
    before = sources.digests()

    def edited(room):
        monkeypatch.setattr(sources, "digests", lambda: before | {room: "0" * 64})

    return edited


@pytest.mark.parametrize(("room", "again"), [("golden", True), ("synth", True), ("qse_hw", False), (None, False)])
def test_a_changed_timing_model_measures_again(edit, tmp_path, monkeypatch, room, again):
    made = []
    monkeypatch.setattr(flow, "transistors", lambda unit, folder: made.append("transistors"))
    target, cache = Fake(), Cache(tmp_path)
    flow.measure([Point(SMALL, target)], seeds=1, cache=cache)
    first = sorted(target.asked + made)
    target.asked.clear()
    made.clear()
    if room:
        edit(room)
    flow.measure([Point(SMALL, target)], seeds=1, cache=cache)
    assert sorted(target.asked + made) == (first if again else [])


@pytest.mark.parametrize(("room", "again"), [("golden", True), ("synth", True), ("qse_hw", False), (None, False)])
def test_a_changed_energy_model_measures_again(edit, tmp_path, monkeypatch, room, again):
    calls, cache = [], Cache(tmp_path)
    monkeypatch.setattr("qse_hw.synth.energy._measure", lambda point, stimuli: calls.append(1) or [{"n": len(calls)}])
    stimuli = [{"x": np.zeros((1, 1), np.uint32)}]
    first = measure_energy([Point(SMALL, Fake())], stimuli, cache=cache)
    if room:
        edit(room)
    assert (measure_energy([Point(SMALL, Fake())], stimuli, cache=cache) != first) == again
    assert len(calls) == 1 + again


@pytest.mark.parametrize(("room", "again"), [("sim", True), ("synth", True), ("qse_hw", False), (None, False)])
def test_a_changed_simulation_measures_a_model_again(edit, tmp_path, monkeypatch, room, again):
    calls, cache = [], Cache(tmp_path / "kept")
    monkeypatch.setattr("qse_hw.synth.model_energy._measure", lambda *given: calls.append(1) or {"n": len(calls)})
    config = ModelConfig(**small.saved(tmp_path))
    point = Point(Emitted(config=config, text="", ports=(), latency=1), Fake())
    first = measure_model_energy(point, [1, 2], cache=cache)
    assert measure_model_energy(point, [1, 3], cache=cache) != first
    if room:
        edit(room)
    assert (measure_model_energy(point, [1, 2], cache=cache) != first) == again
    assert len(calls) == 2 + again


@pytest.mark.parametrize("room", FLOORS)
def test_keys_of_a_sweep_know_all_floors(edit, activations_file, room):
    from qse_hw.study.sweep import accuracy, plan

    job = {"activations": str(activations_file), "format": "se8", "scale_bits": 16}
    before = accuracy.key(job), plan.key(Point(SMALL, Fake()), 1)
    edit(room)
    after = accuracy.key(job), plan.key(Point(SMALL, Fake()), 1)
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, False]


@pytest.fixture
def activations_file(tmp_path):
    file = tmp_path / "activations"
    file.write_bytes(b"any")
    return file


@pytest.mark.parametrize("key", [{"what": "area"}, {"what": "area", "sources": ""}])
def test_a_key_without_sources_is_refused(tmp_path, key):
    cache = Cache(tmp_path)
    sentence = r"^Key must have sources, a digest of qse_hw\.golden\.io\.sources, not only what"
    for use in (lambda: cache.get(key), lambda: cache.put(key, 1), lambda: cache.recall(key, lambda: 1)):
        with pytest.raises(ValueError, match=sentence):
            use()
    assert not list(tmp_path.iterdir())
