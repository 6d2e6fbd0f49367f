"""What residual streams are given: vectors, loaded or added, in whole or with an end missing."""

import numpy as np

from qse_hw.sim.cycle.stimulus import full_speed, random_runs, random_stalls
from tests.sim.cycle.loading import marked


def beats_of(config, values, load):
    """The beats (beats, bytes) of vectors (vectors, size), ``load`` (vectors, size / lanes)."""
    return marked(values.reshape(-1, config.lanes), config.width, load.reshape(-1))


def draw(rng, config, vectors):
    """Values (vectors, size) and whether beats (vectors, beats) are loaded: all of a vector's, none, or some."""
    low = -1 << (config.width - 1)
    values = rng.integers(low, -low, (vectors, config.size))
    values = np.where(rng.random((vectors, 1)) < 0.2, rng.choice([low, -low - 1], (vectors, 1)), values)
    beats = config.size // config.lanes
    kind = rng.integers(0, 4, (vectors, 1))
    load = np.where(kind == 3, rng.random((vectors, beats)) < 0.5, kind == 0)
    return values, load


def stimuli(rng, config, beats):
    """At full speed, and with stalls on both sides; ``clear`` at any time."""
    fast, slow = len(beats) + 12, 4 * len(beats) + 60
    return [
        full_speed(beats, cycles=fast, ports={"clear": rng.random(fast) < 0.1}),
        random_stalls(beats, cycles=slow, seed=61, ports={"clear": random_runs(rng, slow)}),
    ]
