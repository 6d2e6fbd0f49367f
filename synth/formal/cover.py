"""Covers that show that properties are not vacuous: every segment, saturation, NaN and a full stall can be reached."""

from collections.abc import Mapping
from dataclasses import replace

from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.decoder import DecoderConfig, value_width
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.synth.formal import spec
from qse_hw.synth.formal.encoder import saturating
from qse_hw.synth.formal.pipeline import DUT, FRAME, TOP, input_ports
from qse_hw.synth.formal.task import Fault, Task
from qse_hw.synth.formal.verilog import declared, emitted, instance, ports, tapped

_STALL = 3
"""Cycles for which a full unit is stalled."""


def tasks(config: UnitConfig) -> list[Task]:
    """The covers of an encoder or a decoder."""
    if not isinstance(config, EncoderConfig | DecoderConfig):
        return []
    return [_cover(emitted(config), _places(config))]


def faults(config: UnitConfig) -> list[Fault]:
    """Faulty units that do not reach the covers."""
    if not isinstance(config, EncoderConfig | DecoderConfig):
        return []
    unit, places = emitted(config), _places(config)
    width = ports(unit)["o__payload"]
    wrong = [("the input is never ready", {"i__ready": "1'b0"}, "full_stall")]
    for level in (spec.levels(config.format)[0], spec.levels(config.format)[-1]):
        others = " ".join(label for label in places if label.startswith("segment") and label != _label(level))
        if others:
            stuck = {"o__payload": f"{width}'d{_output(config, level)}"}
            wrong.append((f"the output is always {_output(config, level)}", stuck, others))
    for label, flag in (("saturation", "saturated"), ("not_a_number", "nan"), ("no_value", "invalid")):
        if label in places:
            wrong.append((f"flag {flag} is never set", {flag: "1'b0"}, label))
    return [
        Fault(name=name, task=_cover(replace(unit, text=tapped(unit, tap)), places), catches=labels)
        for name, tap, labels in wrong
    ]


def _places(config: EncoderConfig | DecoderConfig) -> dict[str, str]:
    """The conditions to reach, by label, without those that no input can reach with the unit's scale."""
    format, ranges = config.format, None
    if isinstance(config, EncoderConfig) and config.scale is not None:
        ranges = spec.ranges(format, config.input, config.scale)
    places: dict[str, list[str]] = {}
    for level in spec.levels(format):
        if ranges is None or level.code in ranges.keys:
            places.setdefault(_label(level), []).append(f"lane == {_output(config, level)}")
    conditions = {label: f"left && ({' || '.join(codes)})" for label, codes in places.items()}
    if isinstance(config, EncoderConfig):
        if any(saturating(config)):
            conditions["saturation"] = "saturated"
        if config.input.is_float:
            conditions["not_a_number"] = "nan"
    elif len(spec.decoded(format)) < 1 << format.bits:
        conditions["no_value"] = "invalid"
    return conditions | {"full_stall": f"stalled == {_STALL}"}


def _label(level: spec.Level) -> str:
    return f"segment{level.segment}_{'negative' if level.value < 0 else 'positive'}"


def _output(config: EncoderConfig | DecoderConfig, level: spec.Level) -> int:
    """The output of a lane at ``level``, as an unsigned number."""
    if isinstance(config, EncoderConfig):
        return level.code
    return int(level.value / spec.fine_step(config.format)) % (1 << value_width(config.format))


def _cover(unit: Emitted, places: Mapping[str, str]) -> Task:
    widths, inputs = ports(unit), input_ports(unit)
    outputs = [name for name in widths if name not in inputs and name != "saturation_count"]
    width = widths["o__payload"] // unit.config.lanes
    frame = [
        f"module {TOP}({', '.join(f'input [{widths[port] - 1}:0] {port}' for port in inputs)});",
        declared(unit, outputs),
        instance(unit, "unit", [*inputs, *outputs]),
        "  wire entered = i__valid && i__ready, left = o__valid && o__ready;",
        f"  wire [{width - 1}:0] lane = o__payload[{width - 1}:0];",
        "  reg [7:0] within = 0, stalled = 0;",
        "  always @(posedge clk) begin",
        "    within <= within + entered - left;",
        f"    stalled <= within == {unit.latency} && i__valid && o__valid && !o__ready ? stalled + 1 : 0;",
        "  end",
        "  always @* assume (!rst);",
        "  always @* begin",
        *(f"    {label}: cover ({condition});" for label, condition in places.items()),
        "  end",
        "endmodule",
        "",
    ]
    return Task(
        name="cover",
        claim="From a reset each is reached: every segment that the scale lets inputs reach, of either sign; "
        f"saturation; NaN; a unit that is full and has to wait for {_STALL} cycles.",
        mode="cover",
        files={DUT: unit.text, **unit.models, FRAME: "\n".join(frame)},
        top=TOP,
        engine="smtbmc z3",
        depth=unit.latency + _STALL + 3,
    )
