"""The convolution in every cycle."""

import numpy as np
import numpy.typing as npt

from qse_hw.golden.reference.convolution import OUTPUT_BITS, convolve, unpack_parameters, windows, word_bits
from qse_hw.rtl_gen.linear.store import address_bits
from qse_hw.rtl_gen.units.convolution import ConvolutionConfig
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.parameter_memory import ParameterMemory, as_rows
from qse_hw.sim.cycle.status import sticky
from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.packing import pack, signed, unpack


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
        width = word_bits(self._config.taps)
        handshake = pipeline.stall_all(stimulus, self.latency)
        idle = self._idle(handshake)
        valid = stimulus.port("parameters__valid").astype(np.bool_)
        payload = as_rows(stimulus.port("parameters__payload"), self._address_bits + width)
        memory = ParameterMemory(payload, valid & idle, self._address_bits, width)
        values, clamped = self._outputs(stimulus, memory, handshake.accepted)
        trace = pipeline.ports(stimulus, handshake, pack(values, OUTPUT_BITS), ("clear",))
        left, events = handshake.left, np.zeros(stimulus.cycles, np.bool_)
        events[left] = clamped[: len(left)].any(axis=1)
        return trace | {
            "parameters__valid": valid,
            "parameters__ready": idle,
            "parameters__payload": payload * valid[:, None],
            "saturated": sticky(events, trace["clear"]),
        }

    def _idle(self, handshake: pipeline.Handshake) -> npt.NDArray[np.bool_]:
        """Whether no beat is inside: known a cycle later."""
        accepted, left = handshake.i_valid & handshake.i_ready, handshake.o_valid & handshake.o_ready
        inside = np.cumsum(accepted) - np.cumsum(left) + left  # when the cycle begins, and what it accepts
        return np.concatenate(([True], inside == 0))[:-1]

    def _outputs(
        self, stimulus: Stimulus, memory: ParameterMemory, accepted: npt.NDArray[np.intp]
    ) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.bool_]]:
        """The sums (beats, lanes) of every beat that was accepted, and which were clamped."""
        config, lanes = self._config, self._config.lanes
        tokens = -(-len(accepted) // self._beats)
        taken = stimulus.beats[: len(accepted)]
        bits = np.unpackbits(taken, axis=1, count=lanes * config.width + 1, bitorder="little")
        inputs = np.zeros((tokens * self._beats, lanes), np.int64)
        first = np.zeros((tokens * self._beats, lanes), np.bool_)
        packed = np.packbits(bits[:, :-1], axis=1, bitorder="little")
        inputs[: len(accepted)] = signed(unpack(packed, config.width, lanes), config.width)
        first[: len(accepted)] = bits[:, -1:]
        seen = windows(inputs.reshape(tokens, -1), first.reshape(tokens, -1), config.taps)
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
