"""A mixer in every cycle."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.reference.matvec import K_BITS, M_BITS
from qse_hw.golden.reference.product_schedule import WIDE_BITS, head_schedule, jobs, layer_schedule
from qse_hw.golden.reference.words import as_signed, split_fields
from qse_hw.rtl_gen.linear.matvec import QUEUE_DEPTH
from qse_hw.rtl_gen.mixer.config import MixerConfig
from qse_hw.rtl_gen.mixer.mixer import FLAGS, tap_shapes
from qse_hw.rtl_gen.units.shared import sequence_bits
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.mixer.memory import Memories
from qse_hw.sim.cycle.mixer.parts import NEVER, Supply
from qse_hw.sim.cycle.mixer.sources import accepts, offers
from qse_hw.sim.cycle.mixer.timing import MixerTiming, Ports
from qse_hw.sim.cycle.mixer.values import Values
from qse_hw.sim.cycle.status import flag_of_beats
from qse_hw.sim.cycle.stimulus import Bits, Offered, Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.packing import beat_bytes, pack

Integers = npt.NDArray[np.int64]
Passed = Mapping[str, npt.NDArray[np.intp]]
"""The cycles in which the beats of each tensor pass."""


class MixerModel:
    """The value of every port of :class:`qse_hw.rtl_gen.mixer.mixer.Mixer` in every cycle; ``config``: which."""

    def __init__(self, config: MixerConfig) -> None:
        self._config = config

    def run(self, stimulus: Stimulus) -> Trace:
        """The trace of ``stimulus``, which has the streams ``weights`` and ``scales``, and ``parameters`` as ports.

        Not modeled are words of parameters that change something while channels of a layer pass through their unit, and
        weights that are not 0 beyond the end of a row.

        Raises:
            InputError: for a scale that is none; the hardware is not specified then.
        """
        config, offered, cycles = self._config, stimulus.offered, stimulus.cycles
        sources = {name: offers(stream.offer, len(stream.beats)) for name, stream in offered.items()}
        timing = MixerTiming(config, Ports(**sources, o=accepts(stimulus.accept)), horizon=cycles, recorded=True)
        timing.run()
        supplies = {"weights": timing.weights, "scales": timing.scales}
        logged = {**timing.log.cycles, **{name: supply.written for name, supply in supplies.items()}}
        names = dict.fromkeys((*_LOGGED, *FLAGS, *tap_shapes(config), *logged))
        passed = {name: _within(cycles, logged.get(name, ())) for name in names}
        memories = Memories(config, stimulus, _idle(cycles, passed, timing))
        values = self._values(stimulus, memories, passed)

        trace: Trace = {"clear": stimulus.port("clear"), **memories.ports}
        ready = {"i": _loads(cycles, timing), **{name: _room(cycles, supply) for name, supply in supplies.items()}}
        for name, stream in offered.items():
            trace |= pipeline.stream_ports(name, stream.beats, _valid(stream, passed[name]), ready[name])
        trace |= self._outputs(stimulus, passed, values)
        trace["saturated"] = self._flags(trace["clear"], passed, values)
        return trace | (self._taps(cycles, passed, values) if config.taps else {})

    def _values(self, stimulus: Stimulus, memories: Memories, passed: Passed) -> Values:
        """Those of all tokens that came in, with zeros for what did not."""
        config, offered = self._config, stimulus.offered
        tokens = -(-len(passed["i"]) // config.d_model)
        schedule = [*list(jobs(layer_schedule(config.shape))) * config.layers, *jobs(head_schedule(config.shape))]
        rows = tokens * sum(job.rows for job in schedule)
        beats = {
            "i": tokens * config.d_model, "weights": tokens * config.product_cycles, "scales": rows,
        }  # fmt: skip
        given = {name: _padded(offered[name].beats, count) for name, count in beats.items()}
        residual, *marks = split_fields(given["i"], [WIDE_BITS, 1, sequence_bits(config.sequences)])
        M, k = split_fields(given["scales"], [M_BITS, K_BITS])
        M[len(offered["scales"].beats) :] = 1 << (M_BITS - 1)
        weights = given["weights"].view(np.int8).reshape(-1, config.rows, config.columns)
        cycles = {name: times.tolist() for name, times in passed.items()}
        values = Values(config, weights=weights, scales=np.stack([M, k], axis=1), memories=memories, cycles=cycles)
        first, sequence = (mark.reshape(tokens, -1)[:, -1].tolist() for mark in marks)  # a token's last value counts
        vectors = as_signed(residual, WIDE_BITS).reshape(tokens, -1)
        for vector, begins, number in zip(vectors, first, sequence, strict=True):
            values.token(vector, first=bool(begins), sequence=number)
        return values

    def _outputs(self, stimulus: Stimulus, passed: Passed, values: Values) -> Trace:
        """The stream o."""
        config = self._config
        parts = values.values["logits"]
        if not config.vocabulary:
            parts = values.values["residual"][config.layers :: config.layers + 1]
        valid = np.zeros(stimulus.cycles, np.bool_)
        left = passed["o"].tolist()
        for number, first in enumerate(passed["o_offered"].tolist()):
            valid[first : left[number] + 1 if number < len(left) else None] = True
        return pipeline.stream_ports("o", _beats(parts, WIDE_BITS, 1), valid, stimulus.accept)

    def _flags(self, clear: npt.NDArray[Any], passed: Passed, values: Values) -> npt.NDArray[np.uint64]:
        flags = np.zeros(len(clear), np.uint64)
        for number, name in enumerate(FLAGS):
            parts = values.saturated["any_state" if name == "state" else name]
            left = passed["scan" if name in ("inflow", "state") else name]
            if parts:
                risen = flag_of_beats(left, np.concatenate(parts), clear)
                flags |= risen.astype(np.uint64) << np.uint64(number)
        return flags

    def _taps(self, cycles: int, passed: Passed, values: Values) -> Trace:
        trace: Trace = {}
        for name, shape in tap_shapes(self._config).items():
            parts = values.values[name]
            lanes = parts[0].shape[1] if parts else 1
            valid = np.zeros(cycles, np.bool_)
            valid[passed[name]] = True
            ports = pipeline.stream_ports(f"tap_{name}", _beats(parts, shape.width // lanes, lanes), valid, valid)
            trace |= {port: value for port, value in ports.items() if not port.endswith("ready")}
        return trace


_LOGGED = ("i", "o", "o_offered", "dt_entered", "scan_begun", "norm_in", "x_in", "y_in")


def _within(cycles: int, times: Sequence[int]) -> npt.NDArray[np.intp]:
    """Those before the end."""
    return np.array([time for time in times if time < cycles], np.intp)


def _padded(beats: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.uint8]:
    """So many beats, zeros behind those that there are."""
    padded = np.zeros((count, beats.shape[1]), np.uint8)
    padded[: len(beats)] = beats[:count]
    return padded


def _beats(parts: Sequence[Integers], width: int, lanes: int) -> npt.NDArray[np.uint8]:
    """Values as beats (beats, bytes)."""
    if not parts:
        return np.zeros((0, beat_bytes(width, lanes)), np.uint8)
    return pack(np.concatenate(parts) & ((1 << width) - 1), width)


def _valid(stream: Offered, accepted: npt.NDArray[np.intp]) -> Bits:
    """When the driver offers a beat."""
    valid, coming, begin = np.zeros_like(stream.offer), accepts(stream.offer), 0
    for cycle in accepted.tolist():
        valid[coming(begin) : cycle + 1] = True
        begin = cycle + 1
    if len(accepted) < len(stream.beats) and (waits := coming(begin)) < NEVER:
        valid[waits:] = True
    return valid


def _count(cycles: int, times: Sequence[int] | npt.NDArray[np.intp]) -> Integers:
    """How many come before each cycle, (cycles + 1,)."""
    happened = np.bincount(_within(cycles, list(times)), minlength=cycles)[:cycles]
    return np.concatenate([[0], np.cumsum(happened)])


def _room(cycles: int, supply: Supply) -> Bits:
    """When a queue takes a beat: it had room for two a cycle ago."""
    held = _count(cycles, supply.written) - _count(cycles, supply.taken)
    return np.concatenate([[True], held <= QUEUE_DEPTH - 2])[:cycles]


def _loads(cycles: int, timing: MixerTiming) -> Bits:
    """When a residual value is taken."""
    ready = np.zeros(cycles, np.bool_)
    for first, end in timing.loads:
        ready[first:end] = True
    for first, end in timing.residual.waits:
        ready[first:end] = False
    return ready


def _idle(cycles: int, passed: Passed, timing: MixerTiming) -> dict[str, Bits]:
    """When the units take words of parameters: nothing was in them a cycle ago, and they do not stand still."""

    def empty(entered: str, left: Integers) -> Bits:
        return np.concatenate([[True], _count(cycles, passed[entered])[1:] == left])[:cycles]

    out = {name: _count(cycles, passed[name])[:-1] for name in ("conv_sum", "dt_sum", "scan")}
    late = np.concatenate([[0], out["scan"]])[:cycles]  # the scan knows a cycle late what left
    scan = empty("scan_begun", late)
    convolution, time_step = empty("conv_input", out["conv_sum"]), empty("dt_entered", out["dt_sum"])
    for idle, part in ((convolution, timing.inner.conv_input), (time_step, timing.inner.time_step)):
        for first, end in part.waits:
            idle[first:end] = False
    return {"convolution": convolution, "time_step": time_step, "scan": scan, "decays": scan}
