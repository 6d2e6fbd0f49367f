"""The residual stream in every cycle."""

import numpy as np

from qse_hw.golden.reference.residual import accumulate
from qse_hw.rtl_gen.units.residual import ResidualConfig
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.status import flag_of_beats
from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.packing import pack, signed, split_mark, unpack


class ResidualModel:
    """The value of every port of :class:`qse_hw.rtl_gen.pointwise.residual.Residual` in every cycle; ``config``: which.

    ``latency``: cycles from an accepted beat to its output.
    """

    def __init__(self, config: ResidualConfig) -> None:
        component = config.component()
        self._config, self._beats, self.latency = config, component.beats, component.latency

    def run(self, stimulus: Stimulus) -> Trace:
        """The trace of ``stimulus``."""
        lanes, width = self._config.lanes, self._config.width
        handshake = pipeline.stall_all(stimulus, self.latency)
        accepted = len(handshake.accepted)
        taken, marks = split_mark(stimulus.beats[:accepted], lanes * width)
        vectors = -(-accepted // self._beats)
        values = np.zeros((vectors * self._beats, lanes), np.int64)
        load = np.zeros((vectors * self._beats, lanes), np.bool_)
        values[:accepted] = signed(unpack(taken, width, lanes), width)
        load[:accepted] = marks[:, None]
        sums, clamped = accumulate(values.reshape(vectors, -1), load.reshape(vectors, -1), width)
        trace = pipeline.ports(stimulus, handshake, pack(sums.reshape(-1, lanes), width), ("clear",))
        return trace | {"saturated": flag_of_beats(handshake.left, clamped.reshape(-1, lanes), trace["clear"])}
