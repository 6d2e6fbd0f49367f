"""What a function unit computes, for all inputs: one of the outputs within its error bound.

Nothing here knows segments or coefficients. For every input the least and the largest output within the bound are
computed from the function itself, by mpmath to 100 digits, and written as steps: where along the inputs each of the two
limits changes, and to what.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.rtl_gen.units.function import FunctionConfig
from qse_hw.synth.formal.pipeline import at_output, lanes, window
from qse_hw.synth.formal.task import Task
from qse_hw.synth.formal.verilog import constant, ports

MAX_BITS = 12
"""Of inputs for which the limits are written out."""


def function(name: str, x: Any) -> Any:
    """The function, of an mpmath number."""
    from mpmath import mp

    if name == "softplus":
        return mp.log(1 + mp.exp(x))
    if name == "silu":
        return x * mp.exp(x) / (1 + mp.exp(x))
    if name == "exp2":
        return mp.exp(x * mp.log(2))
    return mp.exp(-mp.log(x) / 2)


@lru_cache(maxsize=8)
def limits(config: FunctionConfig) -> list[tuple[int, int, int]]:
    """Of every input in order: the input, the least and the largest output within the bound, all in steps."""
    from mpmath import mp

    if config.input.width > MAX_BITS:
        raise InputError(
            f"Input of a function unit to be proved must have at most {MAX_BITS} bits, not {config.input.name}"
        )
    half = 1 << (config.input.width - 1)
    ends = config.arithmetic.low, config.arithmetic.high
    intervals = []
    with mp.workdps(100):
        step_in, step_out = mp.mpf(2) ** config.input.exponent, mp.mpf(2) ** config.output.exponent
        bound = _mpf(config.error) / step_out
        for x in range(-half, half):
            value = function(config.function, min(max(x, ends[0]), ends[1]) * step_in) / step_out
            intervals.append((x, int(mp.ceil(value - bound)), int(mp.floor(value + bound))))
    return intervals


def value(config: FunctionConfig, unit: Emitted) -> Task:
    """That every output is within the bound, and that the flag tells of inputs outside the domain."""
    width, out = config.input.width, ports(unit)["o__payload"] // config.lanes
    lines = [
        f"  wire [{config.lanes - 1}:0] outside;",
        "  reg left, cleared, was, any;",
        f"  always @(posedge clk) if (tick == {unit.latency}) begin",
        "    left <= o__valid && o__ready; cleared <= clear; was <= saturated; any <= |outside;",
        "  end",
    ]
    claims = []
    both = zip(lanes(unit, "x_i__payload", width), lanes(unit, "o__payload", out), strict=True)
    for n, (x, given) in enumerate(both):
        lines += [
            f"  wire signed [{out + 1}:0] least{n}, most{n};",
            f"  limits limits{n}(.x({x}), .least(least{n}), .most(most{n}));",
            f"  wire signed [{out - 1}:0] y{n} = {given};",
            f"  assign outside[{n}] = $signed({x}) < {constant(config.arithmetic.low, width + 1)}"
            f" || $signed({x}) > {constant(config.arithmetic.high, width + 1)};",
        ]
        claims.append(f"    value_{n}: assert (least{n} <= y{n} && y{n} <= most{n});")
    flag = "    saturated_flag: assert (saturated == (left && any || was && !cleared));"
    return window(
        unit,
        name="value",
        claim=f"Every input becomes an output that is at most {float(config.error):g} away from {config.function}, by "
        "its definition, of the input or of the end of the domain next to it; the sticky flag tells of the latter.",
        watched=["i__payload"],
        watching=[*lines, at_output(unit, claims), at_output(unit, [flag], beyond=1)],
        modules=_limits(config, out),
        beyond=1,
    )


def _limits(config: FunctionConfig, out: int) -> str:
    width, rows = config.input.width, limits(config)
    parts = [
        f"module limits(input signed [{width - 1}:0] x, output reg signed [{out + 1}:0] least,"
        f" output reg signed [{out + 1}:0] most);",
        "  always @* begin",
    ]
    for name, column in (("least", 1), ("most", 2)):
        changes = [after for before, after in pairwise(rows) if before[column] != after[column]]
        steps = [(row[0], row[column]) for row in (rows[0], *changes)]
        parts += _tree(name, steps, width, out + 2, "    ")
    return "\n".join([*parts, "  end", "endmodule", ""])


def _tree(name: str, steps: Sequence[tuple[int, int]], width: int, bits: int, indent: str) -> list[str]:
    """Comparisons, halving the steps each time."""
    if len(steps) == 1:
        return [f"{indent}{name} = {constant(steps[0][1], bits)};"]
    middle = len(steps) // 2
    return [
        f"{indent}if (x < {constant(steps[middle][0], width + 1)}) begin",
        *_tree(name, steps[:middle], width, bits, indent + "  "),
        f"{indent}end else begin",
        *_tree(name, steps[middle:], width, bits, indent + "  "),
        f"{indent}end",
    ]


def _mpf(value: Fraction) -> Any:
    from mpmath import mp

    return mp.mpf(value.numerator) / value.denominator
