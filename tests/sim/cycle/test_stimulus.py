"""Stimuli: checked shapes, stalls of both kinds."""

import re

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.sim.cycle.stimulus import Offered, Stimulus, full_speed, random_runs, random_stalls

BEATS = np.zeros((5, 2), np.uint8)


def test_full_speed():
    stimulus = full_speed(BEATS, cycles=9)
    assert stimulus.cycles == 9
    assert stimulus.offer.all()
    assert stimulus.accept.all()
    assert stimulus.beats is BEATS


def test_ports_are_zero_unless_given():
    given = np.arange(9)
    stimulus = random_stalls(BEATS, cycles=9, seed=1, ports={"scale_m": given})
    assert stimulus.port("scale_m") is given
    assert stimulus.port("clear").tolist() == [0] * 9


def test_random_runs():
    print("seed: 5")
    rng = np.random.default_rng(5)
    runs = [random_runs(rng, 1000) for _ in range(20)]
    assert {len(run) for run in runs} == {1000}
    assert {bool(run[0]) for run in runs} == {False, True}
    for run in runs:
        assert 0.3 < run.mean() < 0.7
        lengths = np.diff(np.flatnonzero(np.diff(run)))
        assert set(lengths.tolist()) == {1, 2, 3, 5, 12}


def test_the_two_sides_stall_apart_and_the_seed_decides():
    first, again, other = (random_stalls(BEATS, cycles=500, seed=seed) for seed in (1, 1, 2))
    assert (first.offer != first.accept).any()
    assert (first.offer == again.offer).all()
    assert (first.accept == again.accept).all()
    assert (first.offer != other.offer).any()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"accept": np.ones(8, np.bool_)}, "Stimulus accept must have a value per cycle, 9, not 8"),
        ({"ports": {"clear": np.zeros(10)}}, "Stimulus clear must have a value per cycle, 9, not 10"),
        ({"beats": np.zeros(5, np.uint8)}, "Stimulus beats must be (beats, bytes) uint8, not (5,) uint8"),
        ({"beats": np.zeros((5, 2))}, "Stimulus beats must be (beats, bytes) uint8, not (5, 2) float64"),
        (
            {"streams": {"jobs": Offered(beats=BEATS, offer=np.ones(8, np.bool_))}},
            "Stimulus jobs offer must have a value per cycle, 9, not 8",
        ),
        (
            {"streams": {"jobs": Offered(beats=np.zeros(5), offer=np.ones(9, np.bool_))}},
            "Stimulus jobs beats must be (beats, bytes) uint8, not (5,) float64",
        ),
    ],
)
def test_shapes_must_fit(changes, text):
    always = np.ones(9, np.bool_)
    with pytest.raises(InputError, match=re.escape(text)):
        Stimulus(**{"beats": BEATS, "offer": always, "accept": always} | changes)
