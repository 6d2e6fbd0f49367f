"""Tidying of Verilog text: equal modules are merged, names made plain, and all else is unchanged."""

import re

import pytest
from amaranth.back import verilog
from amaranth.hdl import Elaboratable, Module, Signal

from qse_hw.rtl_gen.emit.tidy import tidy

HEAD = "/* Generated */\n\n"


def module(name, body="  assign y = a;\n"):
    return f"module {name} (a, y);\n{body}endmodule\n\n"


def test_equal_modules_become_one_without_a_number():
    text = HEAD + module("top", "  \\top.lane0  lane0 (\n    .a(a)\n  );\n  \\top.lane1  lane1 (\n    .a(a)\n  );\n")
    text += module("\\top.lane0") + module("\\top.lane1")
    got = tidy(text)
    assert re.findall(r"^module (\S+)", got, re.MULTILINE) == ["top", "top_lane"]
    assert re.findall(r"^  (\S+) +(lane\d)", got, re.MULTILINE) == [("top_lane", "lane0"), ("top_lane", "lane1")]
    assert "\\top" not in got


def test_different_modules_keep_their_numbers():
    text = HEAD + module("top", "  \\top.lane0  lane0 (a);\n  \\top.lane1  lane1 (a);\n")
    text += module("\\top.lane0") + module("\\top.lane1", "  assign y = ~a;\n")
    got = tidy(text)
    assert re.findall(r"^module (\S+)", got, re.MULTILINE) == ["top", "top_lane0", "top_lane1"]
    assert re.findall(r"^  (\S+) +(lane\d)", got, re.MULTILINE) == [("top_lane0", "lane0"), ("top_lane1", "lane1")]


def test_two_kinds_of_lane_are_two_modules():
    bodies = ["  assign y = a;\n", "  assign y = ~a;\n", "  assign y = a;\n", "  assign y = ~a;\n"]
    text = module("top", "".join(f"  \\top.lane{n}  lane{n} (a);\n" for n in range(4)))
    text += "".join(module(f"\\top.lane{n}", body) for n, body in enumerate(bodies))
    got = tidy(text)
    assert re.findall(r"^module (\S+)", got, re.MULTILINE) == ["top", "top_lane0", "top_lane1"]
    assert re.findall(r"^  (\S+) +lane\d", got, re.MULTILINE) == ["top_lane0", "top_lane1", "top_lane0", "top_lane1"]


def test_ten_lanes_and_more():
    """lane1 is not mistaken for a part of lane10."""
    text = module("top", "".join(f"  \\top.lane{n}  lane{n} (a);\n" for n in range(12)))
    text += "".join(module(f"\\top.lane{n}", f"  assign y = a + {n // 11};\n") for n in range(12))
    got = tidy(text)
    assert re.findall(r"^  (\S+) +lane\d", got, re.MULTILINE) == ["top_lane0"] * 11 + ["top_lane11"]


def test_the_back_ends_numbered_register_is_removed():
    """Its number, counted across the whole design, does not keep equal modules apart."""
    name = "\\$auto$verilog_backend.cc:{0}:dump_module${1} "
    body = f"  reg {name} = 0;\n  always @* begin\n    if ({name}) begin end\n    y = a;\n  end\n"
    text = module("top", "  \\top.a0  a0 (a);\n  \\top.a1  a1 (a);\n")
    text += module("\\top.a0", body.format(2355, 1)) + module("\\top.a1", body.format(2355, 2))
    got = tidy(text)
    assert re.findall(r"^module (\S+)", got, re.MULTILINE) == ["top", "top_a"]
    assert "$auto" not in got
    assert "  always @* begin\n    y = a;\n  end\n" in got


def test_the_top_keeps_its_name():
    assert tidy(module("lane7")) == module("lane7")


def test_text_without_modules_is_left_alone():
    assert tidy("// nothing\n") == "// nothing\n"


class Gate(Elaboratable):
    def __init__(self, invert):
        self.a = Signal()
        self.y = Signal()
        self._invert = invert

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.y.eq(~self.a if self._invert else self.a)
        return m


def test_on_what_amaranth_writes():
    m = Module()
    gates = [Gate(invert=n == 2) for n in range(3)]
    inputs = Signal(3)
    outputs = Signal(3)
    for n, gate in enumerate(gates):
        m.submodules[f"gate{n}"] = gate
        m.d.comb += [gate.a.eq(inputs[n]), outputs[n].eq(gate.y)]
    raw = str(verilog.convert(m, name="chip", ports=[inputs, outputs], emit_src=False, strip_internal_attrs=True))
    assert len(re.findall(r"^module ", raw, re.MULTILINE)) == 4
    got = tidy(raw)
    assert re.findall(r"^module (\S+?) ?\(", got, re.MULTILINE) == ["chip", "chip_gate0", "chip_gate2"]
    assert re.findall(r"^  (\S+) +gate\d \(", got, re.MULTILINE) == ["chip_gate0", "chip_gate0", "chip_gate2"]


def test_modules_within_merged_modules_are_merged_too():
    """Lanes are equal although their names and design-wide port numbers differ."""
    lane = "  \\top.lane{0}.part  part (\n    .\\port$7${0} (a),\n    .y(y)\n  );\n"
    text = module("top", "".join(f"  \\top.lane{n}  lane{n} (\n    .a(a)\n  );\n" for n in range(3)))
    text += "".join(module(f"\\top.lane{n}", lane.format(n)) for n in range(3))
    part = "  input \\port$7${0} ;\n  assign y = \\port$7${0} ;\n"
    text += "".join(module(f"\\top.lane{n}.part", part.format(n)) for n in range(3))
    got = tidy(text)
    assert re.findall(r"^module (\S+)", got, re.MULTILINE) == ["top", "top_lane", "top_lane_part"]
    assert re.findall(r"^  (\S+) +(\w+) \($", got, re.MULTILINE) == [
        ("top_lane", "lane0"), ("top_lane", "lane1"), ("top_lane", "lane2"), ("top_lane_part", "part"),
    ]  # fmt: skip
    assert "    .port_0 (a),\n" in got
    assert "port$" not in got


def test_pins_of_an_instance_whose_name_needs_an_escape():
    text = module("top", "  \\top.part$7  \\part$7  (\n    .\\port$7$1 (a)\n  );\n")
    text += module("\\top.part$7", "  input \\port$7$1 ;\n")
    got = tidy(text)
    assert re.findall(r"^module (\S+)", got, re.MULTILINE) == ["top", "top_part"]
    assert "    .port_0 (a)\n" in got


@pytest.mark.parametrize("first", [1, 8, 9, 98, 99])
def test_numbered_ports_are_in_the_order_of_their_numbers(first):
    """The back end sorts them as text; modules whose port numbers have different digit counts are still equal."""
    ports = [f"\\port$7${number} " for number in range(first, first + 3)]

    def lane(name, ports):
        declared = "".join(f"  input [3:0] {port};\n  wire [3:0] {port};\n" for port in sorted(ports))
        return f"module {name} ({', '.join(ports)});\n{declared}endmodule\n\n"

    small = ["\\port$7$1 ", "\\port$7$2 ", "\\port$7$3 "]
    pins = [",\n".join(f"    .{port}(a)" for port in sorted(names)) for names in (small, ports)]
    text = module("top", "".join(f"  \\top.lane{n}  lane{n} (\n{pin}\n  );\n" for n, pin in enumerate(pins)))
    got = tidy(text + lane("\\top.lane0", small) + lane("\\top.lane1", ports))
    assert re.findall(r"^module (\S+)", got, re.MULTILINE) == ["top", "top_lane"]
    assert got.count("    .port_0 (a),\n    .port_1 (a),\n    .port_2 (a)\n  );") == 2
