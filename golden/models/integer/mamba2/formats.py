"""The formats of a Mamba-2's layer."""

from dataclasses import dataclass

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.models.integer.formats import (
    LOCAL_BITS,
    FixedPoint,
    LayerFormats,
    Local,
    ScaledChannels,
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
        dt: local: in_proj's output, too.
        conv_sum: fixed point: the convolution's sum with its bias.
        x: operand, of the scan alone: SiLU(conv_sum).
        B, C: local: SiLU(conv_sum), too.
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
    conv_input: ScaledChannels | FixedPoint
    dt: Local
    conv_sum: FixedPoint
    x: SegmentedQuantizer
    B: Local
    C: Local
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
    OPERANDS = ("norm", "x", "y")
    LOCALS = ("gate", "conv_input", "dt", "B", "C")
    BY_CHANNEL = {"conv_input": ScaledChannels}  # noqa: RUF012
    # The second norm scales small values up, so gated has 20 bits.
    FIXED = {  # noqa: RUF012
        "conv_sum": 16, "dt_sum": 16, "delta": 18, "scan": 16, "silu_gate": 18, "gated": 20, "normalized": 16,
    }  # fmt: skip
    WEIGHTS = ("in_proj", "conv1d", "out_proj", "A")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bits(typed(self.A, FixedPoint, "A"), LOCAL_BITS, "A")

