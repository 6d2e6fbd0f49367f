"""The formats of a Mamba-1's layer."""

from dataclasses import dataclass

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.checks import integer
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.models.integer.formats import (
    MAX_EXPONENT,
    ChannelFormat,
    ChannelLocal,
    FixedPoint,
    LayerFormats,
    Local,
    State,
    check_encoded,
    typed,
)

MAX_BASE = 1 << 40
"""Of A, in units: far beyond any model's, and sums with shifted codes stay within int64."""


@dataclass(frozen=True, kw_only=True)
class Decays:
    """How -A log2(e) is stored: a base for every state, shared by all channels, and a code for each channel and state.

    The value is ``base[n] + (v << shifts[n])`` units of ``2**exponent``, where v is the code's value in fine steps.

    Args:
        format: of the codes.
        exponent: log2 of the unit.
        base: one for every state, in units.
        shifts: one for every state.
    """

    format: SegmentedFormat
    exponent: int
    base: tuple[int, ...]
    shifts: tuple[int, ...]

    def __post_init__(self) -> None:
        check_encoded(self.format, "A")
        for name in ("base", "shifts"):
            object.__setattr__(self, name, tuple(integer(one, f"A's {name}") for one in getattr(self, name)))
        if not self.base or len(self.base) != len(self.shifts):
            raise InputError(f"A must have as many shifts as bases, at least one, not {len(self.shifts)}")
        if not all(abs(base) <= MAX_BASE for base in self.base):
            raise InputError(f"A's bases must be from -{MAX_BASE} to {MAX_BASE}, not {self.base}")
        if abs(self.exponent) > MAX_EXPONENT or not all(0 <= shift <= 16 for shift in self.shifts):
            raise InputError(f"A's shifts must be from 0 to 16, not {self.shifts}")


@dataclass(frozen=True, kw_only=True)
class Mamba1Formats(LayerFormats):
    """The formats of a layer of a Mamba-1, in the order of the data flow.

    Attributes:
        norm: operand: RMSNorm's output without its weight.
        conv_input: local, by channel: in_proj's output.
        gate: local: in_proj's output, too.
        conv_sum: fixed point: the convolution's sum with its bias.
        x: operand: SiLU(conv_sum); the scan reads the same codes.
        dt_low: operand of dt_proj.
        B, C: local.
        dt: local, by channel: dt_proj's output without its bias.
        dt_sum: fixed point: dt_proj's output with its bias.
        delta: fixed point: softplus(dt_sum).
        A: weights: -A log2(e).
        inflow: log2 of the unit of delta x (16 bits), one for every channel or one for all.
        state: the SSM state.
        scan: fixed point: C h + D x.
        silu_gate: fixed point: SiLU(gate).
        gated: fixed point: scan times silu_gate.
        y: operand of out_proj: the orthonormal Hadamard transform of gated.
    """

    norm: SegmentedQuantizer
    conv_input: ChannelLocal
    gate: Local
    conv_sum: FixedPoint
    x: SegmentedQuantizer
    dt_low: SegmentedQuantizer
    B: Local
    C: Local
    dt: ChannelLocal
    dt_sum: FixedPoint
    delta: FixedPoint
    A: Decays
    inflow: tuple[int, ...]
    state: State
    scan: FixedPoint
    silu_gate: FixedPoint
    gated: FixedPoint
    y: SegmentedQuantizer

    ARCHITECTURE = "mamba1"
    OPERANDS = ("norm", "x", "dt_low", "y")
    LOCALS = ("conv_input", "gate", "B", "C", "dt")
    BY_CHANNEL = {"conv_input": ChannelFormat, "dt": ChannelFormat}  # noqa: RUF012
    # Small time steps matter as much as large ones, so delta is as wide as a DSP block's multiplier.
    FIXED = {"conv_sum": 16, "dt_sum": 16, "delta": 18, "scan": 16, "silu_gate": 18, "gated": 16}  # noqa: RUF012
    WEIGHTS = ("in_proj", "conv1d", "x_proj", "dt_proj", "out_proj", "A")

    def __post_init__(self) -> None:
        super().__post_init__()
        typed(self.A, Decays, "A")
