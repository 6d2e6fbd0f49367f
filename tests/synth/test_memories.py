"""Large memories leave a module for standard cells as ports; small ones and tables stay."""

import pytest

from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.residual import ResidualConfig
from qse_hw.synth.cmos import transistors
from qse_hw.synth.memories import Macro, has_macros, macros_of, take_out
from qse_hw.synth.targets import target
from tests.synth.small import SMALL


def memory(words, bits, writes=1):
    connections = {
        "RD_CLK": [2], "RD_ADDR": [3, 4], "RD_DATA": [*range(10, 10 + bits)], "RD_ARST": ["0"], "WR_CLK": [2],
        "WR_EN": [5] * bits, "WR_DATA": [*range(100, 100 + bits)], "WR_ADDR": [3, 4],
    }  # fmt: skip
    sizes = {"SIZE": words, "WIDTH": bits, "RD_PORTS": 1, "WR_PORTS": writes}
    return {
        "type": "$mem_v2", "connections": connections,
        "parameters": {name: f"{size:032b}" for name, size in sizes.items()},
    }  # fmt: skip


def test_taken_out():
    cells = {"a.small": memory(31, 64), "b.table": memory(256, 16, writes=0), "c.memory": memory(64, 32)}
    module = {"cells": cells | {"flop": {"type": "$dff"}}, "ports": {}, "netnames": {}}
    outside = take_out(module)
    assert macros_of(outside) == [Macro(name="c.memory", words=64, bits=32, read_ports=1, write_ports=1)]
    assert module["cells"].keys() == {"a.small", "b.table", "flop"}
    ports = {name: (port["direction"], port["bits"]) for name, port in module["ports"].items()}
    assert ports == {
        "macro0_rd_addr": ("output", [3, 4]),
        "macro0_rd_data": ("input", [*range(10, 42)]),
        "macro0_wr_addr": ("output", [3, 4]),
        "macro0_wr_data": ("output", [*range(100, 132)]),
        "macro0_wr_en": ("output", [5]),
    }
    assert module["netnames"].keys() == ports.keys()
    assert outside["ports"].keys() == outside["netnames"].keys() == {"clk", *ports}
    opposite = {"input": "output", "output": "input"}
    nets = {name: port["bits"] for name, port in outside["ports"].items()}
    assert {name: opposite[outside["ports"][name]["direction"]] for name in ports} == {
        name: direction for name, (direction, _) in ports.items()
    }
    assert len({bit for bits in nets.values() for bit in bits}) == sum(map(len, nets.values()))  # no net has two ports
    ((name, cell),) = outside["cells"].items()
    assert (name, cell["type"], cell["parameters"]) == ("c.memory", "$mem_v2", cells["c.memory"]["parameters"])
    assert cell["connections"] == {
        "RD_CLK": nets["clk"], "RD_ADDR": nets["macro0_rd_addr"], "RD_DATA": nets["macro0_rd_data"], "RD_ARST": ["0"],
        "WR_CLK": nets["clk"], "WR_EN": nets["macro0_wr_en"] * 32, "WR_DATA": nets["macro0_wr_data"],
        "WR_ADDR": nets["macro0_wr_addr"],
    }  # fmt: skip


@pytest.mark.parametrize(("line", "found"), [
    ("  reg [31:0] memory [63:0];", True), ("  reg [31:0] \\memory$2 [62:0];", False), ("  reg flag [2047:0];", True),
    ("  reg [4095:0] wide;", False),
])  # fmt: skip
def test_in_verilog(line, found):
    assert has_macros(f"module a;\n{line}\nendmodule\n") == found


@pytest.mark.full
def test_a_unit(tmp_path):
    """Its memory is not made of flops, the rest is mapped and timed, and nobody counts its transistors."""
    unit, cells = emit(ResidualConfig(size=128, width=24)), target("cells", liberty=SMALL)
    area = cells.area(unit, tmp_path)
    assert list(area.macros.values()) == [128 * 24]
    assert 50 < area.ff < 300
    assert cells.timing(unit, tmp_path, 1).mhz > 1
    assert transistors(unit, tmp_path) is None
    small = cells.area(emit(ResidualConfig(size=16, width=24)), tmp_path)
    assert small.macros == {}
    assert small.ff > 16 * 24
