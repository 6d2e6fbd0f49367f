"""Every cycle in which a value passes in the Verilog of a Mamba is the one that the mixer's cycle model has."""

from dataclasses import replace

import numpy as np
import pytest

from qse_hw.sim.accelerator.accelerator import Accelerator
from qse_hw.sim.accelerator.library import ALWAYS
from qse_hw.sim.cycle.mixer.parts import NEVER
from qse_hw.sim.cycle.mixer.sources import accepts, offers
from qse_hw.sim.cycle.mixer.timing import MixerTiming, Ports
from tests.golden.models.integer import small

PER_BEAT, MORE = 9, 9000
"""Cycles that a token may take for each beat of weights, and for all else."""


def draws(seed, share, cycles):
    """Whether weights and multipliers come, and logits are taken, in each cycle: as the driver draws it."""
    drawn, word = np.zeros((cycles, 3), bool), seed
    for cycle in range(cycles):
        for number in range(3):
            word ^= word << 13 & 0xFFFFFFFF
            word ^= word >> 17
            word ^= word << 5 & 0xFFFFFFFF
            drawn[cycle, number] = word & 255 < share
    return drawn


def modeled(config, tokens, drawn):
    """The model's run: each token is offered when the logits of the one before are out."""
    left = tokens * config.d_model

    def token(cycle):
        nonlocal left
        left -= 1
        outputs = timing.log.cycles["o"]
        return max(cycle, outputs[-1] + 1 if outputs else 0) if left >= 0 else NEVER

    weights, scales, taken = (drawn[:, number] for number in range(3))
    ports = Ports(token, offers(weights, len(drawn)), offers(scales, len(drawn)), accepts(taken))
    timing = MixerTiming(config, ports, horizon=len(drawn))
    timing.run()
    return timing.log.cycles


def check(accelerator, *, share, tokens=3, seed=11):
    """Compare all tensors' cycles, and the tokens' lengths."""
    horizon = tokens * (PER_BEAT * accelerator.config.product_cycles + MORE)
    cycles = modeled(accelerator.config, tokens, draws(seed, share, horizon))
    accelerator.reset(seed)
    begin, counts = 0, {}
    for number, token in enumerate(small.text().tolist()[:tokens]):
        stepped = accelerator.step(token)
        for name, times in stepped.times.items():
            first = counts.get(name, 0)
            counts[name] = first + len(times)
            assert (times + begin).tolist() == cycles[name][first : counts[name]], f"token {number}: {name}"
        begin += stepped.cycles
        assert begin == cycles["o"][accelerator.config.vocabulary * (number + 1) - 1] + 1
    assert counts == {name: len(cycles[name]) for name in counts}


def test_every_tensor_with_pauses_at_the_ports(accelerator):
    check(accelerator, share=150)


@pytest.mark.full(2)
@pytest.mark.parametrize(
    ("share", "sizes"),
    [
        (ALWAYS, {"rows": 1, "columns": 1, "scan_lanes": 1, "hadamard_lanes": 1}),
        (ALWAYS, {"rows": 5, "columns": 6, "scan_lanes": 4, "norm_lanes": 3, "hadamard_lanes": 1}),
        (40, {"rows": 16, "columns": 8, "scan_lanes": 1, "hadamard_lanes": 4, "target": "ecp5"}),
    ],
    ids=str,
)
def test_other_sizes(small_config, sizes, share, tmp_path):
    accelerator = Accelerator(replace(small_config, **sizes), tmp_path, share=share, short=True)
    check(accelerator, share=share)
    accelerator.close()
