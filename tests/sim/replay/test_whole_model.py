"""Whole-model replays: the values that are sent, what counters mean, the harness itself with every kind of fault."""

import math

import numpy as np
import pytest

from qse_hw.golden.calibration.calibration import LayerCalibration
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.sim.replay import whole_model as module
from qse_hw.sim.replay.replay import RUNS
from qse_hw.sim.replay.whole_model import Stages, outcome, replay_model, spread
from tests.golden.formats import oracles
from tests.sim.faulty import FAULTS, faulty_top

PLAN = {"lanes": 16, "beats": 10, "padding": 3, "flags": {"saturated": 1, "nan": 0, "invalid": 0,
                                                          "saturation_count": 7}}  # fmt: skip
FOUND = {
    "run": "full speed", "seconds": 0.5, "last": 20, "accepted": 10, "link_beats": 10, "o_beats": 10,
    "wrong_codes": 0, "wrong_values": 0, "violations": 0, "broken_files": 0, "first_kind": 0, "first_beat": 0,
    "first_lane": 0, "first_got": 0, "first_want": 0, **PLAN["flags"],
}  # fmt: skip


def test_values_are_spread_without_repeats_while_there_are_enough(rng):
    small = [rng.normal(size=(12, 4)).astype(np.float32) for _ in range(2)]
    large = spread(small, layers=4, channels=8, tokens=3)
    assert list(large) == [f"layers.{n}.x" for n in range(4)]
    assert all(x.shape == (3, 8) and x.dtype == np.float32 for x in large.values())
    for number, x in enumerate(small):
        parts = [large[f"layers.{layer}.x"].reshape(-1) for layer in (number, number + 2)]
        assert (np.concatenate(parts) == x.reshape(-1)).all()


def test_values_are_repeated_when_they_are_exhausted():
    large = spread([np.arange(10, dtype=np.float32).reshape(5, 2)], layers=2, channels=4, tokens=3)
    assert large["layers.0.x"].reshape(-1).tolist() == [*range(10), 0, 1]
    assert large["layers.1.x"].reshape(-1).tolist() == [*range(2, 10), 0, 1, 2, 3]


def test_a_flawless_pass():
    result = outcome(FOUND, PLAN)
    assert (result.run, result.values, result.cycles, result.seconds) == ("full speed", 157, 20, 0.5)
    assert (result.mismatches, result.first) == (0, "")


@pytest.mark.parametrize(
    ("changes", "counts", "first"),
    [
        ({"wrong_codes": 2, "first_kind": 1, "first_beat": 4, "first_lane": 3, "first_got": 5, "first_want": 6},
         {"wrong_codes": 2}, "code, beat 4, lane 3: 0x5, not 0x6"),
        ({"wrong_values": 1, "first_kind": 2, "first_got": 1},
         {"wrong_values": 1}, "value, beat 0, lane 0: 0x1, not 0x0"),
        ({"o_beats": 8}, {"missing": 2}, "8 beats came out, not 10"),
        ({"link_beats": 11}, {"extra": 1}, ""),
        ({"accepted": 9}, {"wrong_inputs": 1}, ""),
        ({"violations": 4}, {"violations": 4}, ""),
        ({"nan": 1, "saturation_count": 8}, {"wrong_flags": 2}, "nan is 1, not 0"),
    ],
)  # fmt: skip
def test_what_counters_mean(changes, counts, first):
    result = outcome(FOUND | changes, PLAN)
    assert result.mismatches == sum(counts.values())
    assert {name: getattr(result, name) for name in counts} == counts
    assert result.first == first


def test_files_that_cannot_be_read():
    with pytest.raises(RuntimeError, match=r"^the harness could not read its files$"):
        outcome(FOUND | {"broken_files": 1}, PLAN)


def test_stages_add_up():
    stages = Stages()
    for _ in range(2):
        with stages.stage("one"):
            pass
    assert list(stages.seconds) == ["one"]
    assert stages.seconds["one"] > 0


def choice(name, step):
    return LayerCalibration(format=oracles.make(name), scale=Scale.from_step(step), sqnr_db=math.nan)


@pytest.fixture(scope="module")
def passes():
    """One simulation: each fault of ``faulty_top`` in a pass of its own."""
    rng = np.random.default_rng(5)
    tensors = {f"layer {n}": rng.normal(0, 2, (7, 11 + n)).astype(np.float32) for n in range(3)}
    tensors["layer 1"][2, :3] = [np.inf, -np.inf, np.nan]
    choices = {name: choice("se8", step) for name, step in zip(tensors, (0.0176, 0.04, 0.011), strict=True)}
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.top, "top", faulty_top)
        patch.setattr(module, "LANES", 8)
        patch.setattr(module, "RUNS", tuple((name, 11 if waits else None) for name, (_, waits) in FAULTS.items()))
        outcomes = replay_model(
            tensors, choices, input=input_type("bf16"), stages=Stages(),
            progress=lambda what, fraction: told.append((what, fraction)),
        )  # fmt: skip
    return {result.run: result for result in outcomes}, told, sum(x.size for x in tensors.values())


@pytest.mark.full
def test_faults(passes):
    """Each is found, in the field that is meant for it, where a compiled model of two states can see it."""
    outcomes, _, size = passes
    assert list(outcomes) == list(FAULTS)
    for name, (meant, _) in FAULTS.items():
        result = outcomes[name]
        if not meant:
            assert (result.mismatches, result.first, result.values) == (0, "", size)
            continue
        field = "wrong_values" if name == "unknown value" else meant
        assert getattr(result, field) > 0, name
        assert result.mismatches > 0, name
    assert outcomes["code bit"].wrong_codes == 1
    assert outcomes["code bit"].first.startswith("code, beat 5, lane 0: 0x")
    assert outcomes["value bit"].wrong_values == 1
    assert outcomes["silent"].first == "0 beats came out, not 33"


@pytest.mark.full
def test_progress(passes):
    _, told, size = passes
    assert {what for what, _ in told} == {f"replaying {size:,} values in 1 formats"}
    assert max(fraction for _, fraction in told) == 1


@pytest.mark.full
@pytest.mark.parametrize("input_name", ["fp32", "fp16", "s12e-6"])
def test_several_formats_at_once(input_name, rng):
    names = ("se8", "se9-paper", "int8", "se8-silu", "se8")
    tensors = {str(n): rng.normal(0, 1, (n + 5, 333)).astype(np.float32) for n in range(len(names))}
    choices = {str(n): choice(name, 0.01 + 0.002 * n) for n, name in enumerate(names)}
    stages = Stages()
    outcomes = replay_model(tensors, choices, input=input_type(input_name), stages=stages)
    assert sorted(stages.seconds) == ["compile", "generate", "golden", "simulate"]
    assert [result.run for result in outcomes] == [name for name, _ in RUNS] * 4
    assert [(result.mismatches, result.first) for result in outcomes] == [(0, "")] * 8
    assert sum(result.values for result in outcomes) == 2 * sum(x.size for x in tensors.values())
    fast, stalled = outcomes[:2]
    assert stalled.cycles > 1.2 * fast.cycles
