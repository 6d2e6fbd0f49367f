"""What mixers are given: parameters, then tokens, weights and multipliers, each stream at its own pace."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from qse_hw.golden.reference import convolution, scan, time_step
from qse_hw.golden.reference.product_schedule import SOURCES, head_schedule, jobs, layer_schedule
from qse_hw.golden.reference.words import join_fields
from qse_hw.rtl_gen.mixer.config import K_BITS, M_BITS, SHIFT_BITS, MixerConfig
from qse_hw.rtl_gen.mixer.mixer import Mixer
from qse_hw.rtl_gen.mixer.parameter_bus import UNIT_BITS
from qse_hw.rtl_gen.units.shared import mix_sequences, sequence_bits
from qse_hw.sim.cycle.stimulus import Offered, Stimulus, random_runs


@dataclass(frozen=True)
class Unit:
    """A mixer, to be emitted like a unit."""

    mixer: MixerConfig
    top: str = "qse_mixer"

    def component(self) -> Any:
        return Mixer(self.mixer)

    def meanings(self):
        return self.mixer.meanings()


def M(rng, count):
    return rng.integers(1 << (M_BITS - 1), 1 << M_BITS, count)


def words(config, rng):
    """Random words of all units (words, bytes), in random order, with some for no unit."""
    layers = config.layers + (config.vocabulary > 0)
    widths = config.scan_config.widths
    scanned = config.scan_config.random_parameters(rng)
    units = [
        (np.arange(layers), scalars(rng, layers)),
        convolution.pack_parameters(config.convolution_config.random_parameters(rng), input_bits=16, lanes=1),
        time_step.pack_parameters(config.time_step_config.random_parameters(rng), width=16, lanes=1),
        scan.pack_channels(scanned, widths),
        scan.pack_decays(scanned, widths, config.scan_lanes),
    ]
    bits = UNIT_BITS + max(config.parameter_bits.values())
    numbers = [7 | int(rng.integers(1 << 20)) << UNIT_BITS for _ in range(3)]
    for number, (width, (addresses, own)) in enumerate(zip(config.parameter_bits.values(), units, strict=True)):
        data_bits = own_bits(config, number)
        for address, word in zip(addresses.tolist(), own, strict=True):
            value = address | int.from_bytes(word.tobytes(), "little") << (width - data_bits)
            numbers.append(number | value << UNIT_BITS)
    rng.shuffle(numbers)
    size = -(-bits // 8)
    return np.frombuffer(b"".join(number.to_bytes(size, "little") for number in numbers), np.uint8).reshape(-1, size)


def own_bits(config, number):
    """Bits of a unit's word without its address."""
    return [
        3 * (M_BITS + K_BITS) + SHIFT_BITS, convolution.word_bits(config.d_conv), time_step.word_bits(16),
        sum(scan.channel_bits(config.scan_config.widths)), config.scan_lanes * config.a_bits,
    ][number]  # fmt: skip


def scalars(rng, layers):
    """Scales with which most values are in range, and shifts."""
    fields = []
    for low, high in ((9, 18), (18, 22), (16, 24)):  # of norm, x, y
        fields += [(M(rng, layers), M_BITS), (rng.integers(low, high, layers), K_BITS)]
    return join_fields([*fields, (rng.integers(4, 12, layers), SHIFT_BITS)])


def tiles(shape, job, rng):
    """Random weights of a job (beats, rows * columns), with zeros beyond the ends of rows."""
    inputs, beats = shape.inputs(SOURCES[job.result]), shape.beats(SOURCES[job.result])
    weights = rng.integers(-128, 128, (-(-job.rows // shape.rows), beats, shape.rows, shape.columns), np.int8)
    weights[:, -1, :, shape.columns - (beats * shape.columns - inputs) :] = 0
    return weights.reshape(-1, shape.rows * shape.columns)


def stimulus(config, rng, *, tokens, cycles, stalls=("i", "weights", "scales", "o")):
    """Random tokens and weights; the streams of ``stalls`` pause at random. Words come again while tokens pass, for
    units that are idle or not, without a change; some cycles clear the flags."""
    loading = words(config, rng)
    schedule = [*list(jobs(layer_schedule(config.shape))) * config.layers, *jobs(head_schedule(config.shape))]
    rows = tokens * sum(job.rows for job in schedule)
    weights = np.concatenate([tiles(config.shape, job, rng) for job in schedule * tokens])
    residual = rng.integers(-1 << 23, 1 << 23, tokens * config.d_model) >> np.repeat(
        rng.integers(0, 12, tokens), config.d_model
    )
    sequence, first = mix_sequences(rng, np.arange(tokens) % 2 == 0, config.sequences)
    marks = [np.repeat(mark, config.d_model).astype(np.int64) for mark in (first, sequence)]
    fields = zip((residual, *marks), (24, 1, sequence_bits(config.sequences)), strict=True)

    def pace(name):
        runs = random_runs(rng, cycles) if name in stalls else np.ones(cycles, np.bool_)
        runs[: len(loading) * (name == "i")] = False
        return runs

    again = rng.integers(0, len(loading), cycles)
    valid = rng.random(cycles) < 0.3
    again[: len(loading)], valid[: len(loading)] = np.arange(len(loading)), True
    multipliers = join_fields([(M(rng, rows), M_BITS), (rng.integers(12, 30, rows), 6)])
    return Stimulus(
        beats=join_fields(list(fields)), offer=pace("i"), accept=pace("o"),
        ports={
            "parameters__payload": loading[again], "parameters__valid": valid, "clear": rng.random(cycles) < 0.01,
        },
        streams={
            "weights": Offered(beats=weights.view(np.uint8), offer=pace("weights")),
            "scales": Offered(beats=multipliers, offer=pace("scales")),
        },
    )  # fmt: skip
