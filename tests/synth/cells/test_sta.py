"""Static timing: by hand, against ABC, and what a netlist must be."""

import json
import re

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.synth.cells.liberty import read_liberty
from qse_hw.synth.cells.sta import KINDS
from tests.synth.small import OSU, SMALL, analyze_file, chain, map_to_cells, write_netlist

ADDER = "module adder(input [7:0] a, b, input [3:0] c, output [11:0] y);\n  assign y = a * c + {b, 2'd0};\nendmodule\n"


@pytest.fixture(scope="module")
def small():
    return read_liberty(SMALL)


def test_by_hand(small, tmp_path):
    """Every arc at its slew and load, the worst of the edges; the numbers come from the tables alone."""
    cells = small.cells

    def arc(cell, related, out, edge, slew, load):
        (timing_arc,) = (arc for arc in cells[cell].pins[out].arcs if arc.related == related)
        return timing_arc.tables[f"cell_{edge}"].at(slew, load), timing_arc.tables[f"{edge}_transition"].at(slew, load)

    def cap(cell, pin, edge):
        return cells[cell].pins[pin].edges[("rise", "fall").index(edge)]

    q, n, worst = {}, {}, 0.0
    for edge in ("rise", "fall"):
        q[edge] = arc("DFF", "CK", "Q", edge, 0.0, cap("NAND2", "A", edge) + cap("XOR2", "B", edge))
    for edge, before in (("rise", q["fall"]), ("fall", q["rise"])):
        delay, slew = arc("NAND2", "A", "Y", edge, before[1], cap("XOR2", "A", edge))
        _, other = arc("NAND2", "B", "Y", edge, 0.0, cap("XOR2", "A", edge))  # the input's: a slew, no arrival
        n[edge] = before[0] + delay, max(slew, other)
    for edge in ("rise", "fall"):
        ways = [(before, arc("XOR2", pin, "Y", edge, before[1], cap("DFF", "D", edge)))
                for pin, net in (("A", n), ("B", q)) for before in net.values()]  # fmt: skip
        setup = cells["DFF"].pins["D"].arcs[0].tables[f"{edge}_constraint"].at(0.0, max(slew for _, (_, slew) in ways))
        worst = max(worst, max(before[0] + delay for before, (delay, _) in ways) + setup)
    timing = analyze_file(chain(tmp_path), small)
    assert timing.path.delay == pytest.approx(worst, rel=1e-12)
    assert timing.fmax == pytest.approx(1e3 / worst)


def test_path(small, tmp_path):
    timing = analyze_file(chain(tmp_path), small)
    assert set(timing.paths) == {"register to register", "input to register", "register to output"}
    path = timing.path
    assert (path.start, path.end) == ("unit.early", "o")
    assert [(step.cell, step.pin, step.net, step.fanout) for step in path.steps] == [
        ("DFF", "CK to Q", "unit.early", 2),
        ("NAND2", "A to Y", "(o)", 1),
        ("XOR2", "A to Y", "(o)", 1),
        ("setup", "D", "o", 0),
    ]
    assert sum(step.delay for step in path.steps) == pytest.approx(path.delay)
    (begin, end) = timing.hops
    assert begin == ("unit.early", pytest.approx(path.delay), 0.0, 2)
    assert end == ("o", 0.0, 0.0, 0)
    entering = timing.paths["input to register"]
    assert (entering.start, entering.end) == ("en", "o")
    leaving = timing.paths["register to output"]
    assert [step.cell for step in leaving.steps] == ["DFF", "port"]


def abc(log):
    """The delay in ns that ABC printed last; its path may be another one, by the later edge of each net."""
    return float(re.findall(r"Delay = *([\d.]+) ps", log)[-1]) / 1e3


@pytest.mark.every(2)
@pytest.mark.parametrize(
    "liberty",
    [SMALL, pytest.param(OSU, marks=pytest.mark.skipif(not OSU.exists(), reason="qflow-tech-osu018 not installed"))],
)
def test_abc(liberty, tmp_path):
    """ABC's ``stime`` on the same logic: the same delay, to what it prints (0.1 ps; it counts in floats)."""
    netlist, log = map_to_cells(ADDER, "adder", tmp_path, liberty)
    path = analyze_file(netlist, read_liberty(liberty)).paths["input to output"]
    assert path.delay == pytest.approx(abc(log), abs=1e-4)
    assert len(path.steps) > 5


@pytest.mark.parametrize("input", ["s16", pytest.param("bf16", marks=pytest.mark.full)])
def test_abc_between_flops(input, small, tmp_path):
    """The unit itself: its flops taken out, as ABC sees it."""
    scale = Scale.from_step({"s16": 120.4, "bf16": 0.0147}[input])
    config = EncoderConfig(format=load_format("se8"), input=input_type(input), scale=scale, counter_width=0)
    netlist, log = map_to_cells(emit(config).text, config.top, tmp_path)
    timing = analyze_file(netlist, small)
    document = json.loads(netlist.read_text())
    module = document["modules"][config.top]
    for name, cell in list(module["cells"].items()):
        if cell["type"] == "DFF":
            del module["cells"][name]
            for pin, direction in (("Q", "input"), ("D", "output")):
                module["ports"][pin + name] = {"direction": direction, "bits": cell["connections"][pin]}
    (tmp_path / "logic.json").write_text(json.dumps(document))
    assert analyze_file(tmp_path / "logic.json", small).paths[KINDS[3]].delay == pytest.approx(abc(log), abs=1e-4)
    assert 0.15 < timing.path.delay - abc(log) < 0.6  # clock to output, setup
    signals = set(re.findall(r"(?:reg|wire) (?:\[\d+:0\] )?\\?(\S+)", emit(config).text))
    for name in (timing.path.start, timing.path.end, *(hop[0] for hop in timing.hops)):
        assert re.sub(r"\[\d+\]$", "", name).split(".")[-1] in {signal.rstrip(";") for signal in signals}


def test_needs_registers(small, tmp_path):
    cells = {"inv": ("INV", {"A": 2, "Y": 3})}
    timing = analyze_file(write_netlist(tmp_path / "x.json", cells, {"a": ("input", [2]), "y": ("output", [3])}), small)
    assert list(timing.paths) == ["input to output"]
    assert timing.hops == ()
    with pytest.raises(InputError, match=r"^Netlist must have a path from register to register$"):
        _ = timing.fmax


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        (("NAND2", {"A": 7, "B": 5, "Y": 6}), "Netlist must have no loop without a register, but has one near o"),
        (("NAND9", {"A": 4, "B": 5, "Y": 6}), "Netlist must be of cells of small, but nand is NAND9"),
        (("NAND2", {"A": 4, "B": 5, "Y": 5}), "Netlist must have one driver per net, but en has two"),
        (("NAND2", {"A": 4, "Z": 5, "Y": 6}), "Netlist must connect pins .*, but nand, a NAND2, has no Z"),
    ],
)
def test_refuses(cell, problem, small, tmp_path):
    with pytest.raises(InputError, match=f"^{problem}$"):
        analyze_file(chain(tmp_path, nand=cell), small)


def test_refuses_other_state(tmp_path):
    text = SMALL.read_text()
    flop = text[text.index("  cell (DFF)") : text.rindex("}")].replace("(DFF)", "(NEG)").replace('"CK";', '"!CK";', 1)
    (tmp_path / "x.lib").write_text(text[: text.rindex("}")] + flop + "}\n")
    path = chain(tmp_path, second=("NEG", {"CK": 2, "D": 7, "Q": 8}))
    with pytest.raises(InputError, match=r"keep state in flops with a rising clock only, but second is NEG$"):
        analyze_file(path, read_liberty(tmp_path / "x.lib"))


def test_refuses_files(small, tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(InputError, match=r"^Netlist .*x.json must be JSON"):
        analyze_file(tmp_path / "x.json", small)
    for text in ('{"modules": {}}', "[]", "{}"):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(InputError, match=r"^Netlist .*x.json must have one module, not 0; flatten it$"):
            analyze_file(tmp_path / "x.json", small)
