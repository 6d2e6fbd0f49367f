# amaranth: UnusedElaboratable=no
"""The scan's time step: what its parts compute, and that together this is the reference's."""

from qse_hw.golden.reference.scan import COEFFICIENT_BITS, FLOW_BITS, OUTPUT_BITS, total_bits
from qse_hw.rtl_gen.scan.decay import Decay
from qse_hw.rtl_gen.scan.inflow import DOUBLED_BITS, Inflow, inflow_bits
from qse_hw.rtl_gen.scan.schedule import accumulator_bits
from qse_hw.rtl_gen.scan.state import StateLane
from qse_hw.rtl_gen.units.scan import ScanConfig
from qse_hw.synth.formal.arithmetic_sums import requantizer, rounding_shift
from qse_hw.synth.formal.harness import shipped
from qse_hw.synth.formal.part import DEFINITIONS, Part, Wrong, hides_product, only
from qse_hw.synth.formal.task import Fault, Task

_PRODUCT_BITS = DOUBLED_BITS + COEFFICIENT_BITS


def parts(config: ScanConfig) -> list[Part]:
    """From flow to output; between them, each lane's decay, inflow and state."""
    widths, target = config.widths, config.target
    return [
        requantizer(accumulator_bits(widths), FLOW_BITS, "up", target),
        _exponent(config),
        _inflow(widths.state, target),
        _state(config),
        rounding_shift(total_bits(widths, config.states), OUTPUT_BITS),
    ]


def _exponent(config: ScanConfig) -> Part:
    widths = config.widths
    decay = Decay(bits=widths.A, shift=widths.decay_shift, target=config.target)
    return Part(
        name="decay_exponent",
        claim=f"exp2 gets -round(delta * A / 2**{widths.decay_shift}), ties up, or the least number if that has more "
        "bits or the state is to be forgotten.",
        component=decay,
        definition="exponent",
        sizes={"WIDTH": len(decay.delta) + widths.A, "SHIFT": widths.decay_shift},
        given={"product": ("product.any_p", 3), "forget": ("forget", 2), "x": ("x", 0)},
        cuts=["product", "lane"],
        hidden=hides_product(len(decay.delta), config.target),
        looked={"product.any_p": len(decay.delta) + widths.A, "x": 22},
        faults=[
            Wrong(name="states are never forgotten", catches="exponent_of_decay", port="forget", value="1'b0"),
            Wrong(name="-1 is 0", catches="exponent_of_decay", port="x", value="(&probe_x ? 22'd0 : probe_x)"),
        ],
    )


def _inflow(state_bits: int, target: str) -> Part:
    bits = inflow_bits(state_bits)
    return Part(
        name="scan_inflow",
        claim=f"Of any product of flow and B, clamp(product * 4**shift) to {bits} bits comes out, and half a unit.",
        component=Inflow(state_bits=state_bits, target=target),
        definition="inflow",
        sizes={"WIDTH": _PRODUCT_BITS, "BITS": bits},
        given={"product": ("product.any_p", 5), "shift": ("shift", 4)},
        cuts=["product"],
        hidden=hides_product(DOUBLED_BITS, target),
        looked={"product.any_p": _PRODUCT_BITS},
        faults=[Wrong(name="a shift by 15 is one by 14", catches="flows_in", port="shift", value="shift - (&shift)")],
    )


def _state(config: ScanConfig) -> Part:
    bits = config.widths.state
    return Part(
        name="scan_state",
        claim="Of any decayed state and inflow, clamp((state + inflow) / 2**15) is the new state, and whether it was "
        "clamped comes out.",
        component=StateLane(config.widths, target=config.target),
        definition="update",
        sizes={"BITS": bits},
        given={"kept": ("kept.any_p", 3), "inflow": ("inflow.any_inflow", 2)},
        cuts=["decay", "inflow", "kept", "term"],
        hidden=hides_product(bits, config.target),
        looked={"kept.any_p": bits + 16, "inflow.any_inflow": bits + 17},
        faults=[
            Wrong(name="0 is 1", catches="updated", port="new", value="new + (new == 0)"),
            Wrong(name="a clamped state is not told of", catches="state_clamped", port="saturated", value="1'b0"),
        ],
    )  # fmt: skip


def update(config: ScanConfig, definitions: str = "") -> Task:
    """That the definitions of inflow and state, one after the other, are the reference's time step."""
    sizes = {"WIDTH": _PRODUCT_BITS, "BITS": config.widths.state}
    chosen = "".join(f"chparam -set {name} {size} time_step_of_state\n" for name, size in sizes.items())
    return Task(
        name="scan_update",
        claim="What scan_inflow and scan_state are proved to compute is, one after the other, the state's whole time "
        "step, clamp(round((a * h + (flow * B << inflow_shift)) / 2**15)), if the decay a is at most 1.",
        mode="prove",
        files={DEFINITIONS: definitions or shipped(DEFINITIONS)},
        top="time_step_of_state",
        engine="smtbmc z3",
        depth=1,
        script=chosen,
    )


def update_faults(config: ScanConfig) -> list[Fault]:
    """The same with factors that a decay never is."""
    changes = {
        "a decay of nearly 2": ("half_of_states - one)", "2 * half_of_states - 1)", "same_state"),
        "a state of 1 more": ("half_of_states - one)", "half_of_states)", "same_flag"),
    }
    return [
        Fault(name=name, task=update(config, only(label).replace(old, new)), catches=label)
        for name, (old, new, label) in changes.items()
    ]
