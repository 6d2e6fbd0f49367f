"""What convolutions are given: parameters, written while they are idle, then sequences; and again."""

import numpy as np

from qse_hw.golden.reference.convolution import pack_parameters, word_bits
from qse_hw.rtl_gen.linear.store import address_bits
from qse_hw.sim.cycle.stimulus import Stimulus, random_runs


def payload_of(config, words):
    """The payloads (words, bytes) of a stream of parameters."""
    address_width = address_bits(config.lanes, config.channels // config.lanes)
    rows = [
        address | int.from_bytes(word.tobytes(), "little") << address_width
        for address, word in zip(words.addresses.tolist(), words.words, strict=True)
    ]
    size = -(-(address_width + word_bits(config.taps)) // 8)
    return np.array([list(row.to_bytes(size, "little")) for row in rows], np.uint8)


def beats_of(config, values, first):
    """The beats (beats, bytes) of tokens (tokens, channels), ``first`` (tokens,)."""
    bits = (values.reshape(-1, config.lanes, 1) >> np.arange(config.width) & 1).reshape(-1, config.lanes * config.width)
    marks = np.repeat(first, config.channels // config.lanes)[:, None]
    return np.packbits(np.concatenate([bits, marks], axis=1).astype(np.uint8), axis=1, bitorder="little")


def tokens_of(rng, config, tokens):
    """Random tokens (tokens, channels) with some extremes."""
    low = -1 << (config.width - 1)
    values = rng.integers(low, -low, (tokens, config.channels))
    extremes = rng.random((tokens, 1)) < 0.2
    return np.where(extremes, np.where(rng.random((tokens, 1)) < 0.5, low, -low - 1), values)


def stimulus(rng, config, jobs, *, seed=None, noise=False):
    """Jobs (parameters, values, first): each one's words, then its tokens; the last one's with stalls on both sides if
    there is a ``seed``. With ``noise``, other words are offered during the last job, too.
    """
    latency = config.component().latency
    parts, stalls = [], np.random.default_rng(seed)
    for number, (parameters, values, _) in enumerate(jobs):
        words = payload_of(config, pack_parameters(parameters, input_bits=config.width, lanes=config.lanes))
        beats, last = values.size // config.lanes, number == len(jobs) - 1
        sending = beats * (1 if seed is None or not last else 4) + 2 * latency + 4
        cycles = len(words) + sending
        part = {
            "offer": (np.arange(cycles) >= len(words)) & (last | (np.arange(cycles) < len(words) + beats)),
            "accept": np.ones(cycles, np.bool_),
            "parameters__payload": np.zeros((cycles, words.shape[1]), np.uint8),
            "parameters__valid": np.arange(cycles) < len(words),
        }
        part["parameters__payload"][: len(words)] = words
        if last and seed is not None:
            print(f"seed of the stalls: {seed}")
            part["offer"][len(words) :] = random_runs(stalls, sending)
            part["accept"][len(words) :] = random_runs(stalls, sending) | (np.arange(sending) > sending - 2 * latency)
        if last and noise:
            offered = rng.integers(len(words), size=sending)
            flips = (offered % 2).astype(np.uint8)[:, None] * np.eye(1, words.shape[1], 2, np.uint8)
            part["parameters__payload"][len(words) :] = words[offered] ^ flips
            part["parameters__valid"][len(words) :] = rng.random(sending) < 0.3
        parts.append(part)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    offer, accept = joined.pop("offer"), joined.pop("accept")
    joined["clear"] = rng.random(len(offer)) < 0.02
    beats = np.concatenate([beats_of(config, values, first) for _, values, first in jobs])
    return Stimulus(beats=beats, offer=offer, accept=accept, ports=joined)


def results(config, trace):
    """The sums that left, in order, (tokens, channels)."""
    left = trace["o__payload"][trace["o__valid"] & trace["o__ready"]]
    return np.ascontiguousarray(left).view("<i2").reshape(-1, config.channels)
