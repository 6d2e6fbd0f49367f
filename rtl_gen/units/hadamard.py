# amaranth: UnusedElaboratable=no
"""Configuration of a Hadamard transform."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.hadamard import factorize, growth, transform
from qse_hw.rtl_gen.emit.beats import Beats, join_lanes, stream
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.option_kinds import Integer, Switch
from qse_hw.rtl_gen.units.options import option
from qse_hw.rtl_gen.units.shared import LANES, TARGET

if TYPE_CHECKING:
    from qse_hw.rtl_gen.hadamard.hadamard import Hadamard

MAX_OUTPUT_WIDTH = 32
SEED = 20260109  # of the vectors' random values
_RANDOM = 8
_IMPULSES = 64


@dataclass(frozen=True, kw_only=True)
class HadamardConfig(UnitConfig):
    """See :class:`qse_hw.rtl_gen.hadamard.hadamard.Hadamard`."""

    unit: ClassVar[str] = "hadamard"
    summary: ClassVar[str] = "streaming Hadamard transform"

    size: int = option(
        kind=Integer(2, 1 << 16),
        help="values of a vector: 2^k, 12 2^k, 20 2^k or 40 2^k",
        metavar="N",
        measure="values",
    )
    width: int = option(kind=Integer(), help="bits of the inputs", metavar="B", default=8, measure="bits")
    lanes: int = option(LANES, kind=Integer())
    transpose: bool = option(
        kind=Switch(), help="multiply by the transposed matrix, the inverse times the size", default=False
    )
    target: str = option(TARGET)

    def __post_init__(self) -> None:
        super().__post_init__()
        order, chunk = factorize(self.size)
        widest = MAX_OUTPUT_WIDTH - growth(self.size)
        if not 1 <= self.width <= widest:
            raise InputError(f"Width must be from 1 to {widest} for size {self.size}, not {self.width!r}")
        if self.lanes < 1 or chunk % self.lanes:
            raise InputError(f"Lanes must divide {chunk} (size {self.size} is {order} * {chunk}), not {self.lanes!r}")

    @property
    def label(self) -> str:
        words = [self.unit, str(self.size), f"s{self.width}"]
        if self.transpose:
            words.append("transposed")
        if self.target != "generic":
            words.append(self.target)
        return " ".join([*words, *([f"x{self.lanes}"] if self.lanes > 1 else [])])

    def component(self) -> "Hadamard":
        from qse_hw.rtl_gen.hadamard.hadamard import Hadamard

        return Hadamard(self)

    @property
    def gain(self) -> float:
        """sqrt(size): the factor from outputs of the orthonormal transform to those of this one.

        A quantizer that follows, for orthonormal values in units of the inputs' last bit, takes the step s * gain.
        """
        return math.sqrt(self.size)

    def facts(self) -> dict[str, Any]:
        """Output width, beats per vector, and the gain, a factor of the following quantizer's step."""
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
