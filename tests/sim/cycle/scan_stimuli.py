"""What scans are given: parameters, written while they are idle, then sequences and their B and C; and again."""

from typing import NamedTuple

import numpy as np

from qse_hw.golden.reference.scan import Parameters, Scanned, scan
from qse_hw.rtl_gen.linear.store import address_bits
from qse_hw.rtl_gen.units.shared import mix_sequences, sequence_bits
from qse_hw.sim.cycle.stimulus import Offered, Stimulus, random_runs


class Job(NamedTuple):
    """Parameters, then tokens x, delta (tokens, channels), first and sequence (tokens,), B and C (tokens, layers,
    states)."""

    parameters: Parameters
    x: np.ndarray
    delta: np.ndarray
    first: np.ndarray
    B: np.ndarray
    C: np.ndarray
    sequence: np.ndarray

    def of(self, tokens):
        """The job with some of the tokens."""
        parts = self._asdict()
        return Job(parts.pop("parameters"), **{name: part[tokens] for name, part in parts.items()})


def job(rng, config, tokens, *, first=None):
    x, delta, B, C = config.random_tokens(rng, tokens)
    marks = rng.random(tokens) < 0.3 if first is None else first
    parameters = config.random_parameters(rng)
    sequence, marks = mix_sequences(rng, marks, config.sequences)
    return Job(parameters, x, delta, marks, B, C, sequence)


def rows_of(beats, bits):
    """Payloads as (beats, bytes)."""
    return np.array([list(beat.to_bytes(-(-bits // 8), "little")) for beat in beats], np.uint8)


def payloads_of(config, parameters):
    """The payloads (words, bytes) of both streams of words, by name."""
    made = {}
    depths = (("parameters", config.channels), ("decays", config.channels * config.groups))
    for (name, depth), words in zip(depths, config.words(parameters), strict=True):
        bits = address_bits(1, depth)
        pairs = zip(words.addresses.tolist(), words.words, strict=True)
        whole = [address | int.from_bytes(word.tobytes(), "little") << bits for address, word in pairs]
        made[name] = rows_of(whole, max(word.bit_length() for word in [*whole, 1 << (bits + width(config, name) - 1)]))
    return made


def width(config, name):
    return config.lanes * config.a_bits if name == "decays" else 32 + config.d_bits


def stimulus(rng, config, jobs, *, seed=None, noise=False):
    """Each job's words, then its tokens; the last one's with stalls on all sides if there is a ``seed``. With
    ``noise``, other words are offered during the last job, too.
    """
    component = config.component()
    wait = component.latency + component.release_step + 4
    parts, stalls = [], np.random.default_rng(seed)
    for number, now in enumerate(jobs):
        words = payloads_of(config, now.parameters)
        last = number == len(jobs) - 1
        loading = max(map(len, words.values()))
        pace = config.groups + component.release_step + 4  # so slowly that no beat waits
        busy = now.x.size * config.groups + len(now.x) * config.layers * pace
        sending = (busy * (1 if seed is None else 5) if last else now.x.size * pace) + wait
        cycles = loading + sending
        since = np.arange(cycles) - loading
        during = since >= 0
        part = {
            "offer": during & (last | ((since % pace == 0) & (since < now.x.size * pace))),
            "accept": np.ones(cycles, np.bool_),
            "coefficients": during.copy(),
        }
        for name, rows in words.items():
            part[f"{name}__payload"] = np.zeros((cycles, rows.shape[1]), np.uint8)
            part[f"{name}__payload"][: len(rows)] = rows
            part[f"{name}__valid"] = np.arange(cycles) < len(rows)
        if last and seed is not None:
            print(f"seed of the stalls: {seed}")
            part["offer"][loading:] = random_runs(stalls, sending)
            part["accept"][loading:] = random_runs(stalls, sending) | (np.arange(sending) > sending - wait)
            part["coefficients"][loading:] = random_runs(stalls, sending)
        if last and noise:
            for name, rows in words.items():
                part[f"{name}__payload"][loading:] = rows[rng.integers(len(rows), size=sending)]
                part[f"{name}__valid"][loading:] = rng.random(sending) < 0.3
        parts.append(part)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    offer, accept = joined.pop("offer"), joined.pop("accept")
    joined["clear"] = rng.random(len(offer)) < 0.02
    beats = rows_of(
        [beat for now in jobs for beat in config.channel_beats(now.x, now.delta, now.first, now.sequence)],
        config.x_bits + 19 + sequence_bits(config.sequences),
    )
    coefficients = [beat for now in jobs for beat in config.coefficient_beats(now.B, now.C)]
    beside = Offered(beats=rows_of(coefficients, 32 * config.lanes), offer=joined.pop("coefficients"))
    return Stimulus(beats=beats, offer=offer, accept=accept, ports=joined, streams={"coefficients": beside})


def expected(config, jobs):
    """What golden makes of jobs, the states carried on: (tokens, channels) of each part."""
    h = np.zeros((config.sequences, config.channels, config.states), np.int64)
    rows = []
    per_layer = config.channels // config.layers
    for now in jobs:
        for token in range(len(now.x)):
            B, C = (np.repeat(part[token], per_layer, axis=0) for part in (now.B, now.C))
            number = now.sequence[token]
            old = np.zeros_like(h[number]) if now.first[token] else h[number]
            scanned, h[number] = scan(now.x[token], now.delta[token], old, B, C, now.parameters, config.widths)
            rows.append(scanned)
    return Scanned(*(np.stack(part) for part in zip(*rows, strict=True)))


def results(config, trace):
    """The outputs that left, in order, (tokens, channels)."""
    left = trace["o__payload"][trace["o__valid"] & trace["o__ready"]]
    return np.ascontiguousarray(left).view("<i2").reshape(-1, config.channels)
