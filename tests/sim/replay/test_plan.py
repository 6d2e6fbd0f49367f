"""Plans and outcomes: what goes through files comes back the same."""

import dataclasses
import json

import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.sim.replay.plan import Outcome, Plan, Tensor
from tests.golden.formats import oracles

OUTCOME = Outcome(
    run="x", values=12, cycles=7, wrong_codes=0, wrong_values=0, missing=0, extra=0, unknown=0, violations=0,
    wrong_inputs=0, wrong_flags=0, seconds=0.5, first="",
)  # fmt: skip
COUNTS = {field.name for field in dataclasses.fields(Outcome)} - {"run", "values", "cycles", "seconds", "first"}


@pytest.mark.parametrize("name", ["int8", "se9-paper", "sticky-offset", "five"])
@pytest.mark.parametrize("input_name", ["fp32", "s16e-8"])
def test_a_plan_comes_back(name, input_name, tmp_path):
    tensors = (
        Tensor(name="layer 0", file="a.npy", values=100, scale=Scale(M=40000, k=17)),
        Tensor(name="ä", file="b.npy", values=1, scale=Scale(M=1, k=-3, bits=1)),
    )
    plan = Plan(
        format=oracles.make(name), input=input_type(input_name), lanes=3, counter_width=0, tensors=tensors,
        runs=(("full speed", None), ("stalls", 5)), result="r", progress="p",
    )  # fmt: skip
    plan.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json") == plan


def test_an_outcome_comes_back():
    assert Outcome(**json.loads(json.dumps(dataclasses.asdict(OUTCOME)))) == OUTCOME


def test_a_faultless_outcome():
    assert OUTCOME.mismatches == 0


@pytest.mark.parametrize("count", sorted(COUNTS))
def test_every_count_counts(count):
    assert dataclasses.replace(OUTCOME, **{count: 3}).mismatches == 3
    assert dataclasses.replace(OUTCOME, **{name: 1 for name in COUNTS}).mismatches == len(COUNTS)
