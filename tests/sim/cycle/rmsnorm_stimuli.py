"""What norms are given: tokens of every magnitude, and scales that change from token to token."""

import numpy as np

from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.norm import normalize
from qse_hw.sim.cycle.stimulus import Stimulus, random_runs
from qse_hw.sim.packing import pack, unpack


def tokens_of(rng, config, tokens):
    """(tokens, size) of every magnitude, with extremes and zeros."""
    limit = 1 << (config.width - 1)
    deviations = 2.0 ** rng.uniform(-1, config.width - 2, (tokens, 1))
    values = np.rint(rng.normal(0, deviations, (tokens, config.size))).astype(np.int64).clip(-limit, limit - 1)
    kinds = rng.integers(8, size=tokens)
    values[kinds == 0], values[kinds == 1] = -limit, 0
    return values


def stimulus(rng, config, values, *, seed=None, more=0):
    """The tokens at full speed, or with stalls on both sides if there is a ``seed``; the scale changes at random."""
    component = config.component()
    beats = values.size // config.lanes
    cycles = beats * (1 if seed is None else 4) + 2 * component.latency + more
    always = np.ones(cycles, np.bool_)
    offer, accept = always, always
    if seed is not None:
        print(f"seed of the stalls: {seed}")
        stalls = np.random.default_rng(seed)
        offer, accept = random_runs(stalls, cycles), random_runs(stalls, cycles)
    usual = config.scale_for(2.5)
    ports = {
        "scale_m": rng.integers(1 << 15, 1 << 16, cycles),
        "scale_k": usual.k + rng.integers(-1, 2, cycles),
        "clear": rng.random(cycles) < 0.02,
    }
    packed = pack(values.reshape(-1, config.lanes), config.width)
    return Stimulus(beats=packed, offer=offer, accept=accept, ports=ports)


def expected(config, values, given, trace):
    """The codes (tokens, size) by golden, with the scales that were there with each token's last beat."""
    accepted = np.flatnonzero(trace["i__valid"] & trace["i__ready"])
    ends = accepted[config.size // config.lanes - 1 :: config.size // config.lanes]
    scales = [Scale(M=int(given.ports["scale_m"][t]), k=int(given.ports["scale_k"][t])) for t in ends]
    return normalize(values[: len(ends)], config.root, config.eps, scales, config.format, config.width)


def results(config, trace):
    """The codes that left, in order, (tokens, size), of whole tokens."""
    left = unpack(trace["o__payload"][trace["o__valid"] & trace["o__ready"]], config.format.bits, config.lanes)
    codes = left.reshape(-1)
    return codes[: len(codes) // config.size * config.size].reshape(-1, config.size)
