"""What a unit's memory of parameters holds at each beat, from the words that were written on a stream."""

from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.sim.cycle.pipeline import Handshake
from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace


class ParameterMemory:
    """The words that were written, in order.

    Args:
        payload: of the stream, (cycles, bytes) uint8 little-endian, or integers (cycles,): the address in the low bits.
        accepted: (cycles,) bool: whether a word is written.
        address_bits, width: bits of an address, bits of a word.
    """

    def __init__(
        self, payload: npt.NDArray[Any], accepted: npt.NDArray[np.bool_], address_bits: int, width: int
    ) -> None:
        self._address_bits, self._width = address_bits, width
        self._cycles = np.flatnonzero(accepted)
        rows = as_rows(payload, address_bits + width)[self._cycles]
        bits = np.unpackbits(rows, axis=1, count=address_bits + width, bitorder="little")
        self._addresses = bits[:, :address_bits].astype(np.int64) @ (1 << np.arange(address_bits))
        self._words = np.packbits(bits[:, address_bits:], axis=1, bitorder="little")

    def versions(self, cycles: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """How many words had been written up to each cycle, that cycle included."""
        return np.searchsorted(self._cycles, cycles, side="right")

    def words(self, version: int) -> npt.NDArray[np.uint8]:
        """Every word, (addresses, bytes), after the first ``version`` writes; 0 where nothing was written."""
        memory = np.zeros((1 << self._address_bits, -(-self._width // 8)), np.uint8)
        last = dict(zip(self._addresses[:version].tolist(), range(version), strict=True))  # the last write counts
        memory[list(last)] = self._words[list(last.values())]
        return memory


def as_rows(values: npt.NDArray[Any], bits: int) -> npt.NDArray[np.uint8]:
    """Values of a port as (cycles, bytes)."""
    if values.ndim == 2:
        return values
    return values.astype("<u8").view(np.uint8).reshape(-1, 8)[:, : -(-bits // 8)]


def loaded(
    stimulus: Stimulus, handshake: Handshake, address_bits: int, width: int
) -> tuple[ParameterMemory, Trace]:
    """The memory behind the stream ``parameters``, which is written while no beat is inside, and the stream's ports."""
    accepted, left = handshake.i_valid & handshake.i_ready, handshake.o_valid & handshake.o_ready
    inside = np.cumsum(accepted) - np.cumsum(left) + left  # when the cycle begins, and what it accepts
    idle = np.concatenate(([True], inside == 0))[:-1]  # known a cycle later
    valid = stimulus.port("parameters__valid").astype(np.bool_)
    payload = as_rows(stimulus.port("parameters__payload"), address_bits + width)
    memory = ParameterMemory(payload, valid & idle, address_bits, width)
    return memory, {
        "parameters__valid": valid,
        "parameters__ready": idle,
        "parameters__payload": payload * valid[:, None],
    }
