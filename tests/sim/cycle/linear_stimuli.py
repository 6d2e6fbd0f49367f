"""What linear units are given: weights, biases and a scale, written while they are idle, then vectors; and again."""

from typing import NamedTuple

import numpy as np

from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.tables import decode_table
from qse_hw.golden.reference.linear import (
    Words,
    accumulate,
    check_scale,
    linear,
    pack_biases,
    pack_weights,
    zero_point_bias,
)
from qse_hw.rtl_gen.linear.store import address_bits
from qse_hw.sim.cycle.stimulus import Stimulus, random_runs
from qse_hw.sim.packing import pack


class Job(NamedTuple):
    """Weights (outputs, inputs), biases, a scale, and vectors of codes with noise behind the last input."""

    weights: np.ndarray
    biases: np.ndarray
    scale: Scale
    codes: np.ndarray

    def results(self, config):
        """What golden makes of it: int8 (vectors, outputs), and which were clamped."""
        return linear(self.codes[:, : config.inputs], self.weights, self.biases, config.format, self.scale)


def job(rng, config, vectors):
    """Random weights and vectors, with the extremes of both; a scale at which some results are clamped."""
    tiling, size = config.tiling, 1 << config.format.bits
    weights = rng.integers(-128, 128, (config.outputs, config.inputs))
    codes = rng.integers(0, size, (vectors, tiling.beats * tiling.columns))
    weights[rng.integers(config.outputs)] = -128
    codes[rng.integers(vectors)] = np.argmax(decode_table(config.format)[0])
    codes[rng.integers(vectors)] = np.argmin(decode_table(config.format)[0])
    biases = zero_point_bias(weights, config.format) + rng.integers(-3000, 3001, config.outputs)
    sums = accumulate(codes[:, : config.inputs], weights, biases, config.format)
    scale = Scale.from_step(max(0.01, float(np.percentile(np.abs(sums), 80)) / 127))
    return Job(weights, biases, scale, codes)


def stimulus(rng, config, jobs, *, seed=None, noise=False):
    """Each job's words, then its vectors: of all jobs but the last slowly enough that nothing waits.

    The last one's are sent at full speed, or with stalls on both sides if there is a ``seed``. With ``noise``, other
    words are offered and the scale changes all the time after the last job's first beat.
    """
    tiling, delay = config.tiling, config.component().latency + config.component().queue_depth
    parts = []
    for number, now in enumerate(jobs):
        words = {
            "weights": pack_weights(now.weights, tiling), "biases": pack_biases(now.biases, tiling, config.format)
        }  # fmt: skip
        loading = max(len(each.addresses) for each in words.values()) + 1
        beats = len(now.codes) * tiling.beats
        last = number == len(jobs) - 1
        if last:
            sending = 2 * delay + max(beats, len(now.codes) * tiling.cycles) * (1 if seed is None else 4)
            offer = np.ones(sending, np.bool_)
        else:
            pace = -(-tiling.cycles // tiling.beats)
            sending = beats * pace + 2 * delay + tiling.cycles
            offer = (np.arange(sending) % pace == 0) & (np.arange(sending) < beats * pace)
        cycles = loading + sending
        M, k = check_scale(now.scale)
        part = {
            "offer": np.concatenate([np.zeros(loading, np.bool_), offer]),
            "accept": np.ones(cycles, np.bool_),
            "scale_m": np.full(cycles, M),
            "scale_k": np.full(cycles, k),
        }
        for name, each in words.items():
            payload = _payload(each, _address_bits(config, name))
            part[f"{name}__payload"] = np.zeros((cycles, payload.shape[1]), np.uint8)
            part[f"{name}__payload"][: len(payload)] = payload
            part[f"{name}__valid"] = np.arange(cycles) < len(payload)
        if last and seed is not None:
            print(f"seed of the stalls: {seed}")
            stalls = np.random.default_rng(seed)
            part["accept"] = random_runs(stalls, cycles)
            part["offer"][loading + 1 :] = random_runs(stalls, sending - 1)
        if last and noise:
            later = slice(loading + 1, None)
            part["scale_m"][later] = rng.integers(0, 1 << 16, sending - 1)
            part["scale_k"][later] = rng.integers(0, 64, sending - 1)
            part["weights__valid"][later] = rng.random(sending - 1) < 0.2
            bits = rng.integers(0, 2, (sending - 1, 8 * tiling.columns + _address_bits(config, "weights")), np.uint8)
            part["weights__payload"][later] = np.packbits(bits, axis=1, bitorder="little")
        parts.append(part)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    offer, accept = joined.pop("offer"), joined.pop("accept")
    joined["clear"] = rng.random(len(offer)) < 0.02
    codes = np.concatenate([now.codes for now in jobs]).reshape(-1, tiling.columns)
    beats = pack(codes, config.format.bits)
    return Stimulus(beats=beats, offer=offer, accept=accept, ports=joined)


def results(trace):
    """The int8 results that left, in order."""
    return trace["o__payload"][trace["o__valid"] & trace["o__ready"]].reshape(-1).view(np.int8)


def _address_bits(config, name):
    banks, depth, _ = config.component().memories[name]
    return address_bits(banks, depth)


def _payload(words: Words, address_width):
    bytes_ = words.addresses.astype("<u4").view(np.uint8).reshape(-1, 4)
    addresses = np.unpackbits(bytes_, axis=1, count=address_width, bitorder="little")
    data = np.unpackbits(words.words, axis=1, bitorder="little")
    return np.packbits(np.concatenate([addresses, data], axis=1), axis=1, bitorder="little")
