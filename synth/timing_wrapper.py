"""A wrapper for timing: every path of the unit begins and ends in a flop, and four pins suffice.

A shift register drives all inputs; all outputs are captured in flops and reduced to one pin by a tree of registered
XORs. So the tools cannot remove logic, delays of pins do not count, and the wrapper's own paths have at most one LUT4.
"""

from collections.abc import Sequence
from typing import Any

WRAPPER = "qse_harness"
_FANIN = 4  # inputs of one LUT


def timing_wrapper(top: str, ports: Sequence[dict[str, Any]]) -> str:
    """Verilog of the module :data:`WRAPPER` around the module ``top``, whose ports
    :class:`qse_hw.rtl_gen.emit.emit.Emitted` lists.

    ``clk`` is the clock; ``rst`` comes from a pin through a flop.
    """
    inputs = [port for port in ports if port["direction"] == "input" and port["name"] not in ("clk", "rst")]
    outputs = [port for port in ports if port["direction"] == "output"]
    source, sink = _width(inputs), _width(outputs)
    connections = [".clk(clk)", ".rst(rst)", *_slices(inputs, "source"), *_slices(outputs, "result")]
    levels, registers, moves = [sink], [], []
    while levels[-1] > 1:
        level, wide = len(levels), levels[-1]
        levels.append(-(-wide // _FANIN))
        registers.append(f"  reg [{levels[-1] - 1}:0] tree{level};")
        for bit in range(levels[-1]):
            high, low = min(wide, _FANIN * (bit + 1)) - 1, _FANIN * bit
            moves.append(f"    tree{level}[{bit}] <= ^tree{level - 1}[{high}:{low}];")
    lines = [
        f"module {WRAPPER}(input clk, input rst_pin, input source_pin, output sink_pin);",
        "  reg rst;",
        f"  reg [{source - 1}:0] source;",
        f"  wire [{sink - 1}:0] result;",
        f"  reg [{sink - 1}:0] tree0;",
        *registers,
        f"  {top} unit (",
        *(f"    {connection}," for connection in connections[:-1]),
        f"    {connections[-1]}",
        "  );",
        "  always @(posedge clk) begin",
        "    rst <= rst_pin;",
        "    source <= {source, source_pin};",
        "    tree0 <= result;",
        *moves,
        "  end",
        f"  assign sink_pin = tree{len(levels) - 1}[0];",
        "endmodule",
    ]
    return "\n".join(lines) + "\n"


def wrapper_flops(ports: Sequence[dict[str, Any]]) -> int:
    """Flops of the wrapper itself."""
    outputs = _width([port for port in ports if port["direction"] == "output"])
    flops = 1 + outputs + _width([port for port in ports if port["direction"] == "input"]) - 2  # not clk, rst
    while outputs > 1:
        outputs = -(-outputs // _FANIN)
        flops += outputs
    return flops


def _width(ports: Sequence[dict[str, Any]]) -> int:
    return sum(port["width"] for port in ports)


def _slices(ports: Sequence[dict[str, Any]], vector: str) -> list[str]:
    connections, low = [], 0
    for port in ports:
        connections.append(f".{port['name']}({vector}[{low + port['width'] - 1}:{low}])")
        low += port["width"]
    return connections
