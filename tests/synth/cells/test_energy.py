"""Energy: one inverter and one flop by hand, sums, what does not matter, and what should."""

import json
import random
from statistics import fmean

import numpy as np
import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.synth.activity import Activity, Simulator
from qse_hw.synth.cells.energy import INPUTS, energy
from qse_hw.synth.cells.liberty import read_liberty
from qse_hw.synth.cells.mapped import MappedNetlist
from qse_hw.synth.cells.sta import analyze
from tests.synth.small import SMALL, analyze_file, map_to_cells, write_netlist

CONFIG = EncoderConfig(format=load_format("se8"), input=input_type("s10"), scale=Scale.from_step(2.3), counter_width=0)


@pytest.fixture(scope="module")
def small():
    return read_liberty(SMALL)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    netlist = map_to_cells(emit(CONFIG).text, CONFIG.top, tmp_path_factory.mktemp("encoder"))[0]
    return netlist, Simulator(netlist, [SMALL])


def spend(netlist, library, activity):
    mapped = MappedNetlist.read(netlist, library)
    return energy(mapped, activity, analyze(mapped))


def activity(beats=10, **toggles):
    return Activity({int(net[1:]): count for net, count in toggles.items()}, {}, beats, 1, 1)


def test_inverter_by_hand(small, tmp_path):
    """Two inverters, 1.2 V: a pin of 3 fF costs 2.16 fJ a toggle; the cells what their tables say at slew 0."""
    cells = {"one": ("INV", {"A": 2, "Y": 3}), "two": ("INV", {"A": 3, "Y": 4})}
    netlist = write_netlist(tmp_path / "x.json", cells, {"a": ("input", [2]), "y": ("output", [4])})
    spent = spend(netlist, small, activity(n2=4, n3=4, n4=6))
    assert spent.switching == pytest.approx((4 + 4) * 0.5 * 0.003 * 1.2**2 / 10)
    # rise_power at load 0.003, slew 0: along the slew 0.01 to 0.05, 0.003 between 0.001 and 0.01
    at_10ps = 0.00301 + (0.003101 - 0.00301) * 2 / 9
    at_50ps = 0.003811 + (0.003905 - 0.003811) * 2 / 9
    rise = at_10ps - (at_50ps - at_10ps) / 4
    at_10ps, at_50ps = 0.001806 + (0.001861 - 0.001806) * 2 / 9, 0.002286 + (0.002343 - 0.002286) * 2 / 9
    fall = at_10ps - (at_50ps - at_10ps) / 4
    slew = fmean(analyze_file(netlist, small).slews[3])
    power = small.cells["INV"].pins["Y"].powers[0]
    last = (power.rise.at(slew, 0.0) + power.fall.at(slew, 0.0)) / 2
    assert spent.internal == pytest.approx((4 * (rise + fall) / 2 + 6 * last) / 10)
    assert spent.clock == 0
    assert spent.total == spent.switching + spent.internal
    assert spent.leakage == pytest.approx(2 * 0.02e-9)
    assert (spent.values, spent.voltage) == (10, 1.2)
    assert spent.by_cell == {
        INPUTS: pytest.approx(4 * 0.5 * 0.003 * 1.2**2 / 10),
        "INV": pytest.approx(spent.total - 4 * 0.5 * 0.003 * 1.2**2 / 10),
    }


def test_flop_by_hand(small, tmp_path):
    """A clock of ten cycles, nothing else: twenty times half of the pin's capacitance, and the pin's own energy."""
    cells = {"flop": ("DFF", {"CK": 2, "D": 3, "Q": 4})}
    ports = {"clk": ("input", [2]), "d": ("input", [3]), "q": ("output", [4])}
    netlist = write_netlist(tmp_path / "x.json", cells, ports)
    spent = spend(netlist, small, activity(n2=20, n3=0, n4=0))
    rise, fall = (0.0062 - 0.001 / 4 * 0.8, (0.0062 - 0.001 / 4 * 0.8) * 0.6)
    assert spent.clock == pytest.approx(2 * 0.0035 * 1.2**2 / 2 + rise + fall, rel=1e-3)  # the file has four digits
    assert spent.switching == spent.internal == 0
    moving = spend(netlist, small, activity(n2=20, n3=10, n4=10))
    assert moving.clock == spent.clock
    assert moving.switching == pytest.approx(0.5 * 0.003 * 1.2**2)
    pins = small.cells["DFF"].pins
    data, out = pins["D"].powers[0], pins["Q"].powers[0]
    each = sum(power.rise.at(0.0, 0.0) + power.fall.at(0.0, 0.0) for power in (data, out)) / 2
    assert moving.internal == pytest.approx(each)


def test_causes(small, tmp_path):
    """Of a gate's inputs the one that toggles causes what the output does."""
    cells = {"nor": ("NOR2", {"A": 2, "B": 3, "Y": 4})}
    ports = {"a": ("input", [2]), "b": ("input", [3]), "y": ("output", [4])}
    netlist = write_netlist(tmp_path / "x.json", cells, ports)
    powers = {power.related: power for power in small.cells["NOR2"].pins["Y"].powers}
    each = {name: (power.rise.at(0.0, 0.0) + power.fall.at(0.0, 0.0)) / 2 for name, power in powers.items()}
    assert each["A"] != pytest.approx(each["B"], rel=0.05)
    for a, b in ((6, 0), (0, 6), (6, 2)):
        spent = spend(netlist, small, activity(n2=a, n3=b, n4=6))
        assert spent.internal == pytest.approx(6 * (a * each["A"] + b * each["B"]) / (a + b) / 10)


def test_conditions_and_supplies(tmp_path):
    """States count alike, supplies add up; energy may be given once for both edges."""
    text = SMALL.read_text()
    cell = text[text.index("  cell (INV)") : text.index("  cell (BUF)")]
    head = cell[: cell.index("      internal_power")]
    group = (
        'internal_power () { related_pin : "A"; related_pg_pin : %s; when : "%s"; power (scalar) { values ("%s"); } }\n'
    )
    powers = "".join(group % row for row in (("VDD", "A", 1), ("VDD", "!A", 3), ("VSS", "A", 10), ("VSS", "!A", 30)))
    (tmp_path / "x.lib").write_text(text.replace(cell, head + powers + "    }\n  }\n"))
    netlist = write_netlist(
        tmp_path / "x.json", {"one": ("INV", {"A": 2, "Y": 3})}, {"a": ("input", [2]), "y": ("output", [3])}
    )
    spent = spend(netlist, read_liberty(tmp_path / "x.lib"), activity(n2=5, n3=5))
    assert spent.internal == pytest.approx(5 * (2 + 20) / 10)


def library_with(tmp_path, *edits):
    text = SMALL.read_text()
    for good, bad in edits:
        assert good in text
        text = text.replace(good, bad)
    (tmp_path / "x.lib").write_text(text)
    return read_liberty(tmp_path / "x.lib")


def pair(tmp_path):
    """An inverter and a buffer."""
    cells = {"one": ("INV", {"A": 2, "Y": 3}), "two": ("BUF", {"A": 3, "Y": 4})}
    return write_netlist(tmp_path / "pair.json", cells, {"a": ("input", [2]), "y": ("output", [4])})


def test_one_edge(tmp_path):
    """A cause that the file knows for one edge only, such as a reset, makes that edge; groups may share the edges."""
    text = SMALL.read_text()
    cell = text[text.index("  cell (INV)") : text.index("  cell (BUF)")]
    head = cell[: cell.index("      internal_power")]
    netlist = write_netlist(
        tmp_path / "x.json", {"one": ("INV", {"A": 2, "Y": 3})}, {"a": ("input", [2]), "y": ("output", [3])}
    )
    group = 'internal_power () { related_pin : "A"; %s_power (scalar) { values ("%s"); } }\n'
    for given, each in (([("fall", 8)], 8), ([("fall", 8), ("rise", 2)], 5)):
        powers = "".join(group % one for one in given)
        spent = spend(netlist, library_with(tmp_path, (cell, head + powers + "    }\n  }\n")), activity(n2=5, n3=5))
        assert spent.internal == pytest.approx(5 * each / 10)


def test_leakage_that_the_library_lacks(small, tmp_path):
    """No sum without it; the energy is as it was."""
    spent = spend(pair(tmp_path), library_with(tmp_path, ("cell_leakage_power : 0.02;", "")), activity(n2=5, n3=5))
    assert spent.leakage is None
    why = "line 47: cell INV has no leakage, and the library no default for it"
    assert spent.missing == {"leakage": f"Library small has no leakage for INV ({why})"}
    whole = spend(pair(tmp_path), small, activity(n2=5, n3=5))
    assert spent.total == whole.total
    assert whole.missing == {}
    others = library_with(tmp_path, ("    cell_leakage_power : 0.06;\n", ""))
    assert {name for name, cell in others.cells.items() if cell.leakage is None} == {"XOR2"}
    assert spend(pair(tmp_path), others, activity(n2=5, n3=5)) == whole  # nobody uses it


def test_internal_energy_that_the_library_lacks(small, tmp_path):
    text = SMALL.read_text()
    cell = text[text.index("  cell (BUF)") : text.index("  cell (NAND2)")]
    silent = library_with(tmp_path, (cell, cell[: cell.index("      internal_power")] + "    }\n  }\n"))
    spent = spend(pair(tmp_path), silent, activity(n2=5, n3=5))
    assert (spent.internal, spent.clock, spent.total, spent.by_cell) == (None, None, None, None)
    assert spent.missing == {"energy": "Library small has no internal_power for BUF"}
    whole = spend(pair(tmp_path), small, activity(n2=5, n3=5))
    assert (spent.switching, spent.leakage) == (whole.switching, whole.leakage)


@pytest.mark.parametrize("lacks", ["capacitive_load_unit", "nom_voltage"])
def test_what_no_energy_can_do_without(lacks, small, tmp_path):
    line = next(line for line in SMALL.read_text().splitlines() if lacks in line)
    spent = spend(pair(tmp_path), library_with(tmp_path, (line, "")), activity(n2=5, n3=5))
    assert (spent.switching, spent.internal, spent.clock, spent.total, spent.by_cell) == (None, None, None, None, None)
    assert spent.missing == {"energy": f"Library small has no {lacks}"}
    assert spent.leakage == spend(pair(tmp_path), small, activity(n2=5, n3=5)).leakage


def test_unit(encoder, small, rng, tmp_path):
    """Parts add up; the order of cells does not matter; an idle unit pays for its clock alone."""
    netlist, simulator = encoder
    patterns = rng.integers(0, 1 << 10, (5000, 1), dtype=np.uint32)
    counted = simulator(patterns)
    spent = spend(netlist, small, counted)
    assert min(spent.switching, spent.internal, spent.clock) > 0.05 * spent.total
    assert sum(spent.by_cell.values()) == pytest.approx(spent.total, rel=1e-12)
    assert spent.values == counted.values

    document = json.loads(netlist.read_text())
    cells = list(document["modules"][CONFIG.top]["cells"].items())
    random.Random(1).shuffle(cells)
    document["modules"][CONFIG.top]["cells"] = dict(cells)
    (tmp_path / "shuffled.json").write_text(json.dumps(document))
    assert spend(tmp_path / "shuffled.json", small, counted) == spent
    idle = spend(netlist, small, simulator(np.full((5000, 1), 3, np.uint32)))
    assert idle.total == idle.clock == pytest.approx(spent.clock, rel=1e-12)
    assert idle.leakage == spent.leakage


def test_data_matters(encoder, small, rng):
    """Small values, one after the other, cost less than shuffled ones, these less than random patterns."""
    netlist, simulator = encoder
    values = np.cumsum(rng.integers(-3, 4, 20_000)) // 4
    walk = (np.abs(values) % 100 & 1023).astype(np.uint32)[:, None]
    costs = [
        spend(netlist, small, simulator(data)).total
        for data in (walk, rng.permutation(walk), rng.integers(0, 1024, walk.shape, dtype=np.uint32))
    ]
    assert costs[0] < 0.95 * costs[1] < 0.95 * costs[2]
    glitches = spend(netlist, small, simulator(walk, glitches=True)).total
    assert costs[0] < glitches < 3 * costs[0]
