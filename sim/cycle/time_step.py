"""The time steps in every cycle."""

import numpy as np

from qse_hw.golden.reference.time_step import unpack_parameters, word_bits
from qse_hw.rtl_gen.linear.store import address_bits
from qse_hw.rtl_gen.units.time_step import TimeStepConfig
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.parameter_memory import loaded
from qse_hw.sim.cycle.status import flag_of_beats
from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.packing import pack, signed, unpack


class TimeStepModel:
    """The value of every port of :class:`qse_hw.rtl_gen.pointwise.time_step.TimeStep` in every cycle; ``config``:
    which.

    ``latency``: cycles from an accepted beat to its output.
    """

    def __init__(self, config: TimeStepConfig) -> None:
        component = config.component()
        self._config, self._beats, self.latency = config, component.beats, component.latency

    def run(self, stimulus: Stimulus) -> Trace:
        """The trace of ``stimulus``."""
        config, lanes, width = self._config, self._config.lanes, self._config.input.width
        handshake = pipeline.stall_all(stimulus, self.latency)
        accepted = handshake.accepted
        memory, ports = loaded(stimulus, handshake, address_bits(lanes, self._beats), word_bits(width))
        dt = signed(unpack(stimulus.beats[: len(accepted)], width, lanes), width)
        outputs, saturated = np.zeros(dt.shape, np.int64), np.zeros(dt.shape, np.bool_)
        versions = memory.versions(accepted)
        for version in np.unique(versions):
            now = np.flatnonzero(versions == version)
            for lane in range(lanes):
                address = (now % self._beats) << (lanes - 1).bit_length() | lane
                parameters = unpack_parameters(memory.words(int(version))[address], width)
                outputs[now, lane], saturated[now, lane] = config.expected(dt[now, lane], parameters)
        trace = pipeline.ports(stimulus, handshake, pack(outputs, config.output.width), ("clear",))
        return trace | ports | {"saturated": flag_of_beats(handshake.left, saturated, trace["clear"])}
