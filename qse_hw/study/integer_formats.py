"""The formats of an integer model in words, and what its weights, state and activations take."""

from collections.abc import Iterator
from dataclasses import fields
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from qse_hw.golden.calibration.candidates import describe as describe_quantizer
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.models.integer.formats import (
    ChannelFormat,
    FixedPoint,
    ModelFormats,
    ScaledChannels,
    State,
    channel_steps,
)
from qse_hw.golden.models.integer.mamba1.formats import Decays
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import block_shapes
from qse_hw.study.console import table

if TYPE_CHECKING:
    from qse_hw.golden.models.mamba.model import Config

WEIGHT_BITS = 8
_A = "mixer.A_log"


class Storage(NamedTuple):
    """A tensor of the whole model: "weight", "state" or "activation" (of one token), its bits and number of values."""

    kind: str
    name: str
    bits: int
    values: int

    @property
    def bytes(self) -> int:
        """Rounded up."""
        return -(-self.bits * self.values // 8)


def describe(one: Any) -> tuple[int, str]:
    """Bits of a value, and the type in words."""
    if isinstance(one, FixedPoint):
        return one.bits, f"s{one.bits}e{one.exponent}"
    if isinstance(one, SegmentedQuantizer):
        return one.format.bits, describe_quantizer(one)
    if isinstance(one, Decays):
        return one.format.bits, f"{_codes(one.format)}, beside a base for every state"
    if isinstance(one, ScaledChannels):
        steps = [float(step) for step in channel_steps(one, len(one.scales))]
        return one.format.bits, f"{_codes(one.format)}, in units of {min(steps):.3g} to {max(steps):.3g} by channel"
    least, most = min(one.exponents), max(one.exponents)
    by_channel = f"in units of 2^{least} to 2^{most} by channel"
    if isinstance(one, ChannelFormat):
        return one.format.bits, f"{_codes(one.format)}, {by_channel}"
    assert isinstance(one, State)
    codes = _codes(one.format) if isinstance(one.format, SegmentedFormat) else f"s{one.format}"
    return one.bits, f"{codes}, {by_channel}, {one.rounding} rounding"


def storage(formats: ModelFormats, config: "Config") -> Iterator[Storage]:
    """Matrices, A, the state of one sequence, and the activations of one token, in the order of the data flow.

    Not counted: biases, D, and the 16-bit multiplier and shift of every row.
    """
    first, layers = cast(Any, formats.layers[0]), config.n_layer
    yield Storage("weight", "embedding", WEIGHT_BITS, config.vocab_size * config.d_model)
    for name, shape in block_shapes(config).items():
        bits = WEIGHT_BITS
        if name == _A:
            bits = describe(first.A)[0]
        elif len(shape) == 1:
            continue
        yield Storage("weight", name.removeprefix("mixer.").removesuffix(".weight"), bits, layers * prod(shape))
    if not config.tie_embeddings or formats.transformations.fold_norms:
        yield Storage("weight", "head", WEIGHT_BITS, config.vocab_size * config.d_model)
    sizes = widths(config)
    window = (config.d_conv - 1) * sizes["conv_input"]
    yield Storage("state", "convolution's window", describe(first.conv_input)[0], layers * window)
    yield Storage("state", "SSM state", first.state.bits, layers * config.d_inner * config.d_state)
    for name, type_ in tensors(first):
        if name in sizes:
            yield Storage("activation", name, describe(type_)[0], layers * sizes[name])
    yield Storage("activation", "residual", formats.residual.bits, config.d_model)
    yield Storage("activation", "norm_f", formats.norm_f.format.bits, config.d_model)
    yield Storage("activation", "logits", formats.logits.bits, config.vocab_size)


def tensors(layer: Any) -> Iterator[tuple[str, Any]]:
    """Names and types of a layer's tensors, in the order of the data flow."""
    for field in fields(layer):
        if field.name != "inflow":  # of no stored tensor
            yield field.name, getattr(layer, field.name)


def widths(config: "Config") -> dict[str, int]:
    """Values of each tensor for one token in one layer."""
    d, n = config.d_inner, config.d_state
    common = {"norm": config.d_model, **dict.fromkeys(("gate", "x", "scan", "silu_gate", "gated", "y"), d)}
    if isinstance(config, Mamba2Config):
        convolved, heads, states = config.d_xbc, config.n_heads, config.ngroups * n
        common |= {"normalized": d}
    else:
        convolved, heads, states = d, d, n
        common |= {"dt_low": config.dt_rank}
    return common | {
        **dict.fromkeys(("conv_input", "conv_sum"), convolved),
        **dict.fromkeys(("dt", "dt_sum", "delta"), heads),
        **dict.fromkeys(("B", "C"), states),
    }


def show(formats: ModelFormats, config: "Config") -> None:
    """Print bits and bytes of every tensor, and its type in the first layer."""
    words = dict(tensors(formats.layers[0]))
    names = {"SSM state": "state"}
    rows = []
    for one in storage(formats, config):
        type_ = words.get(names.get(one.name, one.name))
        type_ = formats.norm_f if one.name == "norm_f" else type_
        rows.append([one.name, one.kind, str(one.bits), f"{one.bytes:,}", "" if type_ is None else describe(type_)[1]])
    table(
        f"Integer model, {len(formats.layers)} layers",
        ["tensor", "kind", "bits", "bytes", "type in layer 0"],
        rows,
        caption="bytes of all layers, of activations for one token; not counted: biases, D, multipliers of rows",
    )


def _codes(format: SegmentedFormat) -> str:
    """Codes at their steps, in fine steps."""
    sign = "+-" if format.signed else ""
    zero = f", zero point {format.zero_point}" if format.kind == "offset" else ""
    parts = [f"{one.codes} at {1 << (one.log2_step + format.fraction_bits)}" for one in format.segments]
    return f"{sign}{' + '.join(parts)}{zero}"
