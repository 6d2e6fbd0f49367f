"""Counting toggles: against the golden model's codes, cell by cell in Python, a VCD of Verilator, and by hand."""

import json
import re
import subprocess

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.vectors import expected
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.sim.simulators.verilate import verilate
from qse_hw.synth.activity import LENGTH, RESET, STREAMS, WARM_UP, Simulator
from qse_hw.synth.cells.liberty import read_liberty
from qse_hw.synth.cells.mapped import MappedNetlist
from qse_hw.synth.yosys import library, run_native_yosys
from tests.synth.small import SMALL, map_to_cells, write_netlist

CONFIG = EncoderConfig(
    format=load_format("se8"), input=input_type("s12"), scale=Scale.from_step(9.4), counter_width=0, lanes=2
)


@pytest.fixture(scope="module")
def netlist(tmp_path_factory):
    return map_to_cells(emit(CONFIG).text, CONFIG.top, tmp_path_factory.mktemp("netlist"))[0]


@pytest.fixture(scope="module")
def simulator(netlist):
    return Simulator(netlist, [SMALL])


def code_toggles(patterns):
    """Of ``o__payload``, by bit, if the patterns follow each other in a circle."""
    codes = expected(patterns, CONFIG.format, CONFIG.input, CONFIG.scale).codes.astype(np.uint64)
    words = codes[:, 0] | codes[:, 1] << np.uint64(8)
    changed = words ^ np.roll(words, 1)
    return {f"o__payload[{bit}]": int(((changed >> np.uint64(bit)) & np.uint64(1)).sum()) for bit in range(16)}


def by_name(activity):
    return {name: activity.toggles[net] for net, name in activity.names.items() if net in activity.toggles}


@pytest.mark.full
@pytest.mark.every(2)
@pytest.mark.parametrize("beats", [100, LENGTH * STREAMS + 7 * STREAMS + 5])
def test_codes(simulator, rng, beats):
    """The outputs toggle as the golden codes do, whether in one stream or in all."""
    patterns = rng.integers(0, 1 << 12, (beats, 2), dtype=np.uint32)
    activity = simulator(patterns)
    assert activity.streams == (1 if beats == 100 else STREAMS)
    assert (activity.lanes, activity.beats) == (2, beats - beats % activity.streams)
    assert activity.values == 2 * activity.beats
    counted = by_name(activity)
    assert counted["clk"] == 2 * activity.beats
    assert counted["i__payload[3]"] == np.count_nonzero(np.diff(patterns[: activity.beats, 0] >> 3 & 1, prepend=patterns[activity.beats - 1, 0] >> 3 & 1))  # fmt: skip  # noqa: E501
    for name, toggles in code_toggles(patterns[: activity.beats]).items():
        assert counted[name] == toggles, name
    assert counted["i__valid"] == counted["rst"] == 0


def test_streams_change_nothing(simulator, rng):
    """One after the other or side by side: a net depends on the last few beats only."""
    patterns = rng.integers(0, 1 << 12, (LENGTH * 3, 2), dtype=np.uint32)
    whole = simulator(patterns)
    assert whole.streams == 3
    turned = simulator(np.roll(patterns, 100, axis=0))
    assert whole.toggles == turned.toggles


def test_cell_by_cell(simulator, netlist, rng):
    """Every net as an interpreter of the Liberty file's functions finds it: at once, and all cells a step at a time."""
    patterns = rng.integers(0, 1 << 12, (30, 2), dtype=np.uint32)
    mapped = MappedNetlist.read(netlist, read_liberty(SMALL))
    clock, reset, valid, ready, payload = (
        mapped.inputs[name] for name in ("clk", "rst", "i__valid", "o__ready", "i__payload")
    )
    flops = [(i.nets["D"], i.nets["Q"]) for i in mapped.instances if i.cell.flop]
    cells = [
        (pin.function, i.nets, net) for i in mapped.instances if not i.cell.flop for _, pin, net in i.pins("output")
    ]
    readers = {}
    for place, (value, pins, _) in enumerate(cells):
        for pin in value.names:
            readers.setdefault(pins[pin], []).append(place)
    nets = {*mapped.drivers, *(net for nets in mapped.inputs.values() for net in nets)}
    values = dict.fromkeys(nets, 0) | {"0": 0, "1": 1, "x": 0, valid[0]: 1, ready[0]: 1}
    ends, steps = dict.fromkeys(nets, 0), dict.fromkeys(nets, 0)

    def change(new, counts):
        moved = [net for net, value in new.items() if value != values[net]]
        for net in moved:
            counts[net] += cycle >= 0
            values[net] = new[net]
        return moved

    for cycle in range(-RESET - WARM_UP, len(patterns)):
        begun = dict(values)
        new = {q: values[d] for d, q in flops} | {reset[0]: int(cycle < -WARM_UP)}
        word = int(patterns[cycle % len(patterns), 0]) | int(patterns[cycle % len(patterns), 1]) << 12
        new |= {net: word >> at & 1 for at, net in enumerate(payload)}
        moved = change(new, steps) if cycle > -RESET - WARM_UP else [*nets, *change(new, steps)]
        while moved:
            touched = {place: None for net in moved for place in readers.get(net, ())}
            new = {
                net: value({pin: values.get(at, 0) for pin, at in pins.items()})
                for value, pins, net in map(cells.__getitem__, touched)
            }
            moved = change(new, steps)
        for net in nets:
            ends[net] += cycle >= 0 and values[net] != begun[net]
    for glitches, wanted in ((False, ends), (True, steps)):
        counted = simulator(patterns, glitches=glitches).toggles
        assert counted.pop(clock[0]) == 2 * len(patterns)
        assert {net: wanted[net] for net in counted} == counted
        assert sum(count > 0 for count in counted.values()) > 200


def circuit(tmp_path):
    """y = a ^ buf(buf(a)), q = y in the cycle before; a is the payload."""
    cells = {
        "one": ("BUF", {"A": 2, "Y": 3}),
        "two": ("BUF", {"A": 3, "Y": 4}),
        "xor": ("XOR2", {"A": 2, "B": 4, "Y": 5}),
        "inv": ("INV", {"A": 5, "Y": 6}),
        "flop": ("DFF", {"CK": 9, "D": 6, "Q": 8}),
        "tree": ("BUF", {"A": 7, "Y": 9}),
    }
    ports = {"i__payload": ("input", [2]), "clk": ("input", [7]), "o": ("output", [8])}
    return write_netlist(tmp_path / "x.json", cells, ports)


def test_glitches_by_hand(tmp_path):
    """The XOR's output rises and falls again, the inverter does so after it, the flop sees nothing."""
    simulator = Simulator(circuit(tmp_path), [SMALL])
    patterns = np.array([[0], [1], [1], [0], [1], [1]], np.uint32)
    assert simulator(patterns, fixed={}).toggles == {2: 4, 3: 4, 4: 4, 5: 0, 6: 0, 7: 12, 8: 0, 9: 12}
    assert simulator(patterns, fixed={}, glitches=True).toggles == {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 12, 8: 0, 9: 12}


def test_glitches(simulator, rng):
    """A net toggles as often as without, or an even number of times more; registers and ports as often."""
    patterns = rng.integers(0, 1 << 12, (500, 2), dtype=np.uint32)
    calm, real = simulator(patterns), simulator(patterns, glitches=True)
    more = {net: real.toggles[net] - calm.toggles[net] for net in calm.toggles}
    assert min(more.values()) == 0
    assert all(count % 2 == 0 for count in more.values())
    assert 1.1 < real.per_value / calm.per_value < 4
    names = {name: more[net] for net, name in calm.names.items() if net in more}
    assert all(count == 0 for name, count in names.items() if name.startswith(("i__", "o__payload", "clk")))


@pytest.mark.full
def test_vcd(simulator, netlist, rng, tmp_path):
    """Verilator records the same netlist in a VCD; its cells are written here once more, in Verilog."""
    patterns = rng.integers(0, 1 << 12, (50, 2), dtype=np.uint32)
    run_native_yosys(f"read_json {netlist.name}\nwrite_verilog -norename -noattr norename.v\n", netlist.parent, "v.log")
    text = _CELLS + (netlist.parent / "norename.v").read_text()
    (tmp_path / "dut.v").write_text(text)
    (tmp_path / "lanes.vlt").write_text("`verilator_config\nlint_off\n")
    beats = [f"{int(a) | int(b) << 12:#x}" for a, b in patterns]
    (tmp_path / "main.cpp").write_text(_MAIN % (", ".join(beats), RESET, WARM_UP))
    made = verilate([tmp_path / "dut.v", tmp_path / "lanes.vlt"], tmp_path / "main.cpp", CONFIG.top, tmp_path / "obj",
                    arguments=("--trace-vcd", "--exe"))  # fmt: skip
    subprocess.run([made], cwd=tmp_path, check=True)
    counts = vcd_toggles((tmp_path / "x.vcd").read_text())
    names = json.loads(netlist.read_text())["modules"][CONFIG.top]["netnames"]
    counted = simulator(patterns)
    compared = 0
    for name, net in names.items():
        for at, bit in enumerate(net["bits"]):
            if name != "clk" and bit in counted.toggles and (name, at) in counts:
                assert counts[name, at] == counted.toggles[bit], name
                compared += counted.toggles[bit] > 0
    assert compared > 200


@pytest.mark.full
def test_fpga(rng, tmp_path):
    """The same of LUTs and flops in Verilog, of ice40."""
    (tmp_path / "unit.v").write_text(emit(CONFIG).text)
    script = f"read_verilog unit.v\nsynth_ice40 -top {CONFIG.top}\nopt_clean -purge\nwrite_verilog -noattr netlist.v\n"
    run_native_yosys(script, tmp_path, "log")
    (tmp_path / "cells.v").write_text(library("ice40/cells_sim.v"))
    patterns = rng.integers(0, 1 << 12, (2000, 2), dtype=np.uint32)
    activity = Simulator(tmp_path / "netlist.v", [tmp_path / "cells.v"])(patterns)
    counted = by_name(activity)
    for name, toggles in code_toggles(patterns).items():
        assert counted[name] == toggles, name
    assert len(activity.toggles) > 150


@pytest.mark.parametrize(
    ("patterns", "fixed", "problem"),
    [
        (np.zeros((4, 3), np.uint32), None, r"Patterns must have shape \(beats, lanes\) for 1 bits, not \(4, 3\)"),
        (np.zeros((0, 1), np.uint32), None, r"Patterns must have shape \(beats, lanes\) for 1 bits, not \(0, 1\)"),
        (np.full((4, 1), 2, np.uint32), {}, "Patterns must have 1 bits, not 0x2"),
        (np.zeros((4, 1), np.uint32), {"none": 1}, "Input none must be a port of the unit and hold 1"),
        (np.zeros((4, 1), np.uint32), {"i__payload": 2}, "Input i__payload must be a port of the unit and hold 2"),
    ],
)
def test_refuses_stimuli(patterns, fixed, problem, tmp_path_factory, small_circuit):
    with pytest.raises(InputError, match=f"^{problem}$"):
        small_circuit(patterns, fixed=fixed)


@pytest.fixture(scope="module")
def small_circuit(tmp_path_factory):
    return Simulator(circuit(tmp_path_factory.mktemp("circuit")), [SMALL])


def test_refuses_netlists(tmp_path):
    path = circuit(tmp_path)
    text = path.read_text()
    for old, new, problem in (
        ("BUF", "XYZ", "^Netlist must be made of gates and of flops with the clock clk, but one is XYZ$"),
        ('"A": [2], "Y": [3]', '"A": [4], "Y": [3]', "^Netlist must have no loop without a register, but has one$"),
        ('"A": [3], "Y": [4]', '"A": [99], "Y": [4]', "^Netlist must drive all its nets, but 1 are driven by nothing$"),
        ('"CK": [9]', '"CK": [6]', "^Netlist must be made of gates and of flops with the clock clk, but .*DFF"),
    ):
        assert re.search(re.escape(old), text)
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(InputError, match=problem):
            Simulator(path, [SMALL])


def vcd_toggles(text):
    """Toggles after time 0's values, by name and bit."""
    wires, counts, values = {}, {}, {}
    head, body = text.split("$enddefinitions", 1)
    for width, code, name in re.findall(r"\$var wire +(\d+) (\S+) (\S+?)(?: \[[\d:]+\])? \$end", head):
        wires.setdefault(code, []).append((name, int(width)))
    for line in body.splitlines():
        if not line or line[0] not in "01b":
            continue
        value, code = line[1:].split() if line[0] == "b" else (line[0], line[1:])
        for name, width in wires.get(code, ()):
            for at, bit in enumerate(reversed(value.zfill(width))):
                before = values.get((name, at), bit)
                counts[name, at] = counts.get((name, at), 0) + (before != bit)
                values[name, at] = bit
    return counts


_CELLS = """module INV(input A, output Y); assign Y = ~A; endmodule
module BUF(input A, output Y); assign Y = A; endmodule
module NAND2(input A, B, output Y); assign Y = ~(A & B); endmodule
module NOR2(input A, B, output Y); assign Y = ~(A | B); endmodule
module XOR2(input A, B, output Y); assign Y = A ^ B; endmodule
module AOI21(input A, B, C, output Y); assign Y = ~(A & B | C); endmodule
module MUX2(input A, B, S, output Y); assign Y = S ? B : A; endmodule
module DFF(input CK, D, output reg Q); always @(posedge CK) Q <= D; endmodule
"""
_MAIN = """#include "Vdut.h"
#include "verilated_vcd_c.h"
#include <memory>
const unsigned beats[] = {%s};
const long reset = %d, warm = %d, count = sizeof beats / sizeof *beats;
int main() {
    VerilatedContext context;
    context.traceEverOn(true);
    auto dut = std::make_unique<Vdut>(&context);
    VerilatedVcdC vcd;
    dut->trace(&vcd, 99);
    dut->i___05Fvalid = dut->o___05Fready = 1;
    for (long cycle = -reset - warm; cycle < count; cycle++) {
        dut->clk = 0;
        dut->rst = cycle < -warm;
        dut->i___05Fpayload = beats[((cycle %% count) + count) %% count];
        dut->eval();
        if (cycle == -1) vcd.open("x.vcd");
        if (cycle >= -1) vcd.dump(uint64_t(cycle + 1));
        dut->clk = 1;
        dut->eval();
    }
    vcd.close();
}
"""
