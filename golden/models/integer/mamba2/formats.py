"""The formats of a Mamba-2's layer."""

from dataclasses import dataclass

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.formats import (
    LOCAL_BITS,
    ChannelLocal,
    FixedPoint,
    LayerFormats,
    Local,
    State,
    check_bits,
    typed,
)


@dataclass(frozen=True, kw_only=True)
class Mamba2Formats(LayerFormats):
    """The formats of a layer of a Mamba-2, in the order of the data flow.

    Channels of B and C are those of all SSD groups, one group after another.

    Attributes:
        norm: operand of in_proj: RMSNorm's output without its weight.
        gate: local: in_proj's output, z.
        conv_input: local, by channel: in_proj's output, x over B over C.
        dt: local, by head: in_proj's output, too.
        conv_sum: fixed point: the convolution's sum with its bias.
        x, B, C: local, by channel: SiLU(conv_sum).
        dt_sum: fixed point: dt with its bias.
        delta: fixed point: softplus(dt_sum).
        A: weights: -A log2(e) of every head, fixed point.
        inflow: log2 of the unit of delta x (16 bits), one for every channel or one for all.
        state: the SSM state.
        scan: fixed point: C h + D x.
        silu_gate: fixed point: SiLU(gate).
        gated: fixed point: scan times silu_gate.
        normalized: fixed point: the second RMSNorm's output without its weight.
        y: operand of out_proj: the orthonormal Hadamard transform of normalized.
    """

    norm: SegmentedQuantizer
    gate: Local
    conv_input: ChannelLocal
    dt: ChannelLocal
    conv_sum: FixedPoint
    x: ChannelLocal
    B: ChannelLocal
    C: ChannelLocal
    dt_sum: FixedPoint
    delta: FixedPoint
    A: FixedPoint
    inflow: tuple[int, ...]
    state: State
    scan: FixedPoint
    silu_gate: FixedPoint
    gated: FixedPoint
    normalized: FixedPoint
    y: SegmentedQuantizer

    ARCHITECTURE = "mamba2"
    OPERANDS = ("norm", "y")
    LOCALS = ("gate", "conv_input", "dt", "x", "B", "C")
    BY_CHANNEL = ("conv_input", "dt", "x", "B", "C")
    FIXED = {  # noqa: RUF012
        "conv_sum": 16, "dt_sum": 16, "delta": 18, "scan": 16, "silu_gate": 16, "gated": 16, "normalized": 16,
    }  # fmt: skip
    WEIGHTS = ("in_proj", "conv1d", "out_proj", "A")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bits(typed(self.A, FixedPoint, "A"), LOCAL_BITS, "A")


def aligned(local: ChannelLocal, channels: int, name: str) -> tuple[int, tuple[int, ...]]:
    """One exponent for all channels, and how far every channel's integers are shifted left to it.

    Raises:
        InputError: for another number of channels, or if a shifted integer could have more than 16 bits.
    """
    if isinstance(local, FixedPoint):
        return local.exponent, (0,) * channels
    if len(local.exponents) != channels:
        raise InputError(f"{name} must have an exponent for each of {channels} channels, not {len(local.exponents)}")
    exponent = min(local.exponents)
    shifts = tuple(own - exponent for own in local.exponents)
    reach = max(abs(value) for value in local.format.values.values()) << max(shifts)
    if reach >= 1 << (LOCAL_BITS - 1):
        raise InputError(
            f"{name}'s values must have at most {LOCAL_BITS} bits in steps of its finest channel, but reach {reach}; "
            "use exponents that are closer to each other"
        )
    return exponent, shifts
