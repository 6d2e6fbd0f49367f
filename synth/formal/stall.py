"""A stalled pipeline keeps the contents of every register, and it stalls only if its output is stalled.

Yosys' techmap adds an assertion to every register. The proofs of :mod:`qse_hw.synth.formal.pipeline`, for a pipeline
that moves, extend to runs with stalls only with this one. Sticky flags and counters are exempt: software may clear
them at any time, and no data depend on them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from qse_hw.synth.formal.harness import probe, probed
from qse_hw.synth.formal.pipeline import ANY_STATE, DUT, FRAME, TOP, input_ports, output_ports
from qse_hw.synth.formal.task import Fault, Task
from qse_hw.synth.formal.verilog import instance, ports, tapped

HELD = "held.map"
_MAP = """// every register, with the claim that it does not change
(* techmap_celltype = "$dff" *)
module held(CLK, D, Q);
  parameter WIDTH = 1, CLK_POLARITY = 1;
  input CLK;
  input [WIDTH-1:0] D;
  output [WIDTH-1:0] Q;
  \\$dff #(.WIDTH(WIDTH), .CLK_POLARITY(CLK_POLARITY)) _TECHMAP_REPLACE_ (.CLK(CLK), .D(D), .Q(Q));
  always @* hold: assert (D == Q);
endmodule
"""
_STREAMS = ("i__ready", "o__valid", "o__payload")
_PROBES = {"soft_reset": 1, "core.advance": 1, "core.o__valid": 1, "core.o__ready": 1}


def hold(unit: Emitted) -> Task:
    """A stalled unit keeps its registers; of a quantizer, the pipeline between its buffers does."""
    if isinstance(unit.config, QuantizerConfig):
        shown = replace(unit, text=probed(unit.text, unit.config.top, _PROBES))
        advance, valid, ready = (probe(f"core.{name}") for name in ("advance", "o__valid", "o__ready"))
        still, why = f"!{probe('soft_reset')} && !{advance}", f"{valid} && !{ready}"
        return _task(shown, f"{unit.config.top}_core*", still, why, probes=[probe(name) for name in _PROBES])
    flags = [name for name in output_ports(unit) if name not in _STREAMS]
    return _task(unit, "*", "!i__ready", "o__valid && !o__ready", exempt=flags)


def faults(unit: Emitted) -> Iterator[Fault]:
    """For every register a unit in which it changes in a stall; and a unit that stalls without a reason."""
    for name, text in _unheld(unit):
        yield Fault(name=f"{name} moves in a stall", task=hold(replace(unit, text=text)), catches="hold")
    if isinstance(unit.config, QuantizerConfig):
        name, text = "the pipeline never moves", re.sub(r"(?<=assign advance = )o__ready [^;]+", "1'h0", unit.text)
    else:
        name, text = "the input is never ready", tapped(unit, {"i__ready": "1'b0"})
    yield Fault(name=name, task=hold(replace(unit, text=text)), catches="stalled")


def _task(
    unit: Emitted, modules: str, still: str, why: str, *, exempt: Sequence[str] = (), probes: Sequence[str] = ()
) -> Task:
    """Registers of ``modules`` must not change while ``still``; and ``still`` implies ``why``."""
    widths, inputs, outputs = ports(unit), input_ports(unit), output_ports(unit)
    header = [f"{'input' if port in inputs else 'output'} [{widths[port] - 1}:0] {port}" for port in inputs + outputs]
    frame = [
        f"module {TOP}({', '.join(header)});",
        *(f"  wire {wire};" for wire in probes),
        instance(unit, "unit", [*inputs, *outputs, *probes]),
        f"  always @* assume (!rst && {still});",
        f"  always @* stalled: assert ({why});",
        "endmodule",
        "",
    ]
    # Registers that nothing reads are kept, except those that Yosys makes for a memory's ports and does not use. From a
    # port to the register behind it are two steps, or four (%ci4) through the OR with which a count saturates.
    script = [
        *("design -save unit", "design -reset", f"read_verilog -formal -sv -icells {HELD}", "design -stash held"),
        *("design -load unit", ANY_STATE, "setattr -set keep 1 t:$dff w:$*memwr* %ci1 %d", "memory"),
        f"select -assert-none {_others(modules)}",
        *(f"select -assert-min 2 {modules}/t:$dff", f"setattr -set held 1 {modules}/t:$dff", "flatten", "opt_clean"),
        *(f"select -assert-max 1 o:{flag} %ci4 t:$dff %i" for flag in exempt),  # no other register is exempt
        *(f"setattr -unset held o:{flag} %ci4 t:$dff %i" for flag in exempt),
        "techmap -autoproc -max_iter 1 -map %held a:held",
    ]
    return Task(
        name="hold",
        claim="While the pipeline does not move no register of it changes but those of flags and counters, which no "
        "data depend on; and it moves unless the output is stalled.",
        mode="bmc",
        files={DUT: unit.text, **unit.models, FRAME: "\n".join(frame), HELD: _MAP},
        top=TOP,
        engine="smtbmc z3",
        depth=1,
        argument="The registers hold anything, so one cycle is every cycle.",
        script="\n".join(script),
    )


def _others(modules: str) -> str:
    """Yosys' selection of the registers that :data:`_MAP` does not support."""
    return f"{modules}/t:$*ff* {modules}/t:$*latch* {modules}/t:$mem* %u %u {modules}/t:$dff %d"


def _unheld(unit: Emitted) -> Iterator[tuple[str, str]]:
    """For each register its name, and the Verilog of the unit without its enable."""
    core = f"{unit.config.top}_core" if isinstance(unit.config, QuantizerConfig) else unit.config.top
    for module in re.finditer(rf"^module {core}.*?^endmodule$", unit.text, re.MULTILINE | re.DOTALL):
        enable = r"if \((?P<enable>enable|advance|i__ready)\) begin\n[^;]*?(?P<name>\S+) <= |\.CE0\((?P<dsp>\w+)\)"
        for match in re.finditer(enable, module[0]):
            begin, end = (module.start() + at for at in match.span("enable" if match["enable"] else "dsp"))
            name = match["name"].strip("\\ ") if match["name"] else "the multiplier"
            yield name, f"{unit.text[:begin]}1'h1{unit.text[end:]}"
