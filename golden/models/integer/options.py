"""How the formats of an integer model are chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

from qse_hw.golden.calibration.spec import FormatSpec, TunedFormat, parse_format
from qse_hw.golden.checks import integer, one_of
from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.formats import (
    GRANULARITIES,
    LOCAL_BITS,
    MODES,
    ROUNDINGS,
    WIDE_BITS,
    Granularity,
    Mode,
    Rounding,
)

LocalBits = Literal[8, 16]
StateKind = Literal["s16", "s24", "se8"]
STATES: tuple[StateKind, ...] = ("s16", "s24", "se8")
Objective = Literal["x", "output", "loss", "model"]
OBJECTIVES: tuple[Objective, ...] = ("x", "output", "loss", "model")
MIN_BITS, MAX_BITS = 2, 10  # of a tuned format
TUNED = parse_format("tuned")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the formats are chosen.

    Args:
        spec: the operands' format, or how it is tuned.
        objective: which squared error is least: of the tensor ("x"), of the layer's output ("output"), of the model's
            distribution ("loss"; these two to first order, see :mod:`qse_hw.golden.models.integer.record`); or
            "model": of these three the best for each tensor, by measured KL divergence.
        local_bits: bits of the local tensors: 8 (the operands' kind of format) or 16 (fixed point).
        bits: of the codes, for all tensors or by name; None: as ``spec`` says. A tuned format may have 2 to 10; a local
            tensor may also have 16 (fixed point).
        state: 16 or 24 bits, or a tuned 8-bit format; each channel has its own exponent. The model loses 4 % less with
            24 bits than with 16, and at least 26 times as much with 8 (docs/results/integer-state.json).
        rounding: how the state is rounded; stochastic is better only in 8 bits.
        weights: whether every row of a weight matrix has its own step, or the whole matrix one.
        residual_fraction: fraction bits of the residual stream.
        mode: what the layers share: nothing ("free"); or, as hardware that serves all layers needs it, formats and the
            types of function units ("shared", see :mod:`qse_hw.golden.models.integer.shared`).
    """

    spec: FormatSpec = TUNED
    objective: Objective = "loss"
    local_bits: LocalBits = 8
    bits: int | Mapping[str, int] | None = None
    state: StateKind = "s16"
    rounding: Rounding = "nearest"
    weights: Granularity = "row"
    residual_fraction: int = 10
    mode: Mode = "free"

    def __post_init__(self) -> None:
        object.__setattr__(self, "spec", parse_format(self.spec))
        if self.local_bits not in (8, LOCAL_BITS):
            raise InputError(f"Local bits must be 8 or {LOCAL_BITS}, not {self.local_bits!r}")
        one_of(self.objective, OBJECTIVES, "Objective")
        if self.bits is not None:
            self._check_bits(dict(self.bits) if isinstance(self.bits, Mapping) else {"all": self.bits})
        one_of(self.state, STATES, "State")
        one_of(self.rounding, ROUNDINGS, "State's rounding")
        one_of(self.weights, GRANULARITIES, "Weights")
        one_of(self.mode, MODES, "Mode of an integer model")
        if not 0 <= integer(self.residual_fraction, "Residual fraction") < WIDE_BITS - 1:
            raise InputError(f"Residual fraction must be from 0 to {WIDE_BITS - 2} bits, not {self.residual_fraction}")

    def _check_bits(self, by_name: dict[str, int]) -> None:
        for name, bits in by_name.items():
            integer(bits, f"Bits of {name}")
            if bits == LOCAL_BITS and name != "all":
                continue
            if not MIN_BITS <= bits <= MAX_BITS:
                raise InputError(
                    f"Bits of {name} must be from {MIN_BITS} to {MAX_BITS}, or {LOCAL_BITS} for a local tensor, not "
                    f"{bits}"
                )
            if not isinstance(self.spec, TunedFormat):
                raise InputError(f"Bits must be of a tuned format, but {self.spec} has its own; leave bits out")

    def spec_of(self, name: str) -> FormatSpec:
        """The format of a tensor, with its own number of bits."""
        bits = self.bits.get(name) if isinstance(self.bits, Mapping) else self.bits
        if bits is None or not isinstance(self.spec, TunedFormat):
            return self.spec
        return replace(self.spec, budget=replace(self.spec.budget, bits=bits))

    def is_wide(self, name: str) -> bool:
        """Whether a local tensor is fixed point."""
        own = self.bits.get(name) if isinstance(self.bits, Mapping) else None
        return (self.local_bits if own is None else own) == LOCAL_BITS

    def check_names(self, operands: tuple[str, ...], locals_: tuple[str, ...]) -> None:
        """InputError unless ``bits`` name these tensors only, only locals have 16, and the norms' suit the mode."""
        for name, bits in self.bits.items() if isinstance(self.bits, Mapping) else ():
            one_of(name, (*operands, *locals_), "Bits' tensor")
            if bits == LOCAL_BITS and name not in locals_:
                raise InputError(
                    f"Bits of {name} must be from {MIN_BITS} to {MAX_BITS}, not {bits}: it is an operand of a product"
                )
        norm, norm_f = (cast(TunedFormat, self.spec_of(name)) for name in ("norm", "norm_f"))
        if self.mode == "shared" and norm != norm_f:
            raise InputError(
                f"Bits of norm and norm_f must be equal where layers share formats, not {norm.budget.bits} and "
                f"{norm_f.budget.bits}: one RMSNorm serves both"
            )
