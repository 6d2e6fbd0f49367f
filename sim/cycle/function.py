"""The function unit in every cycle."""

from qse_hw.rtl_gen.units.function import FunctionConfig
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.status import flag_of_beats
from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.packing import pack, unpack


class FunctionModel:
    """What is on every port of :class:`qse_hw.rtl_gen.functions.function.Function` in every cycle; ``config``: which.

    ``latency``: cycles from an accepted beat to its output.
    """

    def __init__(self, config: FunctionConfig) -> None:
        self._config = config
        self.latency = config.component().latency

    def run(self, stimulus: Stimulus) -> Trace:
        """The trace of ``stimulus``."""
        config = self._config
        handshake = pipeline.stall_all(stimulus, self.latency)
        patterns = unpack(stimulus.beats[: len(handshake.accepted)], config.input.width, config.lanes)
        outputs, outside = config.expected(patterns)
        trace = pipeline.ports(stimulus, handshake, pack(outputs, config.output.width), ("clear",))
        trace["saturated"] = flag_of_beats(handshake.left, outside, trace["clear"])
        return trace
