"""Stream rules of the quantizer: packets, soft resets, parameters that change between packets.

Beats are followed by counting, as in :mod:`synth.formal.stream`, and by what goes past the lanes, which are cut: the end
of the packet and which lanes count.
"""

from rtl_gen.axi_stream import bytes_of
from rtl_gen.emit import Emitted
from rtl_gen.register_block import parameter_layout
from rtl_gen.runtime_regions import RuntimeRegions
from rtl_gen.units.quantizer import QuantizerConfig
from synth.formal.stream_harness import TOP, around, instance, probed, shipped, without_lanes
from synth.formal.task import Task

_CONTROL = {"clk": "clk", "rst": "rst", "soft_reset": "probe_soft_reset"}
_INPUT = {f"s_{name}": f"s_axis_t{name}" for name in ("valid", "ready", "last")}


def quantizer_tasks(unit: Emitted, config: QuantizerConfig, text: str) -> dict[str, Task]:
    """By name; ``text``: the Verilog, the unit's own or a wrong one."""
    layout = parameter_layout(config.registers)
    effective = {
        "scale_m": config.scale.bits,
        "scale_k": layout["scale_k"].width,
        "bypass": 1,
        "regions": RuntimeRegions.of(config.format).layout.size,
    }
    flags = ("soft_reset", "o__valid", "i__valid", "o__ready", "empty", "apply", "pending", "refused")
    probes = {**dict.fromkeys(flags, 1), **effective, "parameters": layout.size}
    files = {
        f"{config.top}.v": probed(without_lanes(text), config.top, probes),
        **unit.models,
        "stream_quantizer.sv": shipped("stream_quantizer.sv"),
    }

    def written(name: str) -> str:
        field = layout[name]
        return f"probe_parameters[{field.offset + field.width - 1}:{field.offset}]"

    packets = instance(
        "stream_packets",
        "packets",
        {
            "CORE": unit.latency - 1,
            "LANES": config.lanes,
            "IN": bytes_of(config.input.width),
            "OUT": bytes_of(config.format.bits),
        },
        _CONTROL
        | _INPUT
        | {f"m_{name}": f"m_axis_t{name}" for name in ("valid", "ready", "last", "keep", "data")}
        | {"s_keep": "s_axis_tkeep", "watch": "watch", "core_valid": "probe_o__valid", "into_slice": "probe_i__valid"}
        | {"slice_ready": "probe_o__ready", "core_empty": "probe_empty"},
    )
    parameters = instance(
        "stream_parameters",
        "parameters",
        {"EFFECTIVE": sum(effective.values()), "SET": layout.size},
        _CONTROL
        | _INPUT
        | {"core_empty": "probe_empty"}
        | {name: f"probe_{name}" for name in ("apply", "pending", "refused")}
        | {"effective": "{" + ", ".join(f"probe_{name}" for name in effective) + "}", "set": "probe_parameters"}
        | {"effective_m": "probe_scale_m", "effective_k": "probe_scale_k", "effective_bypass": "probe_bypass"}
        | {"set_m": written("scale_m"), "set_k": written("scale_k"), "set_bypass": written("mode")},
    )
    found = [
        Task(
            name="stream_packets",
            claim=f"Any beat leaves once, in order, with its last and its keep, {unit.latency} cycles after it was "
            f"accepted if nothing stalls and before the consumer has been ready {unit.latency + 1} times, unless a soft "
            "reset finds it before the output's buffer; packets stay whole, one that a soft reset has cut is ended; what "
            "is offered stays, through a soft reset too; nothing outlives a reset.",
            mode="prove",
            files={**files, f"{TOP}.sv": around(unit, [packets], ["watch"], probes)},
            top=TOP,
            engine="abc pdr",
        ),
        Task(
            name="stream_parameters",
            claim="What is effective changes only while nothing is within and no packet has begun, and only after APPLY; "
            "refused parameters change nothing, others become effective as a whole; what is applied cannot be written "
            "meanwhile.",
            mode="prove",
            files={**files, f"{TOP}.sv": around(unit, [parameters], (), probes)},
            top=TOP,
            engine="abc pdr",
        ),
    ]
    return {task.name: task for task in found}
