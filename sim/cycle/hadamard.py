"""The Hadamard transform in every cycle."""

import numpy as np
import numpy.typing as npt

from qse_hw.golden.reference.hadamard import transform
from qse_hw.rtl_gen.units.hadamard import HadamardConfig
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.packing import pack, signed, unpack


class HadamardModel:
    """The value of every port of :class:`qse_hw.rtl_gen.hadamard.hadamard.Hadamard` in every cycle; ``config``: which
    transform.

    ``latency``: cycles from a vector's first accepted beat to its first output beat, at full speed.
    """

    def __init__(self, config: HadamardConfig) -> None:
        component = config.component()
        self._config = config
        self._beats, self._slots, self._hops, self._places = (
            component.beats, component.slots, component.hops, component.places
        )  # fmt: skip
        self._output_width = component.output_width
        self.latency = component.latency

    def run(self, stimulus: Stimulus) -> Trace:
        """The trace of ``stimulus``."""
        config, width = self._config, self._config.width
        handshake = self._handshake(stimulus)
        vectors = len(handshake.accepted) // self._beats
        x = signed(unpack(stimulus.beats[: vectors * self._beats], width, config.lanes), width)
        y: npt.NDArray[np.int64] = transform(x.reshape(vectors, config.size), transpose=config.transpose)
        return pipeline.ports(stimulus, handshake, pack(y.reshape(-1, config.lanes), self._output_width))

    def _handshake(self, stimulus: Stimulus) -> pipeline.Handshake:
        """Slots begin when the queue has room for their beats, and arrive at it ``hops`` cycles later."""
        i_valid, i_ready, o_valid = (bytearray(stimulus.cycles) for _ in range(3))
        beats, slots, hops, places = self._beats, self._slots, self._hops, self._places
        begun = bytearray(hops)  # whether a slot began, per cycle; first those before cycle 0
        brings = bytearray(slots)  # whether a beat entered, per slot; first those before cycle 0
        arrived = 0
        left, held = len(stimulus.beats), False
        room, inside, entered, empty = True, False, 0, 0
        shown, queued, taken, change = False, 0, 0, 0
        for cycle, (offer, accept) in enumerate(zip(stimulus.offer.tolist(), stimulus.accept.tolist(), strict=True)):
            valid = held or (offer and left > 0)
            left -= valid and not held
            slot = room and (valid or (inside and entered == 0))
            i_valid[cycle], i_ready[cycle], o_valid[cycle] = valid, room, shown
            begun.append(slot)
            if slot:
                brings.append(valid)
                if valid:
                    entered = entered + 1 if entered + 1 < beats else 0
                    inside, empty = True, slots
                else:
                    inside = empty != 1
                    empty -= 1
            put = wasted = False
            if begun[cycle]:
                put = brings[arrived] > 0
                wasted = not put
                arrived += 1
            free = shown and accept
            waits, shows = queued > 0, shown and not accept
            queued += put - (waits and not shows)
            shown = waits or shows
            room, taken, change = taken < places - 2, taken + change, slot - wasted - free
            held = valid and not slot
        return pipeline.Handshake(
            i_valid=np.frombuffer(i_valid, np.bool_),
            i_ready=np.frombuffer(i_ready, np.bool_),
            o_valid=np.frombuffer(o_valid, np.bool_),
            o_ready=stimulus.accept,
        )
