"""The linear unit in every cycle."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.reference.linear import accumulate, requantize
from qse_hw.rtl_gen.linear.store import address_bits
from qse_hw.rtl_gen.units.linear import LinearConfig
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.parameter_memory import ParameterMemory, as_rows
from qse_hw.sim.cycle.status import sticky
from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.packing import unpack

_STREAMS = ("weights", "biases")


class _Run(NamedTuple):
    """Handshakes; whether the unit is idle; per vector the last idle cycle before it, the last to write parameters."""

    handshake: pipeline.Handshake
    idle: npt.NDArray[np.bool_]
    epochs: npt.NDArray[np.int64]


class LinearModel:
    """The value of every port of :class:`qse_hw.rtl_gen.linear.linear.Linear` in every cycle; ``config``: which unit.

    ``latency``: cycles from a vector's last beat to its first results.
    """

    def __init__(self, config: LinearConfig) -> None:
        component = config.component()
        self._config = config
        self._tiling = component.tiling
        self._delay, self._depth = component.result_delay, component.queue_depth
        self._bits = {  # of address and data
            name: (address_bits(banks, depth), width) for name, (banks, depth, width) in component.memories.items()
        }
        self.latency = component.latency

    def run(self, stimulus: Stimulus) -> Trace:
        """The trace of ``stimulus``. Biases beyond the component's ``max_bias`` are not modelled."""
        tiling = self._tiling
        run = self._control(stimulus)
        payloads = {name: as_rows(stimulus.port(f"{name}__payload"), sum(self._bits[name])) for name in _STREAMS}
        written = {name: stimulus.port(f"{name}__valid").astype(np.bool_) & run.idle for name in _STREAMS}
        memories = {name: ParameterMemory(payloads[name], written[name], *self._bits[name]) for name in _STREAMS}
        vectors = len(run.epochs)
        codes = unpack(stimulus.beats[: vectors * tiling.beats], self._config.format.bits, tiling.columns)
        codes = codes.reshape(vectors, tiling.beats * tiling.columns)
        values, clamped = np.zeros((vectors, tiling.outputs), np.int8), np.zeros((vectors, tiling.outputs), np.bool_)
        for epoch in np.unique(run.epochs):
            now = run.epochs == epoch
            weights, biases = self._weights(memories["weights"], epoch), self._biases(memories["biases"], epoch)
            M, k = (int(stimulus.port(name)[epoch]) for name in ("scale_m", "scale_k"))
            values[now], clamped[now] = requantize(accumulate(codes[now], weights, biases, self._config.format), M, k)

        outputs = values.view(np.uint8).reshape(-1, tiling.lanes)
        trace = pipeline.ports(stimulus, run.handshake, outputs, ("clear", "scale_m", "scale_k"))
        for name in _STREAMS:
            valid = stimulus.port(f"{name}__valid").astype(np.bool_)
            trace |= {
                f"{name}__valid": valid,
                f"{name}__ready": run.idle,
                f"{name}__payload": payloads[name] * valid[:, None],
            }
        events, left = np.zeros(stimulus.cycles, np.bool_), run.handshake.left
        events[left] = np.logical_or.reduce(clamped.reshape(-1, tiling.lanes), axis=1)[: len(left)]
        trace["saturated"] = sticky(events, trace["clear"])
        return trace

    def _control(self, stimulus: Stimulus) -> _Run:
        beats, per_tile, room = self._tiling.beats, self._tiling.rows // self._tiling.lanes, self._depth
        last_place = self._tiling.cycles - 1
        i_valid, i_ready, o_valid, idles = (bytearray(stimulus.cycles) for _ in range(4))
        epochs: list[int] = []
        visible: list[int] = []  # the first cycle in which each output beat can leave
        left, held, idle, epoch = len(stimulus.beats), False, True, 0
        has_room = has_left = False  # delayed by a cycle
        fill = vectors = reserved = beat = place = out = 0
        for t, (offer, accept) in enumerate(zip(stimulus.offer.tolist(), stimulus.accept.tolist(), strict=True)):
            valid = held or (offer and left > 0)
            left -= valid and not held
            ready = vectors != 2
            full = out < len(visible) and visible[out] <= t
            issue = beat != 0 or (vectors != 0 and has_room)
            i_valid[t], i_ready[t], o_valid[t], idles[t] = valid, ready, full, idle
            if idle:
                epoch = t
            accepted, held = valid and ready, valid and not ready
            idle = vectors == 0 and reserved == 0 and fill == 0 and not accepted
            has_room = reserved <= room - 2 * per_tile
            reserved -= has_left
            has_left = full and accept
            out += has_left
            if issue:
                if beat == 0:
                    reserved += per_tile
                if beat == beats - 1:
                    visible += range(t + self._delay, t + self._delay + per_tile)
                vectors -= place == last_place
                beat = 0 if beat == beats - 1 else beat + 1
                place = 0 if place == last_place else place + 1
            if accepted:
                fill += 1
                if fill == beats:
                    epochs.append(epoch)
                    vectors, fill = vectors + 1, 0
        handshake = pipeline.Handshake(
            i_valid=np.frombuffer(i_valid, np.bool_),
            i_ready=np.frombuffer(i_ready, np.bool_),
            o_valid=np.frombuffer(o_valid, np.bool_),
            o_ready=stimulus.accept,
        )
        return _Run(handshake, np.frombuffer(idles, np.bool_), np.array(epochs, np.int64))

    def _weights(self, memory: ParameterMemory, epoch: int) -> npt.NDArray[np.int8]:
        """(outputs, beats * columns)."""
        tiling = self._tiling
        where = [tiling.weight_address(row, beat) for row in range(tiling.outputs) for beat in range(tiling.beats)]
        return _words(memory, epoch)[where].view(np.int8).reshape(tiling.outputs, -1)

    def _biases(self, memory: ParameterMemory, epoch: int) -> npt.NDArray[np.int32]:
        """(outputs,)."""
        where = [self._tiling.bias_address(row) for row in range(self._tiling.outputs)]
        biases: npt.NDArray[np.int32] = _words(memory, epoch)[where].view("<i4")[:, 0]
        return biases


def _words(memory: ParameterMemory, epoch: int) -> npt.NDArray[np.uint8]:
    """The words (addresses, bytes) after the writes up to the cycle ``epoch``."""
    return memory.words(int(memory.versions(np.array([epoch]))[0]))
