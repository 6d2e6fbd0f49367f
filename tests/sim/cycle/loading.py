"""Stimuli of units with a stream of parameters: the words, written while the unit is idle, then beats; and again."""

import numpy as np

from qse_hw.sim.cycle.stimulus import Stimulus, random_runs


def word_rows(words, address_width, width):
    """The payloads (words, bytes) of a stream of parameters of ``width`` bits and their addresses."""
    rows = [
        address | int.from_bytes(word.tobytes(), "little") << address_width
        for address, word in zip(words.addresses.tolist(), words.words, strict=True)
    ]
    size = -(-(address_width + width) // 8)
    return np.array([list(row.to_bytes(size, "little")) for row in rows], np.uint8)


def load_and_send(rng, jobs, latency, *, seed=None, noise=False):
    """Jobs (words, beats): each one's words, then its beats; the last one's with stalls on both sides if there is a
    ``seed``. With ``noise``, other words are offered during the last job, too.
    """
    parts, stalls = [], np.random.default_rng(seed)
    for number, (words, beats) in enumerate(jobs):
        last = number == len(jobs) - 1
        sending = len(beats) * (1 if seed is None or not last else 4) + 2 * latency + 4
        cycles = len(words) + sending
        part = {
            "offer": (np.arange(cycles) >= len(words)) & (last | (np.arange(cycles) < len(words) + len(beats))),
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
            flips = (offered % 2).astype(np.uint8)[:, None] * np.eye(1, words.shape[1], words.shape[1] - 1, np.uint8)
            part["parameters__payload"][len(words) :] = words[offered] ^ flips
            part["parameters__valid"][len(words) :] = rng.random(sending) < 0.3
        parts.append(part)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    offer, accept = joined.pop("offer"), joined.pop("accept")
    joined["clear"] = rng.random(len(offer)) < 0.02
    return Stimulus(beats=np.concatenate([beats for _, beats in jobs]), offer=offer, accept=accept, ports=joined)


def marked(values, width, marks, mark_bits=1):
    """Beats (beats, bytes) of values (beats, lanes), and a mark (beats,) of so many bits above them."""
    bits = (values[:, :, None] >> np.arange(width) & 1).reshape(len(values), -1)
    above = marks[:, None] >> np.arange(mark_bits) & 1
    return np.packbits(np.concatenate([bits, above], axis=1).astype(np.uint8), axis=1, bitorder="little")
