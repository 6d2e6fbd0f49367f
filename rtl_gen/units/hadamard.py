# amaranth: UnusedElaboratable=no
"""What a Hadamard transform is to be."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from qse_hw.golden.reference.hadamard import growth, transform
from qse_hw.rtl_gen.emit.beats import Beats, join_lanes, stream
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.hadamard.hadamard import Hadamard

SEED = 20260109  # of the vectors' random values
_RANDOM = 8
_IMPULSES = 64


@dataclass(frozen=True, kw_only=True)
class HadamardConfig(UnitConfig):
    """See :class:`qse_hw.rtl_gen.hadamard.hadamard.Hadamard`."""

    unit: ClassVar[str] = "hadamard"

    size: int
    width: int
    lanes: int = 1
    transpose: bool = False
    target: str = "generic"

    @property
    def label(self) -> str:
        words = [self.unit, str(self.size), f"s{self.width}"]
        if self.transpose:
            words.append("transposed")
        if self.target != "generic":
            words.append(self.target)
        return " ".join([*words, *([f"x{self.lanes}"] if self.lanes > 1 else [])])

    def component(self) -> Hadamard:
        return Hadamard(
            size=self.size, width=self.width, lanes=self.lanes, transpose=self.transpose, target=self.target
        )

    def parameters(self) -> dict[str, Any]:
        return {
            "unit": self.unit,
            "size": self.size,
            "width": self.width,
            "lanes": self.lanes,
            "transpose": self.transpose,
            "target": self.target,
        }

    @property
    def gain(self) -> float:
        """sqrt(size): by what outputs are larger than those of the orthonormal transform.

        A quantiser that follows, for orthonormal values in units of the inputs' last bit, takes the step s * gain.
        """
        return math.sqrt(self.size)

    def facts(self) -> dict[str, Any]:
        """Widths, the vector's length in beats, and what the quantiser's step has to be multiplied with."""
        component = self.component()
        return {
            "output_width": component.output_width,
            "beats_per_vector": component.beats,
            "gain": {"squared": self.size, "value": self.gain},
        }

    def meanings(self) -> Mapping[str, str]:
        beats = f"lane 0 in the low bits; beats per vector: {self.size // self.lanes}"
        return {
            "i__payload": f"values, two's complement, {self.width} bits each, {beats}",
            "o__payload": f"results, two's complement, {self.width + growth(self.size)} bits each, {beats}",
        }

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Inputs (vectors, size) int64 and outputs: extremes, impulses at both ends and elsewhere, random values."""
        low, high = -(1 << (self.width - 1)), (1 << (self.width - 1)) - 1
        rng = np.random.default_rng(SEED)
        impulses = np.unique(np.linspace(0, self.size - 1, min(self.size, _IMPULSES)).astype(np.int64))
        inputs = np.zeros((2 + len(impulses) + 2 * _RANDOM, self.size), np.int64)
        inputs[0], inputs[1] = low, high
        inputs[2 + np.arange(len(impulses)), impulses] = low
        inputs[-2 * _RANDOM : -_RANDOM] = rng.integers(low, high + 1, (_RANDOM, self.size))
        inputs[-_RANDOM:] = np.where(rng.integers(0, 2, (_RANDOM, self.size)), low, high)
        return {"inputs": inputs, "outputs": transform(inputs, transpose=self.transpose)}

    def beats(self) -> Beats:
        arrays, output_width = self.vectors(), self.width + growth(self.size)
        return Beats(
            inputs=stream("i", join_lanes(arrays["inputs"], self.width, self.lanes)),
            outputs=stream("o", join_lanes(arrays["outputs"], output_width, self.lanes)),
        )


CONFIG = HadamardConfig
