"""The activation in every cycle."""

import numpy as np

from qse_hw.rtl_gen.units.activation import ActivationConfig
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.encoder import scales
from qse_hw.sim.cycle.status import flag_of_beats
from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.packing import pack, signed, unpack


class ActivationModel:
    """The value of every port of :class:`qse_hw.rtl_gen.pointwise.activation.Activation` in every cycle; ``config``:
    which.

    ``latency``: cycles from an accepted beat to its output.
    """

    def __init__(self, config: ActivationConfig) -> None:
        self._config = config
        self.latency = config.component().latency

    def run(self, stimulus: Stimulus) -> Trace:
        """The trace of ``stimulus``.

        Raises:
            InputError: if a beat is accepted with an illegal scale; the hardware is not specified then.
        """
        config = self._config
        handshake = pipeline.stall_all(stimulus, self.latency)
        accepted, width = handshake.accepted, config.input.width
        x = signed(unpack(stimulus.beats[: len(accepted)], width, config.lanes), width)
        words, saturated = np.zeros(x.shape, np.int64), np.zeros(x.shape, np.bool_)
        for scale, beats in scales(stimulus, accepted, config.scale_bits):
            words[beats], saturated[beats] = config.expected(x[beats], scale)
        outputs = pack(words, config.result_bits)
        trace = pipeline.ports(stimulus, handshake, outputs, ("clear", "scale_m", "scale_k"))
        return trace | {"saturated": flag_of_beats(handshake.left, saturated, trace["clear"])}
