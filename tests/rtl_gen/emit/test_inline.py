"""Invented wires go where Verilog means the same without them, and stay elsewhere."""

import pytest

from qse_hw.rtl_gen.emit.inline import inlined
from qse_hw.rtl_gen.emit.module import Module
from qse_hw.rtl_gen.emit.signals import NAME, PRIVATE

DECLARED = {"a": 4, "b": 4, "c": 1, "d": 1, "y": 4, "w": 5, "z": 1}


def body(*lines, wires=(), reg=False):
    """The items of a module with the outputs y, w and z after inlining; ``wires``: widths of $1, $2, ..."""
    head = ["module m (a, b, c, d, clk, y, w, z);"]
    for name, width in {**DECLARED, "clk": 1}.items():
        bits = f"[{width - 1}:0] " if width > 1 else ""
        out = name in "ywz"
        head.append(f"  {'output' if out else 'input'} {bits}{name};")
        head.append(f"  {'reg' if out and reg else 'wire'} {bits}{name};")
    head += [f"  wire {f'[{width - 1}:0] ' if width > 1 else ''}\\${n} ;" for n, width in enumerate(wires, 1)]
    module = Module("\n".join([*head, *lines, "endmodule", ""]))
    inlined(module)
    lines = module.text().partition(");\n")[2].split("\n")[:-2]
    declared = {line.split()[-2] for line in lines if line.startswith("  wire ")}
    left = [line.strip() for line in lines if line and not line.startswith("  wire ")]
    assert {name for name in NAME.findall("\n".join(left)) if PRIVATE.fullmatch(name)} == declared
    return left


@pytest.mark.parametrize(
    ("lines", "wires", "left"),
    [
        # a named wire takes the name's place
        (["  assign \\$1  = a + b;", "  assign y = \\$1 ;"], [4], ["assign y = a + b;"]),
        (["  assign \\$1  = a + b;", "  assign y = \\$1 ;", "  assign w = { \\$1 , c };"], [4],
         ["assign y = a + b;", "assign w = { y, c };"]),
        # bits side by side
        (["  assign \\$1  = { c, a };", "  assign w = \\$1  ^ { b, d };"], [5], ["assign w = { c, a } ^ { b, d };"]),
        (["  assign \\$1  = { c, a };", "  assign y = \\$1 [4:1] & b;"], [5], ["assign y = { c, a[3:1] } & b;"]),
        (["  assign \\$1  = { 1'h0, a };", "  assign \\$2  = { 1'h0, \\$1  };", "  assign y = b >> \\$2 ;"], [5, 6],
         ["assign y = b >> { 2'h0, a };"]),
        (["  assign \\$1  = $signed(a) >>> 1'h1;", "  assign y = $signed(\\$1 ) + $signed(b);"], [4],
         ["assign \\$1 = $signed(a) >>> 1'h1;", "assign y = $signed(\\$1 ) + $signed(b);"]),
        # conditions
        (["  assign \\$1  = a == b;", "  assign \\$2  = ~ \\$1 ;", "  assign z = \\$2  & c;"], [1, 1],
         ["assign z = (~ (a == b)) & c;"]),
        (["  assign \\$1  = | a;", "  assign y = \\$1  ? a : b;"], [1], ["assign y = (| a) ? a : b;"]),
        (["  assign \\$1  = ! a;", "  assign z = \\$1  | d;"], [1], ["assign z = (! a) | d;"]),
        # the low bits of a sum
        (["  assign \\$1  = a + 1'h1;", "  assign y = \\$1 [3:0];"], [5], ["assign y = a + 1'h1;"]),
        # choices
        (["  assign \\$1  = c ? a : 4'h0;", "  assign y = d ? b : \\$1 ;"], [4],
         ["assign y = d ? b : c ? a : 4'h0;"]),
        # nothing reads it
        (["  assign \\$1  = a + b;", "  assign z = c;"], [5], ["assign z = c;"]),
    ],
)  # fmt: skip
def test_wires_that_go(lines, wires, left):
    assert body(*lines, wires=wires) == left


@pytest.mark.parametrize(
    ("lines", "wires"),
    [
        # the carry: an inner sum is a bit wider than the outer one
        (["assign \\$1 = a + b;", "assign y = \\$1 >> 1'h1;"], [4]),
        (["assign \\$1 = a + b;", "assign w = \\$1 + c;"], [4]),
        # the high bits of a sum, the low bits of a shift
        (["assign \\$1 = a + b;", "assign y = \\$1 [4:1];"], [5]),
        (["assign \\$1 = { a, c } >> d;", "assign y = \\$1 [3:0];"], [5]),
        # inverted bits of a wider context
        (["assign \\$1 = ~ c;", "assign y = a & \\$1 ;"], [1]),
        (["assign \\$1 = ~ c;", "assign y = a + \\$1 ;"], [1]),
        # read twice
        (["assign \\$1 = a == b;", "assign z = \\$1 & c;", "assign w = { \\$1 , a };"], [1]),
        # one bit of a sum of several
        (["assign \\$1 = a & b;", "assign z = \\$1 & c;"], [1]),
        # a choice of another width
        (["assign \\$1 = c ? a : 4'h0;", "assign w = d ? { c, b } : \\$1 ;"], [4]),
    ],
)
def test_wires_that_stay(lines, wires):
    assert body(*(f"  {line}" for line in lines), wires=wires) == lines


def test_in_a_register():
    lines = [
        "  assign \\$1  = a == b;", "  assign \\$2  = c & \\$1 ;", "  assign \\$3  = y + 1'h1;",
        "  always @(posedge clk)", "    y <= \\$4 ;",
        "  always @* begin", "    \\$4  = y;", "    if (\\$2 ) begin", "      \\$4  = \\$3 [3:0];", "    end", "  end",
    ]  # fmt: skip
    assert body(*lines, wires=[1, 1, 5, 4], reg=True) == [
        "always @(posedge clk)",
        "if (c & (a == b)) begin",
        "y <= y + 1'h1;",
        "end",
    ]


def test_long_conditions_keep_wires():
    chain = [f"  assign \\${n + 1}  = \\${n}  & c;" for n in range(1, 30)]
    got = body("  assign \\$1  = a == b;", *chain, "  assign z = \\$30  | d;", wires=[1] * 30)
    assert 1 < len(got) < 10
    assert all(len(line) < 120 for line in got)
