# amaranth: UnusedElaboratable=no
"""Sums and rounded shifts, which several of the mixer's units have: what they compute."""

from typing import Literal

from qse_hw.golden.reference.convolution import BIAS_BITS, TAP_BITS, max_bias
from qse_hw.golden.reference.linear import MAX_WEIGHT
from qse_hw.rtl_gen.convolution.channel_sum import ChannelSum
from qse_hw.rtl_gen.lane.multiplier import multiplier_latency
from qse_hw.rtl_gen.linear.requantize import Requantizer
from qse_hw.rtl_gen.linear.rounding_shift import SHIFT_LATENCY, RoundingShift
from qse_hw.rtl_gen.pointwise.residual import READ_DELAY, Residual
from qse_hw.rtl_gen.pointwise.saturating_sum import SUM_LATENCY, SaturatingSum
from qse_hw.rtl_gen.units.convolution import ConvolutionConfig
from qse_hw.rtl_gen.units.residual import ResidualConfig
from qse_hw.synth.formal.part import Part, Wrong, hides_product

_M_BITS = 16


def requantizer(accumulator_bits: int, bits: int, half: Literal["even", "up"], target: str) -> Part:
    """Of an accumulator; "even": of a k that does not change."""
    product = accumulator_bits + _M_BITS
    steady = half == "even"
    return Part(
        name="requantizer",
        claim=f"Of any product of an accumulator and M, clamp(round(product / 2**k)) to {bits} bits comes out, ties "
        f"{'to even' if steady else 'up'}, and whether it was clamped.",
        component=Requantizer(
            target=target, bits=bits, half=half, constant_k=steady, accumulator_bits=accumulator_bits
        ),
        definition="rounding",
        sizes={"WIDTH": product, "BITS": bits, "EVEN": int(steady)},
        given={
            "a": ("multiplier.any_p", SHIFT_LATENCY),
            "k": ("scale_k", SHIFT_LATENCY + multiplier_latency(accumulator_bits, target)),
        },
        cuts=["multiplier"],
        looked={"multiplier.any_p": product},
        steady=["scale_k"] if steady else [],
        faults=_rounding_faults("scale_k"),
        hidden=hides_product(accumulator_bits, target),
    )


def rounding_shift(width: int, bits: int) -> Part:
    """From ``width`` bits to ``bits``."""
    return Part(
        name="rounding_shift",
        claim=f"Of any number a of {width} bits, clamp(round(a / 2**k)) to {bits} bits comes out, ties up, and whether "
        "it was clamped.",
        component=RoundingShift(width=width, bits=bits),
        definition="rounding",
        sizes={"WIDTH": width, "BITS": bits},
        given={name: (name, SHIFT_LATENCY) for name in ("a", "k")},
        faults=_rounding_faults("k"),
    )


def _rounding_faults(k: str) -> list[Wrong]:
    return [
        Wrong(name="a shift by 1 is one by 0", catches="rounded", port=k, value=f"{k} - ({k} == 1)"),
        Wrong(name="a clamped value is not told of", catches="rounding_clamped", port="saturated", value="1'b0"),
    ]


def saturating_sum(width: int) -> Part:
    """Of a value of ``width`` bits."""
    return Part(
        name="saturating_sum",
        claim="clamp((dt << places) + bias) comes out for all of them, and whether it was clamped.",
        component=SaturatingSum(width=width),
        definition="saturating_sum",
        sizes={"WIDTH": width},
        given={name: (name, SUM_LATENCY) for name in ("x", "places", "bias")},
        faults=[
            Wrong(name="a bias of 0 is 1", catches="summed", port="bias", value="bias + (bias == 0)"),
            Wrong(name="a clamped sum is not told of", catches="sum_clamped", port="saturated", value="1'b0"),
        ],
    )


def channel_sum(config: ConvolutionConfig) -> list[Part]:
    """Of the four taps that Mamba has; of another number, none."""
    taps, product = 4, config.width + TAP_BITS
    if config.taps != taps:
        return []
    levels = taps.bit_length()
    multiply = multiplier_latency(config.width, config.target)
    limit = max_bias(config.width, taps)
    return [
        Part(
            name="channel_sum",
            claim=f"The sum of four products and of a bias up to {limit} is exact.",
            component=ChannelSum(input_bits=config.width, width=taps, target=config.target),
            definition="channel_sum",
            sizes={"WIDTH": product, "MOST": (1 << (config.width - 1)) * MAX_WEIGHT, "MOST_BIAS": limit},
            given={
                **{f"product{n}": (f"multiplier{n}.any_p", levels) for n in range(taps)},
                "bias": ("bias", multiply + levels), "total": (f"sum{levels}_0", 0),
            },
            cuts=["multiplier0", "requantizer"],  # the multipliers are one module
            looked={**{f"multiplier{n}.any_p": product for n in range(taps)}, f"sum{levels}_0": BIAS_BITS},
            ones=["enable"],
            hidden=hides_product(config.width, config.target),
            faults=[Wrong(name="the bias is a bit narrower", catches="sums_exactly", port="bias", value="bias[30:0]")],
        )
    ]  # fmt: skip


def residual_sum(config: ResidualConfig, lane: int) -> Part:
    """Of one lane."""
    values = config.lanes * config.width
    return Part(
        name=f"residual_sum{lane}",
        claim="clamp(old + value) comes out, and whether it was clamped; of a vector that is loaded, old counts as 0.",
        component=f"{config.top}_core",
        definition="residual",
        sizes={"WIDTH": config.width, "LANES": config.lanes, "LANE": lane},
        given={
            "beat": ("i__payload", Residual.latency), "word": ("memory.any_word", Residual.latency - READ_DELAY),
            "sum": (f"sum{lane}", 0), "clamped": (f"clamped{lane}", 0),
        },
        cuts=["memory"],
        looked={"memory.any_word": values},
        ones=["advance"],
        faults=[
            Wrong(name="none is loaded", catches="added", port="i__payload", value=f"i__payload[{values - 1}:0]"),
            Wrong(name="a clamped sum is not told of", catches="added_clamped", port="clamped", value="1'b0"),
        ],
    )  # fmt: skip
