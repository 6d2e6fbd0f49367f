# amaranth: UnusedElaboratable=no
"""Configuration of an arg max."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.argmax import argmax
from qse_hw.golden.reference.linear import MAX_SIZE
from qse_hw.rtl_gen.emit.beats import Beats, join_lanes, stream
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.option_kinds import Integer
from qse_hw.rtl_gen.units.options import option
from qse_hw.rtl_gen.units.shared import LANES

if TYPE_CHECKING:
    from qse_hw.rtl_gen.argmax import Argmax

SEED = 20261204  # of the vectors' random values
_RANDOM = 12


@dataclass(frozen=True, kw_only=True)
class ArgmaxConfig(UnitConfig):
    """See :class:`qse_hw.rtl_gen.argmax.Argmax`."""

    unit: ClassVar[str] = "argmax"
    summary: ClassVar[str] = "the largest logit of a token, and its index"

    size: int = option(kind=Integer(1, MAX_SIZE), help="values of a token", metavar="N", measure="values")
    width: int = option(kind=Integer(2, 32), help="bits of the values", metavar="B", default=24, measure="bits")
    lanes: int = option(LANES)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size % self.lanes:
            raise InputError(
                f"Size must be a multiple of the {self.lanes} lanes, not {self.size}; pad a token with the least value"
            )

    @property
    def index_bits(self) -> int:
        """Bits of an index."""
        return max(1, (self.size - 1).bit_length())

    @property
    def label(self) -> str:
        return " ".join(
            [self.unit, str(self.size), f"s{self.width}", *([f"x{self.lanes}"] if self.lanes > 1 else [])]
        )

    def component(self) -> "Argmax":
        from qse_hw.rtl_gen.argmax import Argmax

        return Argmax(self)

    def facts(self) -> dict[str, Any]:
        """Beats per token."""
        return {"beats_per_token": self.size // self.lanes}

    def meanings(self) -> Mapping[str, str]:
        return {
            "i__payload": f"values, two's complement, {self.width} bits each, lane 0 in the low bits; beats per token: "
            f"{self.size // self.lanes}",
            "o__payload": f"of a token, low bits: index of the largest value, the lowest among equals, "
            f"{self.index_bits} bits; above: the value, two's complement, {self.width} bits",
        }

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Tokens (tokens, size): random, with many equal values, with extremes; their results (tokens,)."""
        rng = np.random.default_rng(SEED)
        low, high = -1 << (self.width - 1), (1 << (self.width - 1)) - 1
        inputs = rng.integers(low, high + 1, (_RANDOM, self.size))
        inputs[1], inputs[2], inputs[3] = low, high, low
        inputs[3, -1] = low + 1  # the largest is the last
        inputs[4:8] = rng.integers(high - 2, high + 1, (4, self.size))
        indices, values = argmax(inputs)
        return {"inputs": inputs, "indices": indices, "values": values}

    def beats(self) -> Beats:
        arrays = self.vectors()
        mask = (1 << self.width) - 1
        pairs = zip(arrays["indices"].tolist(), arrays["values"].tolist(), strict=True)
        return Beats(
            inputs=stream("i", join_lanes(arrays["inputs"], self.width, self.lanes)),
            outputs=stream("o", [index | (value & mask) << self.index_bits for index, value in pairs]),
        )


CONFIG = ArgmaxConfig
