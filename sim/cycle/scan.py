"""The scan in every cycle."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.reference.scan import (
    COEFFICIENT_BITS,
    DELTA_BITS,
    OUTPUT_BITS,
    Parameters,
    channel_bits,
    scan,
    unpack_channels,
    unpack_decays,
)
from qse_hw.golden.reference.words import as_signed, split_fields
from qse_hw.rtl_gen.linear.store import address_bits
from qse_hw.rtl_gen.scan.scan import FLAGS
from qse_hw.rtl_gen.units.scan import ScanConfig
from qse_hw.rtl_gen.units.shared import sequence_bits
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.parameter_memory import ParameterMemory, as_rows
from qse_hw.sim.cycle.status import flag_of_beats
from qse_hw.sim.cycle.stimulus import Offered, Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.packing import pack

_STREAMS = ("parameters", "decays")
Integers = npt.NDArray[np.int64]


class _Run(NamedTuple):
    """Handshakes; whether the unit is idle; of the coefficients valid and ready; the cycles in which channels began."""

    handshake: pipeline.Handshake
    idle: npt.NDArray[np.bool_]
    offered: npt.NDArray[np.bool_]
    ready: npt.NDArray[np.bool_]
    begun: npt.NDArray[np.intp]


class _Part(NamedTuple):
    """Channels of one layer and token, ``begin`` to ``end`` of the channels begun, with unchanged parameters."""

    begin: int
    end: int
    first_channel: int
    parameters: Parameters


class ScanModel:
    """The value of every port of :class:`qse_hw.rtl_gen.scan.scan.Scan` in every cycle; ``config``: which.

    ``latency``: cycles from an accepted beat to its output.
    """

    def __init__(self, config: ScanConfig) -> None:
        component = config.component()
        self._config, self._depth = config, component.queue_depth
        self._release = component.release_step
        self._widths = {"parameters": sum(channel_bits(config.widths)), "decays": config.lanes * config.a_bits}
        self._address_bits = {name: address_bits(1, component.depths[name]) for name in _STREAMS}
        self.latency = component.latency

    def run(self, stimulus: Stimulus) -> Trace:
        """The trace of ``stimulus``."""
        run = self._control(stimulus)
        memories: dict[str, ParameterMemory] = {}
        words: Trace = {}
        for name in _STREAMS:
            bits = self._address_bits[name], self._widths[name]
            valid = stimulus.port(f"{name}__valid").astype(np.bool_)
            payload = as_rows(stimulus.port(f"{name}__payload"), sum(bits))
            memories[name] = ParameterMemory(payload, valid & run.idle, *bits)
            words |= {
                f"{name}__valid": valid, f"{name}__ready": run.idle, f"{name}__payload": payload * valid[:, None]
            }  # fmt: skip
        coefficients = self._coefficients(stimulus)
        sets = self._sets(coefficients.beats[: int((run.offered & run.ready).sum())])
        values, clamped = self._outputs(stimulus, run.begun, memories, sets)
        trace = pipeline.ports(stimulus, run.handshake, pack(values[:, None], OUTPUT_BITS), ("clear",)) | words
        trace |= pipeline.stream_ports("coefficients", coefficients.beats, run.offered, run.ready)
        for name, flags in zip(FLAGS, clamped, strict=True):
            trace[name] = flag_of_beats(run.handshake.left, flags[:, None], trace["clear"])
        return trace

    def _coefficients(self, stimulus: Stimulus) -> Offered:
        """What is offered on that stream; nothing, if the stimulus has it not."""
        none = np.zeros((0, COEFFICIENT_BITS // 4 * self._config.lanes), np.uint8)
        never = np.zeros(stimulus.cycles, np.bool_)
        return stimulus.streams.get("coefficients", Offered(beats=none, offer=never))

    def _control(self, stimulus: Stimulus) -> _Run:
        groups, depth, config = self._config.groups, self._depth, self._config
        per_set = config.channels // config.layers
        i_valid, i_ready, o_valid, idles, frees, offered = (bytearray(stimulus.cycles) for _ in range(6))
        coefficients = self._coefficients(stimulus)
        offers, words, waits = coefficients.offer.tolist(), len(coefficients.beats), False
        begun: list[int] = []
        visible: list[int] = []  # the first cycle in which each output can leave
        released: list[int] = []  # the cycles in which each set is released
        beats, held, idle = len(stimulus.beats), False, True
        room = has_left = False  # delayed by a cycle
        group = channel = reserved = out = loaded = sets = fill = freed = 0
        for t, (offer, accept) in enumerate(zip(stimulus.offer.tolist(), stimulus.accept.tolist(), strict=True)):
            valid = held or (offer and beats > 0)
            beats -= valid and not held
            go = group != 0 or (room and loaded > 0)
            last = group == groups - 1
            full = out < len(visible) and visible[out] <= t
            free = sets != 2
            i_valid[t], i_ready[t], o_valid[t], idles[t], frees[t] = valid, last and go, full, idle, free
            issued = valid and go
            held = valid and not (last and go)
            begins = issued and group == 0
            idle = reserved == 0 and not begins
            room = reserved <= depth - 2
            reserved += begins - has_left
            has_left = full and accept
            out += has_left
            release = freed < len(released) and released[freed] == t
            freed += release
            sets -= release
            shown = waits or (offers[t] and words > 0)
            words -= shown and not waits
            offered[t], waits = shown, shown and not free
            if free and shown:
                fill += 1
                if fill == groups:
                    fill, sets, loaded = 0, sets + 1, loaded + 1
            if begins:
                begun.append(t)
            if issued:
                group += 1
                if last:
                    group = 0
                    visible.append(t + self.latency)
                    channel += 1
                    if channel == per_set:
                        channel, loaded = 0, loaded - 1
                        released.append(t + self._release)
        handshake = pipeline.Handshake(
            i_valid=np.frombuffer(i_valid, np.bool_),
            i_ready=np.frombuffer(i_ready, np.bool_),
            o_valid=np.frombuffer(o_valid, np.bool_),
            o_ready=stimulus.accept,
        )
        idle_bits, offered_bits, free_bits = (np.frombuffer(part, np.bool_) for part in (idles, offered, frees))
        return _Run(handshake, idle_bits, offered_bits, free_bits, np.array(begun, np.intp))

    def _sets(self, beats: npt.NDArray[np.uint8]) -> Integers:
        """B and C (sets, 2, states) of the beats that were accepted; a set that is not complete is left out."""
        config = self._config
        whole = len(beats) // config.groups
        fields = split_fields(beats[: whole * config.groups], [COEFFICIENT_BITS] * 2 * config.lanes)
        values = as_signed(np.stack(fields, axis=1), COEFFICIENT_BITS)
        return values.reshape(whole, config.groups, 2, config.lanes).transpose(0, 2, 1, 3).reshape(whole, 2, -1)

    def _outputs(
        self,
        stimulus: Stimulus,
        begun: npt.NDArray[np.intp],
        memories: dict[str, ParameterMemory],
        sets: Integers,
    ) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.bool_]]:
        """The output (channels,) of every channel that began, and what was clamped (3, channels)."""
        config, count = self._config, len(begun)
        sizes = [config.x_bits, DELTA_BITS, 1, sequence_bits(config.sequences)]
        fields = split_fields(stimulus.beats[:count], sizes)
        x, delta, first = as_signed(fields[0], config.x_bits), fields[1], fields[2]
        h = np.zeros((config.sequences, config.channels, config.states), np.int64)
        values, clamped = np.zeros(count, np.int16), np.zeros((3, count), np.bool_)
        per_set = config.channels // config.layers
        for part in self._parts(begun, memories):
            now = slice(part.begin, part.end)
            own = slice(part.first_channel, part.first_channel + part.end - part.begin)
            B, C = sets[part.begin // per_set]
            states = h[fields[3][part.begin - part.begin % config.channels]]
            old = np.where(first[now, None] > 0, 0, states[own])
            scanned, states[own] = scan(x[now], delta[now], old, B, C, part.parameters, config.widths)
            values[now] = scanned.y
            clamped[:, now] = scanned[1:]
        return values, clamped

    def _parts(self, begun: npt.NDArray[np.intp], memories: dict[str, ParameterMemory]) -> Iterator[_Part]:
        """The channels that began, in order."""
        config, count = self._config, len(begun)
        per_set = config.channels // config.layers
        versions = np.stack([memories[name].versions(begun) for name in _STREAMS])
        changes = np.flatnonzero((np.diff(versions, axis=1) != 0).any(axis=0)) + 1
        starts = np.union1d(changes, np.arange(0, count, per_set))
        parameters, known = None, None
        for begin, end in zip(starts.tolist(), [*starts[1:].tolist(), count], strict=True):
            now = tuple(versions[:, begin].tolist())
            if parameters is None or now != known:
                parameters, known = self._parameters(memories, now), now
            channel = begin % config.channels
            own = Parameters(*(part[channel : channel + end - begin] for part in parameters))
            yield _Part(begin, end, channel, own)

    def _parameters(self, memories: dict[str, ParameterMemory], versions: tuple[int, ...]) -> Parameters:
        """Of all channels, after so many words."""
        config = self._config
        channels, groups = config.channels, config.channels * config.groups
        words, decays = (memories[name].words(version) for name, version in zip(_STREAMS, versions, strict=True))
        A = unpack_decays(decays[:groups], config.widths, config.lanes).reshape(channels, config.states)
        M, k, inflow_shift, output_shift, D = unpack_channels(words[:channels], config.widths)
        return Parameters(M, k, inflow_shift, output_shift, D, A)
