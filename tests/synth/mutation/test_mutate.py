"""The score of mutation: complete where the stimuli are the regression's, incomplete where they are weak."""

from dataclasses import replace

import numpy as np
import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.functions.targets import FUNCTIONS
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.sim.cycle.stimulus import full_speed
from qse_hw.synth.mutation import mutate as module
from qse_hw.synth.mutation import prove
from qse_hw.synth.mutation.mutate import FORMATS, STEPS, mutate, mutate_all, standard
from qse_hw.synth.mutation.prove import EQUIVALENT

DECODER = DecoderConfig(format=load_format("se8"))
ENCODER = EncoderConfig(
    format=load_format("se8-silu"), input=input_type("s8"), scale=Scale.from_step(0.7), counter_width=4
)


def outcome(config, level, count):
    return mutate(config, level=level, count=count, seed=5)


def test_every_fault_is_noticed_or_none():
    """Both levels, at the same time, in order."""
    for result, config in zip(mutate_all([(ENCODER, "word"), (DECODER, "gate")], count=90, seed=5),
                             (ENCODER, DECODER), strict=True):  # fmt: skip
        assert result.name.startswith(config.label)
        assert result.survivors == []
        assert result.score == 1
        assert result.mutants == 90 == result.killed + sum(result.equivalent.values())
        assert result.killed > 45
        assert set(result.equivalent) <= set(EQUIVALENT)
        assert result.item()["passed"]


@pytest.mark.full
def test_weak_stimuli_leave_survivors(monkeypatch):
    """At full speed, without clear, with one code only, most faults stay, and the solver says that they show."""
    weak = full_speed(np.zeros((9, 1), np.uint8), cycles=20)
    monkeypatch.setattr(module, "stimuli", lambda config, rng: [[weak]])
    result = outcome(DECODER, "gate", 40)
    assert result.score < 0.8
    assert sum(survivor["verdict"] == "different" for survivor in result.survivors) > 5
    assert result.item()["different"] + result.item()["unresolved"] == len(result.survivors)
    assert not result.item()["passed"]
    assert "signal" in " ".join(survivor["where"] for survivor in result.survivors)


@pytest.mark.full
def test_wide_counters_are_not_filled(monkeypatch):
    """Why the standard list has narrow ones: a carry into bit 31 takes 2**31 beats, which the solver does not find."""
    monkeypatch.setattr(prove, "_SEARCH", "bmc3 -F 24 -T 1")
    result = outcome(replace(ENCODER, counter_width=32), "word", 400)
    assert {survivor["verdict"] for survivor in result.survivors} <= {"different", "unresolved"}
    assert result.survivors
    assert all("count" in survivor["where"] or "status" in survivor["where"] for survivor in result.survivors)


def test_a_unit_that_is_wrong_without_a_fault(monkeypatch):
    monkeypatch.setattr(module, "program", _inverted(module.program))
    with pytest.raises(RuntimeError, match=r"^decoder se8, words: without a fault, outputs are wrong in cycle \d+$"):
        outcome(DECODER, "word", 3)


def _inverted(program):
    def wrong(*given):
        rows = program(*given)
        rows[:, -1] ^= rows[:, -1] < 2
        return rows

    return wrong


def test_the_standard_list():
    jobs = [(config.label, level) for config, level in standard()]
    assert len(set(jobs)) == len(jobs) == len(FORMATS) * (2 + 3 * len(STEPS)) + 2 * len(FUNCTIONS)
    assert all(config.counter_width == 6 for config, _ in standard() if config.unit == "encoder")
    assert {"encoder se8-silu bf16 scale=runtime", "decoder se9-paper"} <= {label for label, _ in jobs}
