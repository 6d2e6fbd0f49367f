"""What a mixer's units have been told on the port ``parameters``, and when they take it."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference import convolution, scan, time_step
from qse_hw.golden.reference.words import split_fields
from qse_hw.rtl_gen.mixer.config import K_BITS, M_BITS, SCALARS_BITS, SHIFT_BITS, MixerConfig
from qse_hw.rtl_gen.mixer.parameter_bus import UNIT_BITS
from qse_hw.sim.cycle.parameter_memory import ParameterMemory, as_rows
from qse_hw.sim.cycle.stimulus import Bits, Stimulus
from qse_hw.sim.cycle.trace import Trace


class Memories:
    """The units' memories of parameters.

    Words that come in for a unit while a layer's channels pass through it are not modeled: for these it has them.

    Args:
        config: of the mixer.
        stimulus: with the ports ``parameters__valid`` and ``parameters__payload``.
        idle: in which cycles each unit takes words, (cycles,), by name.

    Attributes:
        ports: the port's trace.
    """

    def __init__(self, config: MixerConfig, stimulus: Stimulus, idle: Mapping[str, Bits]) -> None:
        self._config, bits = config, UNIT_BITS + max(config.parameter_bits.values())
        rows = stimulus.port("parameters__payload")
        payload = as_rows(rows, bits)
        valid = stimulus.port("parameters__valid").astype(np.bool_)
        unpacked = np.unpackbits(payload, axis=1, count=bits, bitorder="little")
        units = unpacked[:, :UNIT_BITS].astype(np.int64) @ (1 << np.arange(UNIT_BITS))
        ready = np.ones(stimulus.cycles, np.bool_)
        self._memories: dict[str, ParameterMemory] = {}
        data = self._data_bits()
        for number, (name, width) in enumerate(config.parameter_bits.items()):
            chosen = units == number
            ready[chosen] = idle.get(name, ready)[chosen]
            words = np.packbits(unpacked[:, UNIT_BITS : UNIT_BITS + width], axis=1, bitorder="little")
            taken = valid & chosen & ready
            self._memories[name] = ParameterMemory(words, taken, width - data[name], data[name])
        self.ports: Trace = {
            "parameters__valid": valid, "parameters__ready": ready, "parameters__payload": payload * valid[:, None]
        }  # fmt: skip

    def _data_bits(self) -> dict[str, int]:
        config = self._config
        return {
            "scalars": SCALARS_BITS, "convolution": convolution.word_bits(config.d_conv),
            "time_step": time_step.word_bits(16), "scan": sum(scan.channel_bits(config.scan_config.widths)),
            "decays": config.scan_lanes * config.a_bits,
        }  # fmt: skip

    def _words(self, name: str, cycle: int) -> npt.NDArray[np.uint8]:
        """All words as they are in this cycle."""
        memory = self._memories[name]
        return memory.words(int(memory.versions(np.array([cycle]))[0]))

    def _channels(self, name: str, layer: int, cycle: int, per_channel: int = 1) -> npt.NDArray[np.uint8]:
        """The words of a layer's channels."""
        count = self._config.d_inner * per_channel
        return self._words(name, cycle)[layer * count : (layer + 1) * count]

    def convolution(self, layer: int, cycle: int) -> convolution.Parameters:
        """Of a layer whose first channel is accepted in this cycle, and so for the others."""
        return convolution.unpack_parameters(self._channels("convolution", layer, cycle), self._config.d_conv)

    def time_step(self, layer: int, cycle: int) -> time_step.Parameters:
        """See :meth:`convolution`."""
        return time_step.unpack_parameters(self._channels("time_step", layer, cycle), 16)

    def scan(self, layer: int, cycle: int) -> scan.Parameters:
        """See :meth:`convolution`."""
        config, widths = self._config, self._config.scan_config.widths
        groups = config.scan_config.groups
        words = self._channels("decays", layer, cycle, groups)
        A = scan.unpack_decays(words, widths, config.scan_lanes).reshape(config.d_inner, config.d_state)
        channels = scan.unpack_channels(self._channels("scan", layer, cycle), widths)
        M, k, inflow_shift, output_shift, D = channels
        return scan.Parameters(M, k, inflow_shift, output_shift, D, A)

    def scale(self, name: Literal["norm", "x", "y"], layer: int, cycle: int) -> Scale:
        """A tensor's scale in a layer, as it is read in this cycle. InputError if it is none."""
        number = 2 * ("norm", "x", "y").index(name)
        M, k = self._scalars(layer, cycle)[number : number + 2]
        return Scale(M=M, k=k - (k >> (K_BITS - 1) << K_BITS), bits=M_BITS)

    def gated_shift(self, layer: int, cycle: int) -> int:
        """Of a layer, as it is read in this cycle."""
        return self._scalars(layer, cycle)[-1]

    def _scalars(self, layer: int, cycle: int) -> list[int]:
        word = self._words("scalars", cycle - 1)[layer : layer + 1]  # the memory is written at a cycle's end
        return [int(field[0]) for field in split_fields(word, [M_BITS, K_BITS] * 3 + [SHIFT_BITS])]
