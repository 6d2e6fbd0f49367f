"""Stream rules of the quantizer: packets, soft resets, parameters that change between packets.

Beats are tracked by counting, as in :mod:`qse_hw.synth.formal.stream`, and by the signals that bypass the lanes (which
are cut): last and keep.
"""

from qse_hw.rtl_gen.bus.axi_stream import bytes_of
from qse_hw.rtl_gen.bus.register_block import parameter_layout
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.rtl_gen.lane.format_family import FormatFamily
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from qse_hw.synth.formal.harness import TOP, harness, instance, probed, shipped, without_lanes
from qse_hw.synth.formal.stream_walk import walk, walk_cycles
from qse_hw.synth.formal.task import Task

_CONTROL = {"clk": "clk", "rst": "rst", "soft_reset": "probe_soft_reset"}
_INDUCTION = 7  # cycles: a register write and its effect
_COVERED = 14  # cycles that the covers take beyond twice the latency
_ACCESSES = 28  # cycles of two accesses, of starting to load and of the first segment
_INPUT = {f"s_{name}": f"s_axis_t{name}" for name in ("valid", "ready", "last")}


def quantizer_probes(unit: Emitted, config: QuantizerConfig) -> dict[str, int]:
    """The unit's internal signals that the properties need, with their widths."""
    flags = ("soft_reset", "o__valid", "i__valid", "o__ready", "empty", "apply", "pending", "locked", "refused")
    count, latency = len(config.format.segments), unit.latency - 1
    helpers = {"core.valid": latency, "core.within": latency.bit_length(), "gate.packet": 1, "gate.fsm_state": 3}
    helpers |= {"apply.done": 1, "apply.loading": 1, "apply.last": 1, "apply.phase": 2, "apply.storing": count}
    if count > 1:
        helpers["apply.row"] = (count - 1).bit_length()
    parameters = {"parameters": parameter_layout(config.registers).size}
    return {**dict.fromkeys(flags, 1), **_effective(config), **parameters, **helpers}


def quantizer_shown(unit: Emitted, config: QuantizerConfig) -> str:
    """The unit's Verilog with its lanes cut and :func:`quantizer_probes` as outputs."""
    return probed(without_lanes(unit.text), config.top, quantizer_probes(unit, config))


def _effective(config: QuantizerConfig) -> dict[str, int]:
    """The effective parameters that software can set, with their widths."""
    k = parameter_layout(config.registers)["scale_k"].width
    regions = FormatFamily.of(config.format).layout.size
    return {"scale_m": config.scale.bits, "scale_k": k, "bypass": 1, "regions": regions}


def quantizer_tasks(unit: Emitted, config: QuantizerConfig, text: str) -> dict[str, Task]:
    """The tasks by name; ``text``: Verilog of the unit or a faulty one, with :func:`quantizer_probes` as outputs."""
    layout = parameter_layout(config.registers)
    probes, effective = quantizer_probes(unit, config), _effective(config)
    files = {f"{config.top}.v": text, **unit.models, "stream_quantizer.sv": shipped("stream_quantizer.sv")}

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
        | {"slice_ready": "probe_o__ready", "core_empty": "probe_empty", "valid": "probe_core_valid"}
        | {"pending": "probe_pending"},
    )
    parameters = instance(
        "stream_parameters",
        "parameters",
        {"EFFECTIVE": sum(effective.values()), "SET": layout.size, "CORE": unit.latency - 1},
        _CONTROL
        | _INPUT
        | {"core_empty": "probe_empty"}
        | {name: f"probe_{name}" for name in ("apply", "pending", "refused")}
        | {"effective": "{" + ", ".join(f"probe_{name}" for name in effective) + "}", "set": "probe_parameters"}
        | {"effective_m": "probe_scale_m", "effective_k": "probe_scale_k", "effective_bypass": "probe_bypass"}
        | {"set_m": written("scale_m"), "set_k": written("scale_k"), "set_bypass": written("mode")}
        | {"gate": "probe_gate_fsm_state", "gate_packet": "probe_gate_packet"}
        | {"valid": "probe_core_valid", "within": "probe_core_within"}
        | {name: f"probe_apply_{name}" for name in ("done", "loading", "last", "phase", "storing")}
        | {"row": "probe_apply_row" if len(config.format.segments) > 1 else "1'b0"},
    )
    passage = {"core_valid": "probe_o__valid", "into_slice": "probe_i__valid", "slice_ready": "probe_o__ready"}
    cover = instance(
        "stream_packets_cover",
        "reach",
        {"CORE": unit.latency - 1},
        _CONTROL
        | _INPUT
        | passage
        | {f"m_{name}": f"m_axis_t{name}" for name in ("valid", "ready", "last")}
        | {"pending": "probe_pending"},
    )
    registers = config.registers
    changes = instance(
        "stream_parameters_cover",
        "reach",
        {
            "SCALE_M": registers["SCALE_M"].offset,
            "CONTROL": registers["CONTROL"].offset,
            "LEGAL": config.scale.M ^ 1,
        },
        {name: name for name in ("clk", "rst")}
        | {"s_valid": "s_axis_tvalid"}
        | {name: f"s_axi_{name}" for name in ("arvalid", "awvalid", "awready", "wvalid", "bready")}
        | {name: f"s_axi_{name}" for name in ("awaddr", "wdata", "wstrb")}
        | {"pending": "probe_pending", "refused": "probe_refused", "effective_m": "probe_scale_m"},
    )
    tasks = [
        Task(
            name="stream_packets",
            claim=f"Any beat leaves once, in order, with its last and its keep, {unit.latency} cycles after it was "
            f"accepted if nothing stalls and before the consumer has been ready {unit.latency + 1} times, unless a "
            "soft reset finds it before the output's buffer; while no parameters wait the input is ready again before "
            "the consumer has been five times; packets stay whole, one that a soft reset has cut is "
            "ended; what is offered stays, through a soft reset too; nothing outlives a reset.",
            mode="prove",
            files={**files, f"{TOP}.sv": harness(unit, [packets], ["watch"], probes)},
            top=TOP,
            engine="abc pdr",
        ),
        Task(
            name="stream_parameters",
            claim="What is effective changes only while nothing is within and no packet has begun, and only after "
            "APPLY; refused parameters change nothing, others become effective as a whole; what is applied cannot be "
            "written meanwhile.",
            mode="prove",
            files={**files, f"{TOP}.sv": harness(unit, [parameters], (), probes)},
            top=TOP,
            engine="smtbmc z3",
            depth=_INDUCTION,
        ),
        Task(
            name="stream_packets_cover",
            claim="Reached: all full and stalled, beats back to back, a soft reset within a packet and a packet after "
            "it, a packet that goes on while parameters wait.",
            mode="cover",
            files={**files, f"{TOP}.sv": harness(unit, [cover], (), probes)},
            top=TOP,
            engine="smtbmc z3",
            depth=2 * unit.latency + _COVERED,
        ),
        Task(
            name="stream_parameters_cover",
            claim="Reached by two accesses: parameters become effective; parameters are refused.",
            mode="cover",
            files={**files, f"{TOP}.sv": harness(unit, [changes], (), probes)},
            top=TOP,
            engine="smtbmc z3",
            depth=_ACCESSES + walk_cycles(config),
        ),
        walk(unit, config),
    ]
    return {task.name: task for task in tasks}
