"""The function of a decoder, for all codes: each becomes the number that the format defines."""

from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.synth.formal import spec
from qse_hw.synth.formal.pipeline import at_output, lanes, window
from qse_hw.synth.formal.task import Task
from qse_hw.synth.formal.verilog import cases, constant, ports


def value(config: DecoderConfig, unit: Emitted) -> Task:
    """Every code becomes its number, a code without a number becomes 0 and sets the flag."""
    widths = ports(unit)
    width = widths["o__payload"] // config.lanes
    lines = [
        f"  wire [{config.lanes - 1}:0] known;",
        "  reg left, cleared, was, any;",
        f"  always @(posedge clk) if (tick == {unit.latency}) begin",
        "    left <= o__valid && o__ready; cleared <= clear; was <= invalid; any <= !(&known);",
        "  end",
    ]
    claims = []
    both = zip(lanes(unit, "x_i__payload", config.format.bits), lanes(unit, "o__payload", width), strict=True)
    for n, (code, given) in enumerate(both):
        lines += [
            f"  wire signed [{width - 1}:0] value{n};",
            f"  level level{n}(.code({code}), .value(value{n}), .known(known[{n}]));",
        ]
        claims.append(f"    value_{n}: assert ($signed({given}) == value{n});")
    flag = "    invalid_flag: assert (invalid == (left && any || was && !cleared));"
    return window(
        unit,
        name="value",
        claim="Every code, redundant ones too, becomes its level's number in fine steps; a code that has none becomes "
        "0, and the sticky flag tells that it has left.",
        watched=["i__payload"],
        watching=[*lines, at_output(unit, claims), at_output(unit, [flag], beyond=1)],
        modules=_level(config, width),
        beyond=1,
    )


def _level(config: DecoderConfig, width: int) -> str:
    bits = config.format.bits
    rows = [
        (f"{bits}'d{code}", {"value": constant(number, width), "known": "1"})
        for code, number in spec.decoded(config.format).items()
    ]
    ends = f"input [{bits - 1}:0] code, output reg signed [{width - 1}:0] value, output reg known"
    table = cases("code", rows, {"value": "0", "known": "0"})
    return f"module level({ends});\n  always @* begin\n{table}\n  end\nendmodule\n"
