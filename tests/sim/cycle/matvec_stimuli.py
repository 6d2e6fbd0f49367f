"""What matrix-vector engines are given: products, on four streams that stall each by itself."""

import numpy as np

from qse_hw.sim.cycle.stimulus import Offered, Stimulus, random_runs

STREAMS = ("i", "jobs", "weights", "scales")


def stimulus(config, products, *, cycles, rng=None, stalls=(*STREAMS, "o"), order=None, arrays=None):
    """All streams at full speed; those of ``stalls`` pause at random if there is an ``rng``.

    ``order``: of the beats of the stream i; default: vector after vector. ``arrays``: instead of the products'.
    """
    payloads = config.payloads(arrays or config.arrays(products))
    if order is not None:
        payloads["i"] = [payloads["i"][n] for n in order]

    def pace(name):
        return random_runs(rng, cycles) if rng is not None and name in stalls else np.ones(cycles, np.bool_)

    streams = {
        name: Offered(beats=as_bytes(payloads[name], bits), offer=pace(name))
        for name, bits in config.payload_bits.items()
    }
    first = streams.pop("i")
    return Stimulus(beats=first.beats, offer=first.offer, accept=pace("o"), streams=streams)


def as_bytes(payloads, bits):
    size = -(-bits // 8)
    return np.array([list(beat.to_bytes(size, "little")) for beat in payloads], np.uint8).reshape(-1, size)


def cycles_of(config, products):
    """More than any of these products needs without stalls."""
    tiles = [(-(-one.job.rows // config.rows), one.job.beats) for one in products]
    return 60 + sum(beats + count * max(beats, config.rows) for count, beats in tiles)


def results(trace):
    """The beats that left, as integers."""
    left = trace["o__payload"][trace["o__valid"] & trace["o__ready"]]
    return [int.from_bytes(row.tobytes(), "little") for row in left]


def fields(config, beats):
    """(sum, M, k, tag, last) of each."""
    rows = []
    for beat in beats:
        total, tag = beat % (1 << 32), beat >> 54
        rows.append(
            (total - (total >> 31 << 32), beat >> 32 & 0xFFFF, beat >> 48 & 63, tag % (1 << config.tag_bits),
             bool(tag >> config.tag_bits))
        )  # fmt: skip
    return rows
