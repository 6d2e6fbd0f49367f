"""The convolution in every cycle."""

import numpy as np
import numpy.typing as npt

from qse_hw.golden.reference.convolution import OUTPUT_BITS, convolve, unpack_parameters, windows, word_bits
from qse_hw.rtl_gen.linear.store import address_bits
from qse_hw.rtl_gen.units.convolution import ConvolutionConfig
from qse_hw.rtl_gen.units.shared import sequence_bits
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.parameter_memory import ParameterMemory, loaded
from qse_hw.sim.cycle.status import flag_of_beats
from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.packing import field_above, pack, signed, split_mark, unpack


class ConvolutionModel:
    """The value of every port of :class:`qse_hw.rtl_gen.convolution.convolution.Convolution` in every cycle;
    ``config``: which.

    ``latency``: cycles from an accepted beat to its output.
    """

    def __init__(self, config: ConvolutionConfig) -> None:
        component = config.component()
        self._config, self._beats = config, component.beats
        self._address_bits = address_bits(config.lanes, component.beats)
        self.latency = component.latency

    def run(self, stimulus: Stimulus) -> Trace:
        """The trace of ``stimulus``. Biases beyond golden's ``max_bias`` are not modelled."""
        handshake = pipeline.stall_all(stimulus, self.latency)
        memory, ports = loaded(stimulus, handshake, self._address_bits, word_bits(self._config.taps))
        values, clamped = self._outputs(stimulus, memory, handshake.accepted)
        trace = pipeline.ports(stimulus, handshake, pack(values, OUTPUT_BITS), ("clear",))
        return trace | ports | {"saturated": flag_of_beats(handshake.left, clamped, trace["clear"])}

    def _outputs(
        self, stimulus: Stimulus, memory: ParameterMemory, accepted: npt.NDArray[np.intp]
    ) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.bool_]]:
        """The sums (beats, lanes) of every beat that was accepted, and which were clamped."""
        config, lanes = self._config, self._config.lanes
        tokens = -(-len(accepted) // self._beats)
        packed, marks = split_mark(stimulus.beats[: len(accepted)], lanes * config.width)
        heads = stimulus.beats[: len(accepted) : self._beats]
        numbers = field_above(heads, lanes * config.width + 1, sequence_bits(config.sequences))
        inputs = np.zeros((tokens * self._beats, lanes), np.int64)
        first = np.zeros((tokens * self._beats, lanes), np.bool_)
        inputs[: len(accepted)] = signed(unpack(packed, config.width, lanes), config.width)
        first[: len(accepted)] = marks[:, None]
        seen = windows(inputs.reshape(tokens, -1), first.reshape(tokens, -1), config.taps, numbers)
        seen = seen.reshape(-1, lanes, config.taps)[: len(accepted)]
        outputs, clamped = np.zeros((len(accepted), lanes), np.int16), np.zeros((len(accepted), lanes), np.bool_)
        versions = memory.versions(accepted)
        for version in np.unique(versions):
            now = np.flatnonzero(versions == version)
            for lane in range(lanes):
                address = (now % self._beats) << (lanes - 1).bit_length() | lane
                parameters = unpack_parameters(memory.words(int(version))[address], config.taps)
                outputs[now, lane], clamped[now, lane] = convolve(seen[now, lane], parameters)
        return outputs, clamped
