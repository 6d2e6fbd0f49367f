"""What time step units are given: parameters, written while they are idle, then tokens; and again."""

import numpy as np

from qse_hw.golden.reference.time_step import pack_parameters, word_bits
from qse_hw.rtl_gen.linear.store import address_bits
from qse_hw.sim.packing import pack, signed, unpack
from tests.sim.cycle.loading import load_and_send, word_rows


def stimulus(rng, config, jobs, *, seed=None, noise=False):
    """Jobs (parameters, dt): see :func:`tests.sim.cycle.loading.load_and_send`."""
    address_width = address_bits(config.lanes, config.channels // config.lanes)
    width = config.input.width
    pairs = [
        (
            word_rows(pack_parameters(parameters, width=width, lanes=config.lanes), address_width, word_bits(width)),
            pack(dt.reshape(-1, config.lanes), width),
        )
        for parameters, dt in jobs
    ]
    return load_and_send(rng, pairs, config.component().latency, seed=seed, noise=noise)


def results(config, trace):
    """The time steps that left, in order, (tokens, channels)."""
    left = np.ascontiguousarray(trace["o__payload"][trace["o__valid"] & trace["o__ready"]])
    width = config.output.width
    return signed(unpack(left, width, config.lanes), width).reshape(-1, config.channels)
