"""What convolutions are given: parameters, written while they are idle, then sequences; and again."""

import numpy as np

from qse_hw.golden.reference.convolution import pack_parameters, word_bits
from qse_hw.rtl_gen.linear.store import address_bits
from qse_hw.rtl_gen.units.shared import sequence_bits
from tests.sim.cycle.loading import load_and_send, marked, word_rows


def payload_of(config, words):
    """The payloads (words, bytes) of a stream of parameters."""
    address_width = address_bits(config.lanes, config.channels // config.lanes)
    return word_rows(words, address_width, word_bits(config.taps))


def beats_of(config, values, first, sequence=0):
    """The beats (beats, bytes) of tokens (tokens, channels), ``first`` and ``sequence`` (tokens,)."""
    marks = np.repeat(first | np.asarray(sequence) << 1, config.channels // config.lanes)
    return marked(values.reshape(-1, config.lanes), config.width, marks, 1 + sequence_bits(config.sequences))


def tokens_of(rng, config, tokens):
    """Random tokens (tokens, channels) with some extremes."""
    low = -1 << (config.width - 1)
    values = rng.integers(low, -low, (tokens, config.channels))
    extremes = rng.random((tokens, 1)) < 0.2
    return np.where(extremes, np.where(rng.random((tokens, 1)) < 0.5, low, -low - 1), values)


def stimulus(rng, config, jobs, *, seed=None, noise=False):
    """Jobs (parameters, values, first), maybe with sequences: see :func:`tests.sim.cycle.loading.load_and_send`."""
    pairs = [
        (
            payload_of(config, pack_parameters(parameters, input_bits=config.width, lanes=config.lanes)),
            beats_of(config, *tokens),
        )
        for parameters, *tokens in jobs
    ]
    return load_and_send(rng, pairs, config.component().latency, seed=seed, noise=noise)


def results(config, trace):
    """The sums that left, in order, (tokens, channels)."""
    left = trace["o__payload"][trace["o__valid"] & trace["o__ready"]]
    return np.ascontiguousarray(left).view("<i2").reshape(-1, config.channels)
