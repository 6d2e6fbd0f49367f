"""How the formats of an integer model are chosen."""

from dataclasses import dataclass
from typing import Literal

from qse_hw.golden.calibration.spec import FormatSpec, parse_format
from qse_hw.golden.checks import integer, one_of
from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.formats import (
    GRANULARITIES,
    LOCAL_BITS,
    ROUNDINGS,
    WIDE_BITS,
    Granularity,
    Rounding,
)

LocalBits = Literal[8, 16]
StateKind = Literal["s16", "s24", "se8"]
STATES: tuple[StateKind, ...] = ("s16", "s24", "se8")
TUNED = parse_format("tuned")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the formats are chosen.

    Args:
        spec: the operands' format, or how it is tuned.
        local_bits: bits of conv_input, gate, B, C and dt: 8 (the operands' kind of format) or 16 (fixed point).
        state: 16 or 24 bits, or a tuned 8-bit format; each channel has its own exponent.
        rounding: how the state is rounded.
        weights: whether every row of a weight matrix has its own step, or the whole matrix one.
        residual_fraction: fraction bits of the residual stream.
    """

    spec: FormatSpec = TUNED
    local_bits: LocalBits = 8
    state: StateKind = "s16"
    rounding: Rounding = "nearest"
    weights: Granularity = "row"
    residual_fraction: int = 10

    def __post_init__(self) -> None:
        object.__setattr__(self, "spec", parse_format(self.spec))
        if self.local_bits not in (8, LOCAL_BITS):
            raise InputError(f"Local bits must be 8 or {LOCAL_BITS}, not {self.local_bits!r}")
        one_of(self.state, STATES, "State")
        one_of(self.rounding, ROUNDINGS, "State's rounding")
        one_of(self.weights, GRANULARITIES, "Weights")
        if not 0 <= integer(self.residual_fraction, "Residual fraction") < WIDE_BITS - 1:
            raise InputError(f"Residual fraction must be from 0 to {WIDE_BITS - 2} bits, not {self.residual_fraction}")
