"""The handshake of a pipeline that stalls as a whole (:mod:`qse_hw.rtl_gen.logic.stall`), and the stream ports of all
models.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.sim.cycle.stimulus import Bits, Stimulus
from qse_hw.sim.cycle.trace import Trace


class Handshake(NamedTuple):
    """Handshake signals of both streams in every cycle, (cycles,) bool each; ``o_ready`` is the stimulus' accept."""

    i_valid: Bits
    i_ready: Bits
    o_valid: Bits
    o_ready: Bits

    @property
    def accepted(self) -> npt.NDArray[np.intp]:
        """The cycles in which a beat is accepted."""
        return np.flatnonzero(self.i_valid & self.i_ready)

    @property
    def left(self) -> npt.NDArray[np.intp]:
        """The cycles in which a beat leaves."""
        return np.flatnonzero(self.o_valid & self.o_ready)


def stall_all(stimulus: Stimulus, latency: int, *, per_output: int = 1) -> Handshake:
    """The handshake of a pipeline of ``latency`` stages under :func:`qse_hw.rtl_gen.logic.stall.stall_control`.

    ``per_output``: of so many input beats the last one becomes an output beat.
    """
    i_valid, i_ready, o_valid = (bytearray(stimulus.cycles) for _ in range(3))
    left, held, stages, until = len(stimulus.beats), False, 0, per_output
    last = 1 << latency - 1
    mask = last - 1
    for cycle, (offer, accept) in enumerate(zip(stimulus.offer.tolist(), stimulus.accept.tolist(), strict=True)):
        valid = held or (offer and left > 0)
        full = stages & last
        ready = accept or not full
        i_valid[cycle], i_ready[cycle], o_valid[cycle] = valid, ready, full > 0
        if valid and not held:
            left -= 1
        if ready:
            until -= valid
            stages = (stages & mask) << 1 | (until == 0)
            until = until or per_output
        held = valid and not ready
    return Handshake(
        i_valid=np.frombuffer(i_valid, np.bool_),
        i_ready=np.frombuffer(i_ready, np.bool_),
        o_valid=np.frombuffer(o_valid, np.bool_),
        o_ready=stimulus.accept,
    )


def ports(
    stimulus: Stimulus, handshake: Handshake, outputs: npt.NDArray[np.uint8], inputs: Sequence[str] = ()
) -> Trace:
    """The ports of both streams, and other inputs, in every cycle.

    Args:
        stimulus: of the unit.
        handshake: of both streams.
        outputs: packed output beats in order, (beats, bytes): at least those that left, and one more if one waits.
        inputs: the unit's other inputs.
    """
    return {
        **{name: stimulus.port(name) for name in inputs},
        **stream_ports("i", stimulus.beats, handshake.i_valid, handshake.i_ready),
        **stream_ports("o", outputs, handshake.o_valid, handshake.o_ready),
    }


def stream_ports(name: str, beats: npt.NDArray[np.uint8], valid: Bits, ready: Bits) -> Trace:
    """The ports of the stream ``name`` in every cycle, of its handshake and its beats in order, (beats, bytes)."""
    passes = valid & ready
    passed: npt.NDArray[np.int64] = np.cumsum(passes) - passes  # before this cycle
    payload = np.zeros((len(valid), beats.shape[1]), np.uint8)
    payload[valid] = beats[passed[valid]]
    return {f"{name}__payload": payload, f"{name}__valid": valid, f"{name}__ready": ready}
