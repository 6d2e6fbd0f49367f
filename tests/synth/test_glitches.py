"""How far the two counts of toggles are from a simulation of events with the delays of the Liberty file's tables."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from qse_hw import golden
from qse_hw.golden.calibration.percentile import percentile_step
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.io.activations import read_activations
from qse_hw.golden.reference.vectors import to_patterns
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.synth.activity import RESET, WARM_UP, Activity, Simulator
from qse_hw.synth.cells.cell import EDGES
from qse_hw.synth.cells.energy import energy
from qse_hw.synth.cells.liberty import read_liberty
from qse_hw.synth.cells.mapped import MappedNetlist
from qse_hw.synth.cells.sta import analyze
from tests.synth.small import OSU, SMALL, map_to_cells

BEATS, PERIOD = 300, 20  # ns, longer than any path


@pytest.mark.full
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
@pytest.mark.parametrize(
    "liberty",
    [SMALL, pytest.param(OSU, marks=pytest.mark.skipif(not OSU.exists(), reason="qflow-tech-osu018 not installed"))],
)
@pytest.mark.parametrize(("input", "step"), [("s16", 120.4), ("bf16", 0.0147)])
@pytest.mark.parametrize("format", ["se8", "int8"])
def test_between(format, input, step, liberty, tmp_path):
    """Icarus lies between no delays and equal ones, on real activations; registers toggle the same everywhere."""
    type = input_type(input)
    config = EncoderConfig(format=load_format(format), input=type, scale=Scale.from_step(step), counter_width=0)
    x = read_activations(Path(golden.__file__).parent / "assets" / "activations.safetensors")[0]["layers.3.x"]
    patterns = to_patterns(x * np.float32(step / percentile_step(x)), type).reshape(-1, 1)[:BEATS]
    netlist, _ = map_to_cells(emit(config).text, config.top, tmp_path, liberty)
    mapped, simulator = MappedNetlist.read(netlist, read_liberty(liberty)), Simulator(netlist, [liberty])
    timing = analyze(mapped)
    calm, busy = simulator(patterns), simulator(patterns, glitches=True)
    (tmp_path / "tb.v").write_text(bench(mapped, timing, patterns[:, 0]))
    subprocess.run(["iverilog", "-g2012", "-o", "tb", "tb.v"], cwd=tmp_path, check=True)
    subprocess.run(["vvp", "-n", "tb"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    counts = toggles((tmp_path / "tb.vcd").read_text())
    counts[mapped.inputs["clk"][0]] = 2 * BEATS
    registers = {i.nets["Q"] for i in mapped.instances if i.cell.flop}
    assert sum(counts[net] for net in registers) > 3000
    for net in registers:
        assert calm.toggles[net] == counts[net] == busy.toggles[net]
    assert all(counts[net] >= count for net, count in calm.toggles.items())
    events = Activity(counts, {}, BEATS, 1, 1)
    low, real, high = (energy(mapped, activity, timing).total for activity in (calm, events, busy))
    print(f"{config.label}, {mapped.library.name}: {low:.2f}, {real:.2f}, {high:.2f} pJ")
    assert low < real < high < 1.5 * real < 2.5 * low


def bench(mapped, timing, patterns):
    """Cells with inertial delays, rising and falling, each output's slowest; the inputs change with the registers."""

    def word(net):
        return f"n{net}" if isinstance(net, int) else "1'b1" if net == "1" else "1'b0"

    lines, inputs = ["`timescale 1ns/1ps", "module tb;"], mapped.inputs
    registers = {net for i in mapped.instances if i.cell.flop for _, _, net in i.pins("output")}
    held = registers | {net for nets in inputs.values() for net in nets}
    lines += [f"reg n{net} = 0;" for net in held] + [f"wire n{net};" for net in mapped.drivers.keys() - held]
    clock, reset = word(inputs["clk"][0]), word(inputs["rst"][0])
    for instance in mapped.instances:
        for _, pin, net in instance.pins("output"):
            delays = []
            for edge, load in zip(EDGES, mapped.loads(net), strict=True):
                slews = {arc.related: np.mean(timing.slews.get(instance.nets[arc.related], 0)) for arc in pin.arcs}
                times = [arc.tables[f"cell_{edge}"].at(slews[arc.related], load) for arc in pin.arcs]
                delays.append(max(0.001, *times, 0))
            if instance.cell.flop:
                data = word(instance.nets[min(instance.cell.flop.next_state.names)])
                lines.append(f"always @(posedge {clock}) n{net} <= #{np.mean(delays):.3f} {data};")
            else:
                value = verilog(pin.function, {name: word(at) for name, at in instance.nets.items()})
                lines.append(f"assign #({delays[0]:.3f}, {delays[1]:.3f}) n{net} = {value};")
    payload = f"{{{', '.join(map(word, reversed(inputs['i__payload'])))}}}"
    table = " ".join(f"mem[{at}] = {int(pattern)};" for at, pattern in enumerate(patterns))
    return "\n".join(
        [
            *lines,
            f"reg [31:0] mem [0:{BEATS - 1}]; integer cycle;",
            f"initial begin {table}",
            f'  $dumpfile("tb.vcd"); $dumpvars(1, tb); $dumpoff; {reset} = 1;',
            *(f"  {word(inputs[port][0])} = 1;" for port in ("i__valid", "o__ready")),
            f"  for (cycle = -{RESET + WARM_UP}; cycle < {BEATS}; cycle = cycle + 1) begin",
            f"    if (cycle == 0) $dumpon; {clock} = 1; #0.2 {reset} = cycle < -{WARM_UP};",
            f"    {payload} = mem[(cycle + {BEATS}) % {BEATS}]; #{PERIOD / 2} {clock} = 0; #{PERIOD / 2};",
            "  end $dumpoff; $finish;",
            "end",
            "endmodule",
        ]
    )


def verilog(function, nets):
    stack = []
    for step in function.steps:
        if step == "!":
            stack.append(f"~{stack.pop()}")
        elif step in "^&|":
            right = stack.pop()
            stack.append(f"({stack.pop()} {step} {right})")
        else:
            stack.append(nets[step])
    return stack[0]


def toggles(vcd):
    """By net, between $dumpon and the last $dumpoff."""
    head, body = vcd.split("$enddefinitions", 1)
    nets = {code: int(net) for code, net in re.findall(r"\$var (?:wire|reg) +1 (\S+) n(\d+) \$end", head)}
    counts, last = dict.fromkeys(nets.values(), 0), {}
    for line in body[body.index("$dumpon") : body.rindex("$dumpoff")].splitlines():
        net = nets.get(line[1:]) if line[:1] in ("0", "1") else None
        if net is not None:
            counts[net] += last.get(net, line[0]) != line[0]
            last[net] = line[0]
    return counts
