"""What a cell or a netlist lacks is named, and never counts as zero."""

import re

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.synth.cells.cell import EDGES
from qse_hw.synth.cells.complete import MOST_INPUTS, _transitions
from qse_hw.synth.cells.liberty import read_liberty
from qse_hw.synth.cells.liberty_function import function
from qse_hw.synth.cells.mapped import MappedNetlist
from tests.synth.small import SMALL, analyze_file, chain, write_netlist

TEXT = SMALL.read_text()
_TIMING = re.compile(r"      timing \(\) \{\n.*?\n      \}\n", re.DOTALL)
SETUP, DELAY = _TIMING.findall(TEXT[TEXT.index("cell (DFF)") :])
_, NAND_B = _TIMING.findall(TEXT[TEXT.index("cell (NAND2)") : TEXT.index("cell (NOR2)")])
OR_DONT_USE = "; complete the file or mark the cell with dont_use : true"


def without(text, name):
    """The attribute's or table's line left out."""
    return re.sub(rf"^ *{name} .*\n", "", text, flags=re.MULTILINE)


def library(tmp_path, cell, *changes):
    """The small library, changed within one cell."""
    begin = TEXT.index(f"  cell ({cell})")
    end = TEXT.index("\n  }\n", begin)
    body = TEXT[begin:end]
    for old, new in changes:
        assert old in body
        body = body.replace(old, new, 1)
    (tmp_path / "x.lib").write_text(TEXT[:begin] + body + TEXT[end:])
    return read_liberty(tmp_path / "x.lib")


def refused(tmp_path, liberty, problem, **cells):
    """By ``analyze``, and only if a cell of that name is in the netlist."""
    with pytest.raises(InputError, match=f"^{re.escape(problem)}$"):
        analyze_file(chain(tmp_path, **cells), liberty)


CLOCKED = "DFF", (
    ((DELAY, ""), "a delay from CK, rise, to Q, rise (timing with related_pin CK, timing_type rising_edge, "
     "cell_rise, rise_transition)"),
    ((DELAY, without(DELAY, "related_pin")), "related_pin in the rising_edge timing of pin Q"),
    ((DELAY, DELAY.replace("related_pin ", "related_bus_pins ")), "related_pin in the rising_edge timing of pin Q"),
    ((DELAY, DELAY.replace('"CK"', '"CLK"')), "a pin of its own as related_pin of pin Q, not 'CLK'"),
    ((DELAY, without(DELAY, "timing_type")),
     "timing_type rising_edge in the timing of pin Q by CK, not combinational"),
    ((DELAY, DELAY.replace("rising_edge", "falling_edge")),
     "timing_type rising_edge in the timing of pin Q by CK, not falling_edge"),
    ((DELAY, without(without(DELAY, "cell_fall"), "fall_transition")),
     "a delay from CK, rise, to Q, fall (timing with related_pin CK, timing_type rising_edge, "
     "cell_fall, fall_transition)"),
    ((DELAY, without(DELAY, "cell_rise")), "cell_rise beside rise_transition in the timing of pin Q by CK"),
    ((DELAY, without(DELAY, "fall_transition")), "fall_transition beside cell_fall in the timing of pin Q by CK"),
    ((SETUP, ""), "a setup time of pin D, rise (timing with related_pin CK, timing_type setup_rising, "
     "rise_constraint)"),
    ((SETUP, without(SETUP, "related_pin")), "related_pin in the setup_rising timing of pin D"),
    ((SETUP, without(SETUP, "timing_type")), "a setup time of pin D, rise (timing with related_pin CK, "
     "timing_type setup_rising, rise_constraint)"),
    ((SETUP, SETUP.replace("setup_rising", "setup_falling")),
     "setup_rising by CK as setup time of pin D, not setup_falling by CK"),
    ((SETUP, SETUP.replace('"CK"', '"D"')), "setup_rising by CK as setup time of pin D, not setup_rising by D"),
    ((SETUP, SETUP.replace("setup_rising", "hold_rising")), "a setup time of pin D, rise (timing with "
     "related_pin CK, timing_type setup_rising, rise_constraint)"),
    ((SETUP, without(SETUP, "fall_constraint")), "a setup time of pin D, fall (timing with related_pin CK, "
     "timing_type setup_rising, fall_constraint)"),
    (("capacitance : 0.0035;", ""), "a capacitance of pin CK (or the library a default_input_pin_cap)"),
    (("      capacitance : 0.003;\n", ""), "a capacitance of pin D (or the library a default_input_pin_cap)"),
)  # fmt: skip
COMBINATIONAL = "NAND2", (
    ((NAND_B, ""), "a delay from B, fall, to Y, rise (timing with related_pin B, cell_rise, rise_transition)"),
    ((NAND_B, without(NAND_B, "related_pin")), "related_pin in the combinational timing of pin Y"),
    ((NAND_B, NAND_B.replace("negative_unate", "positive_unate")),
     "a delay from B, fall, to Y, rise (timing with related_pin B, cell_rise, rise_transition)"),
    ((NAND_B, without(without(NAND_B, "cell_fall"), "fall_transition")),
     "a delay from B, rise, to Y, fall (timing with related_pin B, cell_fall, fall_transition)"),
    ((NAND_B, without(NAND_B, "rise_transition")), "rise_transition beside cell_rise in the timing of pin Y by B"),
    ((NAND_B, NAND_B.replace("timing_sense", "timing_type : combinational_rise; timing_sense")),
     "a delay from B, rise, to Y, fall (timing with related_pin B, cell_fall, fall_transition)"),
    ((NAND_B, NAND_B.replace("timing_sense", "timing_type : three_state_enable; timing_sense")),
     "a combinational timing of pin Y by B, not timing_type three_state_enable"),
    (('function : "!(A B)";', ""), "a function of pin Y"),
)  # fmt: skip
CASES = [(cell, change, lack) for cell, cases in (CLOCKED, COMBINATIONAL) for change, lack in cases]


@pytest.mark.parametrize(("cell", "change", "lack"), CASES)
def test_refuses_what_a_cell_lacks(cell, change, lack, tmp_path):
    refused(
        tmp_path,
        library(tmp_path, cell, change),
        f"Liberty cell {cell}, which the netlist uses, must have {lack}{OR_DONT_USE}",
    )


@pytest.mark.parametrize("change", [change for cell, change, _ in CASES if cell == "NAND2"])
def test_a_cell_that_is_not_used_may_lack_anything(change, tmp_path):
    path = chain(tmp_path, nand=("NOR2", {"A": 4, "B": 5, "Y": 6}))
    expected = analyze_file(path, read_liberty(SMALL)).path
    assert analyze_file(path, library(tmp_path, "NAND2", change)).path == expected


def test_an_output_that_nobody_reads_may_lack_anything(tmp_path):
    liberty = library(tmp_path, "DFF", ("    pin (Q) {", '    pin (QN) { direction : output; function : "IQN"; '
                    'timing () { related_pin : "CK"; timing_type : rising_edge; cell_rise (scalar) { values ("1"); } '
                    'rise_transition (scalar) { values ("1"); } } }\n    pin (Q) {'))  # fmt: skip
    for nets in ({}, {"QN": 9}):
        assert analyze_file(chain(tmp_path, second=("DFF", {"CK": 2, "D": 7, "Q": 8} | nets)), liberty).fmax > 0
    refused(
        tmp_path,
        liberty,
        "Liberty cell DFF, which the netlist uses, must have a delay from CK, rise, to QN, fall (timing with "
        f"related_pin CK, timing_type rising_edge, cell_fall, fall_transition){OR_DONT_USE}",
        first=("DFF", {"CK": 2, "D": 3, "QN": 4}),
    )


def test_edges_in_separate_groups(tmp_path):
    """The two edges in a group each, as ``combinational_rise`` and ``combinational_fall``, are the whole."""
    of = {edge: NAND_B.replace("timing_sense", f"timing_type : combinational_{edge}; timing_sense") for edge in EDGES}
    rise = without(without(of["rise"], "cell_fall"), "fall_transition")
    fall = without(without(of["fall"], "cell_rise"), "rise_transition")
    expected = analyze_file(chain(tmp_path), read_liberty(SMALL))
    assert analyze_file(chain(tmp_path), library(tmp_path, "NAND2", (NAND_B, rise + fall))) == expected
    slow_falling = re.sub(r'(cell_fall .*values \()".*?"', r'\1"9, 9, 9"', of["rise"])  # the kind makes it void
    assert slow_falling != of["rise"]
    assert analyze_file(chain(tmp_path), library(tmp_path, "NAND2", (NAND_B, slow_falling + fall))) == expected


def test_sense_left_out_is_both(tmp_path):
    timing = analyze_file(chain(tmp_path), library(tmp_path, "NAND2", (NAND_B, without(NAND_B, "timing_sense"))))
    both = NAND_B.replace("negative_unate", "non_unate")
    assert timing == analyze_file(chain(tmp_path), library(tmp_path, "NAND2", (NAND_B, both)))
    assert timing.slews[6][0] >= analyze_file(chain(tmp_path), read_liberty(SMALL)).slews[6][0]


def test_setup_counts_whichever_pin_it_is(tmp_path):
    """An enable of a flop needs a setup time as the data does."""
    enable = "    pin (E) { direction : input; capacitance : 0.003; }\n    pin (D) {"
    function_ = 'next_state : "D"', 'next_state : "(E D) + (!E IQ)"'
    second = ("DFF", {"CK": 2, "D": 3, "E": 7, "Q": 8})
    first = ("DFF", {"CK": 2, "D": 3, "E": "1", "Q": 4})
    without = library(tmp_path, "DFF", function_, ("    pin (D) {", enable))
    bare = analyze_file(chain(tmp_path, first=first, second=second), without)
    assert bare.without_setup == {("DFF", "E")}, "stated, as its data have a setup time"
    assert bare.path is not None
    assert bare.path.steps[-1].pin == "E", "and the path is there"
    held = enable.replace("0.003; }", f"0.003;\n{SETUP.replace('setup_rising', 'hold_rising')} }}")
    refused(
        tmp_path,
        library(tmp_path, "DFF", function_, ("    pin (D) {", held)),
        "Liberty cell DFF, which the netlist uses, must have a setup time of pin E, rise (timing with related_pin CK, "
        f"timing_type setup_rising, rise_constraint){OR_DONT_USE}",
        first=first,
        second=second,
    )
    enable = enable.replace("0.003; }", f"0.003;\n{SETUP} }}")
    timing = analyze_file(
        chain(tmp_path, first=first, second=second), library(tmp_path, "DFF", function_, ("    pin (D) {", enable))
    )
    assert timing.path.steps[-1].pin == "E"
    assert timing.path.delay == pytest.approx(analyze_file(chain(tmp_path), read_liberty(SMALL)).path.delay)


def test_asynchronous_pins(tmp_path):
    """Constant they do no harm; driven they would act without the clock."""
    pin = (
        '    pin (R) { direction : input; capacitance : 0.003; timing () { related_pin : "CK"; '
        'timing_type : recovery_rising; rise_constraint (scalar) { values ("1"); } } }\n    pin (D) {'
    )
    clear = DELAY + DELAY.replace('"CK"', '"R"').replace("rising_edge", "clear")
    liberty = library(tmp_path, "DFF", ("    pin (D) {", pin), (DELAY, clear))
    tied = {f"{n}": ("DFF", {"CK": 2, "D": d, "Q": q, "R": "1"}) for n, d, q in (("first", 3, 4), ("second", 7, 8))}
    assert analyze_file(chain(tmp_path, **tied), liberty) == analyze_file(chain(tmp_path), read_liberty(SMALL))
    reset = tied | {"second": ("DFF", {"CK": 2, "D": 7, "Q": 8, "R": 5})}
    with pytest.raises(InputError, match=r"must have a combinational timing of pin Q by R, not timing_type clear;"):
        analyze_file(chain(tmp_path, **reset), liberty)
    liberty = library(tmp_path, "DFF", ("    pin (D) {", pin))
    refused(
        tmp_path,
        liberty,
        "Netlist must tie pin R of every DFF to a constant, for it acts without the clock, and static timing follows "
        "clocked paths only",
        **reset,
    )


def test_an_output_that_follows_another_output(tmp_path):
    """As in some full adders, whose sum is timed from their carry."""
    by_y = NAND_B.replace('"B"', '"Y"')
    pin = f'    pin (Z) {{\n direction : output; function : "!Y";\n{by_y}    }}\n    pin (Y) {{'
    liberty = library(tmp_path, "NAND2", ("    pin (Y) {", pin))
    refused(
        tmp_path,
        liberty,
        "Netlist must connect pin Y of every NAND2, on which the delay of pin Z depends",
        nand=("NAND2", {"A": 4, "B": 5, "Z": 6}),
    )
    timing = analyze_file(chain(tmp_path, nand=("NAND2", {"A": 4, "B": 5, "Y": 9, "Z": 6})), liberty)
    assert [step.pin for step in timing.path.steps] == ["CK to Q", "A to Y", "Y to Z", "A to Y", "D"]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"nand": ("NAND2", {"A": 4, "Y": 6})},
         "Netlist must connect every input pin, but B of nand, a NAND2, is not connected"),
        ({"second": ("DFF", {"D": 7, "Q": 8})},
         "Netlist must connect every input pin, but CK of second, a DFF, is not connected"),
        ({"second": ("DFF", {"CK": "0", "D": 7, "Q": 8})},
         "Netlist must clock its flops from an input port, but CK of second, a DFF, is on constant 0"),
        ({"second": ("DFF", {"CK": 6, "D": 7, "Q": 8})},
         "Netlist must clock its flops from an input port, but CK of second, a DFF, is on o"),
        ({"second": ("DFF", {"CK": 5, "D": 7, "Q": 8}), "nand": ("NAND2", {"A": 4, "B": 3, "Y": 6})},
         "Netlist must have one clock, not 2: clk, en"),
        ({"nand": ("NAND2", {"A": 4, "B": 2, "Y": 6})},
         "Netlist must use its clock at clock pins only, but B of nand, a NAND2, reads it"),
        ({"nand": ("NAND2", {"A": 4, "B": 77, "Y": 6})},
         "Netlist must drive every net that is read, but o has no driver"),
        ({"second": ("INV", {"A": 7, "Y": 9})}, "Netlist must drive every net that is read, but o has no driver"),
    ],
)  # fmt: skip
def test_refuses_netlists(cells, problem, tmp_path):
    refused(tmp_path, read_liberty(SMALL), problem, **cells)


@pytest.mark.parametrize("clock", ["IQN", "N"])
def test_a_clock_must_be_an_input_pin(clock, tmp_path):
    inner = '    pin (N) { direction : internal; function : "CK"; }\n    pin (D) {'
    liberty = library(tmp_path, "INV", ("    pin (A) {", inner.replace("(D)", "(A)").replace("CK", "A")))
    assert analyze_file(chain(tmp_path), liberty) == analyze_file(chain(tmp_path), read_liberty(SMALL))
    text = TEXT[TEXT.index("  cell (DFF)") : TEXT.rindex("}")].replace("(DFF)", "(ODD)").replace("    pin (D) {", inner)
    text = text.replace('clocked_on : "CK"', f'clocked_on : "{clock}"')
    (tmp_path / "x.lib").write_text(f"{TEXT[: TEXT.rindex('}')]}{text}}}\n")
    refused(
        tmp_path,
        read_liberty(tmp_path / "x.lib"),
        f"Liberty cell ODD, which the netlist uses, must have an input pin as clock, not {clock}{OR_DONT_USE}",
        second=("ODD", {"CK": 2, "D": 7, "Q": 8}),
    )


def test_constants_need_nothing(tmp_path):
    """What never changes needs no delay, but what changes does."""
    liberty = library(tmp_path, "NAND2", (NAND_B, ""))
    for constant in ("0", "1", "x"):
        timing = analyze_file(chain(tmp_path, nand=("NAND2", {"A": 4, "B": constant, "Y": 6})), liberty)
        assert "input to register" in timing.paths  # port i to the first flop


def test_default_capacitance(tmp_path):
    """The library's for pins that have none; a pin with one for each edge needs no other."""
    default = TEXT.replace("  default_max_transition", "  default_input_pin_cap : 0.004;\n  default_max_transition")
    (tmp_path / "x.lib").write_text(default.replace("      capacitance : 0.0035;\n", ""))
    pins = read_liberty(tmp_path / "x.lib").cells["DFF"].pins
    assert (pins["CK"].capacitance, pins["CK"].edges) == (0.004, (0.004, 0.004))
    assert pins["D"].capacitance == 0.003
    (tmp_path / "x.lib").write_text(
        TEXT.replace("      capacitance : 0.0035;", "rise_capacitance : 0.003; fall_capacitance : 0.005;")
    )
    liberty = read_liberty(tmp_path / "x.lib")
    clock = liberty.cells["DFF"].pins["CK"]
    assert (clock.capacitance, clock.edges) == (0.004, (0.003, 0.005))
    assert MappedNetlist.read(chain(tmp_path), liberty).loads(2) == (0.006, 0.01)
    (tmp_path / "x.lib").write_text(TEXT.replace("      capacitance : 0.0035;", "rise_capacitance : 0.003;"))
    with pytest.raises(InputError, match=r"^Liberty cell DFF, .* must have a capacitance of pin CK \(or"):
        MappedNetlist.read(chain(tmp_path), read_liberty(tmp_path / "x.lib"))


def test_functions_have_limits(tmp_path):
    names = [f"A{place}" for place in range(MOST_INPUTS + 1)]
    pins = "".join(f"    pin ({name}) {{ direction : input; capacitance : 0.001; }}\n" for name in names)
    output = f'    pin (Y) {{ direction : output; function : "{" ".join(names)}"; }}\n'
    cell = f"  cell (WIDE) {{\n    area : 1;\n{pins}{output}  }}\n"
    (tmp_path / "x.lib").write_text(TEXT[: TEXT.rindex("}")] + cell + "}\n")
    nets = {name: place + 2 for place, name in enumerate(names)} | {"Y": 99}
    ports = {"i": ("input", [*nets.values()][:-1]), "o": ("output", [99])}
    path = write_netlist(tmp_path / "x.json", {"wide": ("WIDE", nets)}, ports)
    with pytest.raises(InputError, match=rf"at most {MOST_INPUTS} pins in the function of pin Y, not 17;"):
        analyze_file(path, read_liberty(tmp_path / "x.lib"))


@pytest.mark.parametrize(
    ("text", "name", "edges"),
    [
        ("A", "A", {"rr", "ff"}),
        ("!A", "A", {"rf", "fr"}),
        ("A ^ B", "B", {"rr", "ff", "rf", "fr"}),
        ("!((A B) + C)", "C", {"rf", "fr"}),
        ("(A S) + (B !S)", "S", {"rr", "ff", "rf", "fr"}),
        ("(A B) + (A !B)", "B", set()),
        ("(A B C D E F G) + H", "D", {"rr", "ff"}),
    ],
)
def test_transitions(text, name, edges):
    assert {cause[0] + edge[0] for cause, edge in _transitions(function(text), name)} == edges
