# amaranth: UnusedElaboratable=no
"""RMSNorm's scale of a token: what its parts compute."""

from qse_hw.golden.functions.root import MANTISSA_BITS
from qse_hw.golden.reference.norm import M_BITS, MAX_SCALE_K, MIN_SCALE_K
from qse_hw.rtl_gen.functions.normalize import normalize_latency, steps
from qse_hw.rtl_gen.functions.root import LEVELS, ReciprocalRoot
from qse_hw.rtl_gen.lane.multiplier import multiplier_latency
from qse_hw.rtl_gen.norm.token_scale import TokenScale
from qse_hw.rtl_gen.units.rmsnorm import RmsnormConfig
from qse_hw.synth.formal.part import Part, Wrong, hides_product


def root(config: RmsnormConfig) -> Part:
    """The reciprocal square root, without its function's lane."""
    component = ReciprocalRoot(config.root, target=config.target)
    zeros, lane_bits = component.most_zeros, config.root.core.output.width
    kept, widened = f"shifted{len(steps(zeros)) - 1}", zeros + 2
    return Part(
        name="root",
        claim="Every sum of squares of 1 or more is divided by a power of 4 so that 15 or 16 bits are left; "
        "shift tells by which; of a mantissa of 1 the largest below it is taken.",
        component=component,
        definition="root",
        sizes={
            "WIDTH": len(component.x), "WIDENED": widened, "SHIFT_BITS": len(component.shift), "LANE_BITS": lane_bits,
            "SHIFT_OF_0": config.root.shift(0),
        },
        given={
            "x": ("x", component.latency),
            "normalized": (kept, component.latency - normalize_latency(zeros, LEVELS)),
            "y": ("y", 0),
        },
        cuts=["lane"],
        looked={kept: widened, "y": lane_bits},
        faults=[
            Wrong(name="no mantissa is odd", catches="mantissa_below_1", port="mantissa", value="mantissa & ~1"),
            Wrong(name="the top bit is lost", catches="divided_by_4s", port="x", value=f"x[{len(component.x) - 2}:0]"),
            Wrong(name="2 is 3", catches="divided_by_4s", port="x", value="x | (x == 2)"),
        ],
    )  # fmt: skip


def token_scale(config: RmsnormConfig) -> Part:
    """From the root and a scale to the token's."""
    component = TokenScale(config.root, target=config.target)
    multiply = multiplier_latency(MANTISSA_BITS, config.target)
    shift_bits = component.shift_bits
    return Part(
        name="token_scale",
        claim="The product of a token's root and the scale is cut to its 16 highest bits, and k loses as many bits.",
        component=component,
        definition="token_scale",
        sizes={"SHIFT_BITS": shift_bits, "K_BITS": len(component.k), "LEAST_K": MIN_SCALE_K, "MOST_K": MAX_SCALE_K},
        given={
            "product": ("product.any_p", 1), "root_shift": ("root.any_shift", multiply + 1),
            "scale_k": ("scale_k", multiply + 1),
        },
        cuts=["root", "product"],
        hidden=hides_product(MANTISSA_BITS, config.target),
        looked={"product.any_p": MANTISSA_BITS + M_BITS, "root.any_shift": shift_bits},
        faults=[
            Wrong(name="the largest product is cut too little", catches="cut_to_16", port="m", value="m - (&m)"),
            Wrong(name="k loses a bit less", catches="k_of_the_cut", port="k", value="k + 1"),
        ],
    )  # fmt: skip
