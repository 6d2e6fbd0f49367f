# amaranth: UnusedElaboratable=no
"""Configuration of a residual stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.linear import MAX_SIZE
from qse_hw.golden.reference.residual import accumulate
from qse_hw.rtl_gen.emit.beats import Beats, join_lanes, stream
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.option_kinds import Integer
from qse_hw.rtl_gen.units.options import option
from qse_hw.rtl_gen.units.shared import LANES, TARGET

if TYPE_CHECKING:
    from qse_hw.rtl_gen.pointwise.residual import Residual

SEED = 20261205  # of the vectors' random values
_TOKENS = (1, 4, 7)  # vectors of each


@dataclass(frozen=True, kw_only=True)
class ResidualConfig(UnitConfig):
    """See :class:`qse_hw.rtl_gen.pointwise.residual.Residual`."""

    unit: ClassVar[str] = "residual"
    summary: ClassVar[str] = "residual stream in memory, and a saturating addition to it"
    LEAST_BEATS: ClassVar[int] = 5
    """Of a vector: a sum is written so many cycles after its value came."""

    size: int = option(kind=Integer(1, MAX_SIZE), help="values of a vector", metavar="N", measure="values")
    width: int = option(kind=Integer(2, 32), help="bits of the values", metavar="B", default=24, measure="bits")
    lanes: int = option(LANES)
    target: str = option(TARGET)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size % self.lanes or self.size < self.LEAST_BEATS * self.lanes:
            raise InputError(
                f"Size must be a multiple of the {self.lanes} lanes, and at least {self.LEAST_BEATS} times as many, "
                f"not {self.size}; pad a vector with zeros"
            )

    @property
    def label(self) -> str:
        words = [self.unit, str(self.size), f"s{self.width}"]
        if self.target != "generic":
            words.append(self.target)
        return " ".join([*words, *([f"x{self.lanes}"] if self.lanes > 1 else [])])

    def component(self) -> "Residual":
        from qse_hw.rtl_gen.pointwise.residual import Residual

        return Residual(self)

    def facts(self) -> dict[str, Any]:
        """Beats per vector."""
        return {"beats_per_vector": self.size // self.lanes}

    def meanings(self) -> Mapping[str, str]:
        lanes = f"two's complement, {self.width} bits each, lane 0 in the low bits"
        return {
            "i__payload": f"values, {lanes}; top bit: they replace the old ones; beats per vector: "
            f"{self.size // self.lanes}",
            "o__payload": f"sums, {lanes}",
            "clear": "clears saturated",
            "saturated": "sticky: a sum that left had been clamped",
        }

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Random vectors (vectors, size), with the extremes; which of them are loaded; the sums."""
        rng = np.random.default_rng(SEED)
        low, high = -1 << (self.width - 1), (1 << (self.width - 1)) - 1
        values = rng.integers(low // 2, high // 2 + 1, (sum(_TOKENS), self.size))
        values[-2], values[-1] = low, high
        load = np.zeros(len(values), np.bool_)
        load[np.cumsum([0, *_TOKENS[:-1]])] = True
        outputs, saturated = accumulate(values, np.repeat(load[:, None], self.size, axis=1), self.width)
        return {"inputs": values, "load": load, "outputs": outputs, "saturated": saturated}

    def beats(self) -> Beats:
        arrays = self.vectors()
        inputs = join_lanes(arrays["inputs"], self.width, self.lanes)
        marks = np.repeat(arrays["load"], self.size // self.lanes).tolist()
        return Beats(
            inputs=stream(
                "i", [beat | mark << self.lanes * self.width for beat, mark in zip(inputs, marks, strict=True)]
            ),
            outputs=stream("o", join_lanes(arrays["outputs"], self.width, self.lanes)),
            status={"saturated": int(arrays["saturated"].any())},
        )


CONFIG = ResidualConfig
