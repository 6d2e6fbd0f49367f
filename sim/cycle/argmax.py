"""The arg max in every cycle."""

import numpy as np

from qse_hw.golden.reference.argmax import argmax
from qse_hw.rtl_gen.units.argmax import ArgmaxConfig
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.packing import beat_bytes, signed, unpack


class ArgmaxModel:
    """The value of every port of :class:`qse_hw.rtl_gen.argmax.Argmax` in every cycle; ``config``: which.

    ``latency``: cycles from a token's last beat to its result.
    """

    def __init__(self, config: ArgmaxConfig) -> None:
        component = config.component()
        self._config, self._beats, self.latency = config, component.beats, component.latency

    def run(self, stimulus: Stimulus) -> Trace:
        """The trace of ``stimulus``."""
        config = self._config
        handshake = pipeline.stall_all(stimulus, self.latency, per_output=self._beats)
        tokens = len(handshake.accepted) // self._beats
        values = signed(unpack(stimulus.beats[: tokens * self._beats], config.width, config.lanes), config.width)
        indices, largest = argmax(values.reshape(tokens, config.size))
        words = (indices | (largest & ((1 << config.width) - 1)) << config.index_bits).astype("<u8")
        outputs = words.view(np.uint8).reshape(tokens, 8)[:, : beat_bytes(config.width + config.index_bits, 1)]
        return pipeline.ports(stimulus, handshake, outputs)
