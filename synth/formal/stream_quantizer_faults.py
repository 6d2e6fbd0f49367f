"""Quantizers with deliberate faults of the streams."""

from collections.abc import Iterator, Mapping

from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.synth.formal.stream_faults import WAS_RESET, Wrong, changed, wrapped

_ODD = "reg odd = 0;\n  always @(posedge clk) odd <= !odd;"
_LOSES = """reg [1:0] number = 0;
  wire lost = &number;
  always @(posedge clk) number <= number + (s_axis_tvalid & s_axis_tready);"""


def wrong_streams(unit: Emitted, text: str, probes: Mapping[str, int]) -> Iterator[Wrong]:
    """At least one fault for every property of ``stream_quantizer.sv``; ``text`` has ``probes`` as outputs."""
    packets: list[tuple[str, str, Mapping[str, str], str]] = [
        ("last changes in a stall", "offer_stays", {"m_axis_tlast": "inner_m_axis_tlast ^ m_axis_tready"}, ""),
        ("valid rises after a reset", "quiet_after_reset", {"m_axis_tvalid": "inner_m_axis_tvalid | was"}, WAS_RESET),
        ("valid is stuck", "offered_if_there", {"m_axis_tvalid": "1'b1"}, ""),
        ("ready is stuck", "core_holds", {"s_axis_tready": "1'b1"}, ""),
        (
            "the input is ready once",
            "ready_again",
            {"s_axis_tready": "inner_s_axis_tready & !done", "inner_s_axis_tvalid": "s_axis_tvalid & !done"},
            "reg done = 0;\n  always @(posedge clk) done <= done | s_axis_tvalid & s_axis_tready;",
        ),
        ("a beat is dropped", "due", {"inner_s_axis_tvalid": "s_axis_tvalid & !lost"}, _LOSES),
        (
            "what is offered is held back",
            "leaves_in_time",
            {"m_axis_tvalid": "inner_m_axis_tvalid & odd", "inner_m_axis_tready": "m_axis_tready & odd"},
            _ODD,
        ),
        ("last is lost", "last_kept", {"m_axis_tlast": "1'b0"}, ""),
        ("all is kept", "keep_kept", {"m_axis_tkeep": "~0"}, ""),
    ]
    parameters: list[tuple[str, str, Mapping[str, str], str]] = [
        ("the scale wavers", "changes_when_told", {"probe_scale_m": "inner_probe_scale_m ^ odd"}, _ODD),
    ]
    for task, wrong in (("stream_packets", packets), ("stream_parameters", parameters)):
        for name, catches, changes, body in wrong:
            yield Wrong(name=name, text=wrapped(unit, text, changes, body, probes), task=task, catches=catches)
    lines = [
        ("a packet that was cut is not ended", "packets_whole", r"if \(~ unended\) begin", "if (1'h1) begin"),
        (
            "parameters change while beats are within",
            "changes_between_packets",
            r"\.empty\(empty\)(,\n    \.error)",
            r".empty(1'b1)\1",
        ),
        ("refused parameters are taken", "refused_changes_nothing", r"\.refused\(refused\),", ".refused(1'b0),"),
        ("parameters are not loaded", "applied_whole", r"\.load\(load\),(\n    \.param)", r".load(1'b0),\1"),
        ("parameters can be written meanwhile", "set_stays", r"\.locked\(locked\),", ".locked(1'b0),"),
    ]
    for name, catches, pattern, replacement in lines:
        task = "stream_packets" if catches == "packets_whole" else "stream_parameters"
        yield Wrong(name=name, text=changed(text, pattern, replacement), task=task, catches=catches, line=True)
        if catches == "applied_whole":
            cover = "stream_parameters_cover"
            yield Wrong(name=name, text=changed(text, pattern, replacement), task=cover, catches="parameters_changed")
