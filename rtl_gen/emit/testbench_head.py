"""How every generated testbench begins: how it is run, clock and reset, the unit."""

from collections.abc import Mapping, Sequence
from typing import Any

_TEXT = """\
{about}
//
//   $ iverilog -g2005 -s {name} -o {name}.vvp {name}.v {sources} && vvp -n {name}.vvp
//   $ verilator --binary --timing -Wno-fatal --top-module {name} {name}.v {sources} && obj_dir/V{name}
//
// It says "PASS n beats", and the exit status is 0; or "FAIL" and the reason, and $fatal ends the simulation, so that
// the exit status is not 0. Run it where the files are that $readmemh names below. All but $fatal is Verilog-2005.
`timescale 1ns/1ps
module {name};
  reg clk = 1'b0;
  always #5 clk = ~clk;
  reg rst = 1'b1;
{declarations}
  {top} dut (
    {pins}
  );
"""


def testbench_name(top: str) -> str:
    """The module of the testbench of the unit ``top``; its files' names begin with it."""
    return f"tb_{top}"


def head(
    about: str, top: str, ports: Sequence[Mapping[str, Any]], *, sources: Sequence[str], values: Mapping[str, int]
) -> str:
    """Verilog up to the unit's instance, with a signal called like each of its ports.

    Args:
        about: what the testbench does, as lines of comments.
        top: the unit's module.
        ports: the unit's, as :class:`qse_hw.rtl_gen.emit.emit.Emitted` lists them.
        sources: names of the unit's Verilog files, for the commands.
        values: of inputs, by name, at the beginning; the others are 0.
    """
    declared = (port for port in ports if port["name"] not in ("clk", "rst"))
    return _TEXT.format(
        about=about,
        top=top,
        name=testbench_name(top),
        sources=" ".join(sources),
        declarations="\n".join(_declaration(port, values) for port in declared),
        pins=",\n    ".join(f".{port['name']}({port['name']})" for port in ports),
    )


def _declaration(port: Mapping[str, Any], values: Mapping[str, int]) -> str:
    width = port["width"]
    vector = f" [{width - 1}:0]" if width > 1 else ""
    if port["direction"] == "output":
        return f"  wire{vector} {port['name']};"
    value = values.get(port["name"], 0) % (1 << width)
    return f"  reg{vector} {port['name']} = {width}'h{value:x};"
