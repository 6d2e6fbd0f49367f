"""Functional coverage of encoder, decoder and quantizer, from traces recorded from their Verilog."""

import numpy as np

from golden.formats import SegmentedFormat
from golden.inputs import InputType
from golden.scale import Scale
from sim.coverage import Cover
from sim.cycle.stimulus import Stimulus, random_runs
from sim.packing import pack

SEED = 20262
EACH = 60  # patterns per case and stimulus


def scale_for(format: SegmentedFormat, input: InputType) -> Scale:
    """A power of two, so that ties occur; 4 input steps per fine step for fixed point."""
    return Scale.from_step(2.0**-6 if input.is_float else 2.0 ** (format.fraction_bits + 2 + input.exponent))


def stimuli(cover: Cover, width: int) -> tuple[np.ndarray, list[Stimulus]]:
    """Patterns (beats, 1) that are in every case often, and stalls of the input, of the output, of both, of neither."""
    rng = np.random.default_rng(SEED)
    patterns = cover.patterns(rng, EACH)[:, None]
    beats = pack(patterns, width)
    cycles = 2 * len(beats)
    always = np.ones(cycles, np.bool_)
    sides = [(always, always), (random_runs(rng, cycles), always), (always, random_runs(rng, cycles))]
    sides.append((random_runs(rng, cycles), random_runs(rng, cycles)))
    return patterns, [Stimulus(beats=beats, offer=offer, accept=accept) for offer, accept in sides]
