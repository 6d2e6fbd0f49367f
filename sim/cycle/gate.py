"""The gate in every cycle."""

import numpy as np

from qse_hw.golden.reference.gate import BITS, gated
from qse_hw.rtl_gen.pointwise.gate import WAITING
from qse_hw.rtl_gen.units.gate import GateConfig
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.status import flag_of_beats
from qse_hw.sim.cycle.stimulus import Bits, Stimulus
from qse_hw.sim.cycle.stream_queue import StreamQueueModel
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.packing import pack, signed, unpack


class GateModel:
    """The value of every port of :class:`qse_hw.rtl_gen.pointwise.gate.Gate` in every cycle; ``config``: which.

    ``latency``: cycles from an accepted beat to its output.
    """

    def __init__(self, config: GateConfig) -> None:
        self._config = config
        self.latency = config.component().latency

    def run(self, stimulus: Stimulus) -> Trace:
        """The trace of ``stimulus``, which has the stream ``gate``."""
        config, lanes, width = self._config, self._config.lanes, self._config.input.width
        gates = stimulus.streams["gate"].beats
        handshake, gate_valid, gate_ready = self._handshake(stimulus)
        accepted = handshake.accepted
        count = len(accepted)
        y = signed(unpack(stimulus.beats[:count], BITS, lanes), BITS)
        g = signed(unpack(gates[:count], width, lanes), width)
        shift = stimulus.port("shift")[accepted].astype(np.int64)[:, None]
        outputs, saturated = gated(y, g, np.broadcast_to(shift, y.shape), config.silu.arithmetic)
        trace = pipeline.ports(stimulus, handshake, pack(outputs, BITS), ("clear", "shift"))
        trace |= pipeline.stream_ports("gate", gates, gate_valid, gate_ready)
        return trace | {"saturated": flag_of_beats(handshake.left, saturated, trace["clear"])}

    def _handshake(self, stimulus: Stimulus) -> tuple[pipeline.Handshake, Bits, Bits]:
        """Of values and results; of gates."""
        left = {name: len(stream.beats) for name, stream in stimulus.offered.items()}
        offers = {name: stream.offer.tolist() for name, stream in stimulus.offered.items()}
        held = {"i": False, "gate": False}
        signals = {name: bytearray(stimulus.cycles) for name in ("i_valid", "i_ready", "o_valid", "g_valid", "g_ready")}
        queue, stages, last = StreamQueueModel(WAITING), 0, 1 << self.latency - 1
        for t, accept in enumerate(stimulus.accept.tolist()):
            for name, offer in offers.items():
                if not held[name] and offer[t] and left[name]:
                    held[name], left[name] = True, left[name] - 1
            full = bool(stages & last)
            advance = accept or not full
            waits = queue.valid(t)
            row = (held["i"], advance and waits, full, held["gate"], queue.ready)
            for signal, value in zip(signals.values(), row, strict=True):
                signal[t] = value
            taken, written = held["i"] and waits and advance, held["gate"] and queue.ready
            if advance:
                stages = (stages & (last - 1)) << 1 | taken
            queue.step(t, written=written, taken=taken)
            held = {"i": held["i"] and not taken, "gate": held["gate"] and not written}
        bits = {name: np.frombuffer(signal, np.bool_) for name, signal in signals.items()}
        handshake = pipeline.Handshake(
            i_valid=bits["i_valid"], i_ready=bits["i_ready"], o_valid=bits["o_valid"], o_ready=stimulus.accept
        )
        return handshake, bits["g_valid"], bits["g_ready"]
