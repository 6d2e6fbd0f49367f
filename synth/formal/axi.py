"""AXI4-Lite rules of the quantizer, and the answers of its registers.

The model of the registers comes from the register map (:mod:`qse_hw.rtl_gen.quantizer.registers`) alone. It tracks a
single register that the solver chooses freely, so that what is proved of it holds for every register.
"""

from dataclasses import replace

from qse_hw.rtl_gen.bus.axi_lite import SETTLE, axi_lite_ports
from qse_hw.rtl_gen.bus.register_block import parameter_layout
from qse_hw.rtl_gen.bus.registers import ADDRESS_WIDTH, RegisterMap
from qse_hw.rtl_gen.emit.emit import Emitted, emit
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from qse_hw.synth.formal.axi_faults import wrong_buses
from qse_hw.synth.formal.harness import TOP, harness, instance, shipped
from qse_hw.synth.formal.stream_faults import Wrong, bounded
from qse_hw.synth.formal.stream_quantizer import quantizer_probes, quantizer_shown
from qse_hw.synth.formal.task import Fault, Task

_KINDS = {"read-only": 0, "read-write": 1, "command": 2, "status": 3, "counter": 4}
_DEEP = 11  # cycles: two accesses
_UNREAD = ("awprot", "arprot")
_BUS = {name: f"s_axi_{name}" for name in axi_lite_ports(ADDRESS_WIDTH) if name not in _UNREAD}


def tasks(config: UnitConfig) -> list[Task]:
    """The bus rules of a quantizer."""
    if not isinstance(config, QuantizerConfig):
        return []
    unit = emit(config)
    return list(_tasks(unit, config, quantizer_shown(unit, config)).values())


def faults(config: UnitConfig) -> list[Fault]:
    """Quantizers with faulty buses, each with the property that catches the fault."""
    if not isinstance(config, QuantizerConfig):
        return []
    unit = emit(config)
    return [
        Fault(
            name=wrong.name,
            task=_bounded(_tasks(unit, config, wrong.text)[wrong.task], wrong),
            catches=wrong.catches,
        )
        for wrong in wrong_buses(unit, quantizer_shown(unit, config), quantizer_probes(unit, config))
    ]


def _bounded(task: Task, wrong: Wrong) -> Task:
    """The search for a fault, always by z3: without the helpers of the induction, ABC's traces cannot be replayed."""
    search = bounded(task, wrong, _DEEP)
    return replace(search, engine="smtbmc z3", depth=2 * _DEEP) if wrong.line else search


def _tasks(unit: Emitted, config: QuantizerConfig, text: str) -> dict[str, Task]:
    """The tasks by name; ``text``: the Verilog of the unit, or of a faulty one."""
    probes = quantizer_probes(unit, config)
    files = {f"{config.top}.v": text, **unit.models, "axi.sv": shipped("axi.sv")}
    control = {"clk": "clk", "rst": "rst"}
    handshakes = {name: wire for name, wire in _BUS.items() if name.endswith(("valid", "ready", "resp"))}
    rules = instance("axi_rules", "rules", {"SETTLED": SETTLE + 1}, control | handshakes | {"rdata": "s_axi_rdata"})
    registers = [
        "  wire [7:0] watched;",
        "  wire [31:0] held;",
        "  axi_held parameter_held (.index(watched), .parameters(probe_parameters), .held(held));",
        instance(
            "axi_registers",
            "registers",
            {},
            control | _BUS | {"locked": "probe_locked", "held": "held", "watched": "watched"},
        ),
    ]
    cover = instance("axi_cover", "reach", {}, control | handshakes | {"pending": "probe_pending"})
    tasks = [
        Task(
            name="axi_rules",
            claim="Each write that is accepted, address and data in any order, gets exactly one answer, each read "
            "too, and nothing is answered unasked; an answer stays until it is taken; answers come, and the next "
            f"request is accepted, within {SETTLE + 1} cycles in which the manager does its part; a reset ends all.",
            mode="prove",
            files={**files, f"{TOP}.sv": harness(unit, [rules], (), probes)},
            top=TOP,
            engine="abc pdr",
        ),
        Task(
            name="axi_registers",
            claim="Every access is answered as the register map says: what reads give, what is refused, which bytes "
            "are written; what is refused changes nothing; parameters refuse writes while they are applied.",
            mode="prove",
            files={
                **files,
                "axi_map.sv": register_map(config.registers),
                f"{TOP}.sv": harness(unit, registers, (), probes),
            },
            top=TOP,
            engine="abc pdr",
        ),
        Task(
            name="axi_cover",
            claim="Reached: answers that wait with further requests behind them, address first and data first, refused "
            "writes and reads, a refusal because parameters are being applied, a reset within accesses.",
            mode="cover",
            files={**files, f"{TOP}.sv": harness(unit, [cover], (), probes)},
            top=TOP,
            engine="smtbmc z3",
            depth=24,
        ),
    ]
    return {task.name: task for task in tasks}


def register_map(registers: RegisterMap) -> str:
    """The map as Verilog: ``axi_map`` gives a register's properties, ``axi_held`` its value among the parameters."""
    rows = []
    for register in registers.registers:
        width = register.fields[-1].low + register.fields[-1].width
        extends = int(register.access == "read-write" and register.fields[0].signed)
        what = f"{{1'b1, 3'd{_KINDS[register.access]}, 6'd{width}, 1'b{extends}, 32'h{register.reset:08x}}}"
        rows.append(f"      {register.index}: {{there, access, width, extends, reset}} = {what};  // {register.name}")
    held = []
    layout = parameter_layout(registers)
    for register in registers.of_access("read-write"):
        width = register.fields[0].width
        low = layout[register.name.lower()].offset
        slice_ = f"parameters[{low + width - 1}:{low}]"
        value = f"$signed({slice_})" if register.fields[0].signed else slice_
        held.append(f"      {register.index}: held = {value};")
    return "\n".join([
        "module axi_map (",
        "  input [7:0] index, output reg there, output reg [2:0] access, output reg [5:0] width, output reg extends,",
        "  output reg [31:0] reset",
        ");",
        "  always @*",
        "    case (index)",
        *rows,
        "      default: {there, access, width, extends, reset} = 0;",
        "    endcase",
        "endmodule",
        "",
        f"module axi_held (input [7:0] index, input [{layout.size - 1}:0] parameters, output reg [31:0] held);",
        "  always @*",
        "    case (index)",
        *held,
        "      default: held = 0;",
        "    endcase",
        "endmodule",
        "",
    ])  # fmt: skip
