"""The decoder in every cycle."""

from qse_hw.golden.formats.tables import decode_table
from qse_hw.rtl_gen.units.decoder import DecoderConfig, value_width
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.status import flag_of_beats
from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.packing import pack, unpack


class DecoderModel:
    """The value of every port of :class:`qse_hw.rtl_gen.decoder.Decoder` in every cycle; ``config``: which decoder.

    ``latency``: cycles from an accepted beat to its output.
    """

    def __init__(self, config: DecoderConfig) -> None:
        self._config = config
        self.latency = config.component().latency

    def run(self, stimulus: Stimulus) -> Trace:
        """The trace of ``stimulus``."""
        format = self._config.format
        handshake = pipeline.stall_all(stimulus, self.latency)
        values, assigned = decode_table(format)
        codes = unpack(stimulus.beats[: len(handshake.accepted)], format.bits, self._config.lanes)
        trace = pipeline.ports(stimulus, handshake, pack(values[codes], value_width(format)), ("clear",))
        trace["invalid"] = flag_of_beats(handshake.left, ~assigned[codes], trace["clear"])
        return trace
