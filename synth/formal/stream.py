"""Stream rules of the units that stall as a whole, and of the quantizer; status outputs of encoder, decoder, quantizer.

Why nothing is lost, duplicated or reordered: ``stream_order`` tracks an arbitrary beat by counting. The beat leaves
after exactly the beats before it, in a cycle in which the unit has moved ``latency`` times since. The output then
depends on this beat's payload alone, as :mod:`qse_hw.synth.formal.pipeline` proves: on what entered ``latency`` moves
ago. (A convolution's and a residual's depend on the beats before it, too, which is not proved but simulated.)
"""

from collections.abc import Sequence

from qse_hw.rtl_gen.emit.emit import Emitted, emit
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.activation import ActivationConfig
from qse_hw.rtl_gen.units.convolution import ConvolutionConfig
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.function import FunctionConfig
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from qse_hw.rtl_gen.units.residual import ResidualConfig
from qse_hw.rtl_gen.units.time_step import TimeStepConfig
from qse_hw.synth.formal.harness import TOP, harness, has_lanes, instance, lane_outputs, probed, shipped, without_lanes
from qse_hw.synth.formal.stream_faults import bounded, wrong_units
from qse_hw.synth.formal.stream_quantizer import quantizer_probes, quantizer_shown, quantizer_tasks
from qse_hw.synth.formal.stream_quantizer_faults import wrong_streams
from qse_hw.synth.formal.stream_walk import walk_faults
from qse_hw.synth.formal.task import Fault, Task

_STREAM = {name: name for name in ("clk", "rst")} | {
    f"{side}_{signal}": f"{side}__{signal}" for side in "io" for signal in ("valid", "ready")
}
_VALID = {"valid": "probe_valid"}
PIPELINES = (
    EncoderConfig, DecoderConfig, FunctionConfig, ConvolutionConfig, ResidualConfig, ActivationConfig, TimeStepConfig,
)  # fmt: skip
"""Units that stall as a whole, with one stream in and one out."""
_DEEP = 12  # cycles within which faults at the quantizer's ports are detected
_COVERED = 6  # cycles that the covers take beyond the latency, including their own counters


def tasks(config: UnitConfig) -> list[Task]:
    """The stream rules of a unit; none of a linear or Hadamard unit."""
    if isinstance(config, QuantizerConfig):
        unit = emit(config)
        return list(quantizer_tasks(unit, config, quantizer_shown(unit, config)).values())
    if not isinstance(config, PIPELINES):
        return []
    unit = emit(config)
    return list(_tasks(unit, _shown(unit)).values())


def faults(config: UnitConfig) -> list[Fault]:
    """Faulty units, each with the property that catches the fault."""
    if isinstance(config, QuantizerConfig):
        unit = emit(config)
        probes = quantizer_probes(unit, config)
        return [
            Fault(
                name=wrong.name,
                task=bounded(quantizer_tasks(unit, config, wrong.text)[wrong.task], wrong, _DEEP),
                catches=wrong.catches,
            )
            for wrong in wrong_streams(unit, quantizer_shown(unit, config), probes)
        ] + walk_faults(unit, config)
    if not isinstance(config, PIPELINES):
        return []
    unit = emit(config)
    proved = _tasks(unit, _shown(unit))
    return [
        Fault(
            name=wrong.name,
            task=bounded(_tasks(unit, wrong.text)[wrong.task], wrong, 2 * unit.latency + 4),
            catches=wrong.catches,
        )
        for wrong in wrong_units(unit, _shown(unit), _probes(unit))
        if wrong.task in proved
    ]


def _probes(unit: Emitted) -> dict[str, int]:
    return {"valid": unit.latency}


def _shown(unit: Emitted) -> str:
    return probed(unit.text, unit.config.top, _probes(unit))


def _tasks(unit: Emitted, text: str) -> dict[str, Task]:
    """The tasks by name; ``text``: Verilog of the unit, or of a faulty one, with the valid bits as outputs."""
    status = [_status(unit, text)] if isinstance(unit.config, EncoderConfig | DecoderConfig) else []
    return {task.name: task for task in (_rules(unit, text), _order(unit, text), *status, _cover(unit, text))}


def _rules(unit: Emitted, text: str) -> Task:
    width = next(port["width"] for port in unit.ports if port["name"] == "o__payload")
    check = instance(
        "stream_rules",
        "rules",
        {"LATENCY": unit.latency, "WIDTH": width},
        _STREAM | _VALID | {"o_payload": "o__payload"},
    )
    return Task(
        name="stream_rules",
        claim="What is offered stays, unchanged, until it is taken; valid does not depend on ready; as many beats "
        "leave as entered, at most as many are within as there are stages; none outlives a reset, whenever it comes.",
        mode="prove",
        files=_files(unit, text, [check]),
        top=TOP,
        engine="smtbmc z3",
        depth=2,
    )


def _order(unit: Emitted, text: str) -> Task:
    check = instance("stream_order", "order", {"LATENCY": unit.latency}, _STREAM | _VALID | {"watch": "watch"})
    return Task(
        name="stream_order",
        claim=f"Any beat leaves after exactly those accepted before it, when the unit has moved {unit.latency} times: "
        f"offered {unit.latency} cycles after it was accepted if nothing stalls, and taken at the latest in the "
        f"{unit.latency}th cycle thereafter in which the consumer is ready.",
        mode="prove",
        files=_files(unit, text, [check], ["watch"]),
        top=TOP,
        engine="smtbmc z3",
        depth=2,
    )


def _status(unit: Emitted, text: str) -> Task:
    config = unit.config
    flags: tuple[str, ...]
    if isinstance(config, EncoderConfig):
        flags, value, count, bits = ("saturated", "nan"), "code", config.counter_width, config.format.bits
    else:
        flags, value, count = ("invalid",), "value", 0
        bits = next(port["width"] for port in unit.ports if port["name"] == "o__payload") // config.lanes
    possible = sum(1 << bit for bit, flag in enumerate(flags) if flag in lane_outputs(text))
    check = instance(
        "stream_status",
        "status",
        {"LANES": config.lanes, "BITS": bits, "FLAGS": len(flags), "POSSIBLE": possible, "COUNT": count},
        {name: name for name in ("clk", "rst", "clear")}
        | {name.replace("__", "_"): name for name in ("o__valid", "o__ready", "o__payload")}
        | {"flags": "{" + ", ".join(reversed(flags)) + "}", "count": "saturation_count" if count else "1'b0"},
    )
    return Task(
        name="stream_status",
        claim="Flags and counter tell of each beat that leaves, once, and of no other; clear takes what was before, "
        "and nothing that happens meanwhile; the counter stops at its maximum; a reset makes them 0.",
        mode="prove",
        files=_files(unit, without_lanes(text, flags, value), [check]),
        top=TOP,
        engine="smtbmc z3",
        depth=3,
    )


def _cover(unit: Emitted, text: str) -> Task:
    check = instance("stream_cover", "reach", {"LATENCY": unit.latency}, _STREAM)
    return Task(
        name="stream_cover",
        claim="Reached: the unit full and stalled, beats back to back, a reset with beats within and beats "
        "thereafter, a gap within.",
        mode="cover",
        files=_files(unit, without_lanes(text) if has_lanes(text) else text, [check]),
        top=TOP,
        engine="smtbmc z3",
        depth=3 * unit.latency + _COVERED,
    )


def _files(unit: Emitted, text: str, checks: list[str], free: Sequence[str] = ()) -> dict[str, str]:
    return {
        f"{unit.config.top}.v": text,
        **unit.models,
        "stream.sv": shipped("stream.sv"),
        f"{TOP}.sv": harness(unit, checks, free, _probes(unit)),
    }
