"""Quantizers with deliberate faults of the bus."""

from collections.abc import Iterator, Mapping

from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.synth.formal.stream_faults import WAS_RESET, Wrong, changed, wrapped


def wrong_buses(unit: Emitted, text: str, probes: Mapping[str, int]) -> Iterator[Wrong]:
    """At least one fault for every property of ``axi.sv``; ``text`` has ``probes`` as outputs."""
    rules: list[tuple[str, str, Mapping[str, str], str]] = [
        (
            "a write's answer changes while it waits",
            "write_answer_stays",
            {"s_axi_bresp": "inner_s_axi_bresp ^ {s_axi_bready, 1'b0}"},
            "",
        ),
        (
            "read data change while they wait",
            "read_answer_stays",
            {"s_axi_rdata": "inner_s_axi_rdata ^ s_axi_rready"},
            "",
        ),
        ("a write is answered unasked", "write_answered_if_asked", {"s_axi_bvalid": "1'b1"}, ""),
        ("a read is answered unasked", "read_answered_if_asked", {"s_axi_rvalid": "1'b1"}, ""),
        ("addresses are accepted and forgotten", "two_at_most", {"s_axi_awready": "1'b1"}, ""),
        ("an answer is EXOKAY", "okay_or_slverr", {"s_axi_bresp": "2'b01"}, ""),
        ("an answer outlives a reset", "quiet_after_reset", {"s_axi_bvalid": "inner_s_axi_bvalid | was"}, WAS_RESET),
    ]
    for kind, channel in (("write", "b"), ("read", "r")):
        valid, ready = f"s_axi_{channel}valid", f"s_axi_{channel}ready"
        swallow = f"""reg first = 1;
  always @(posedge clk) if (inner_{valid}) first <= 0;"""
        changes: Mapping[str, str] = {valid: f"inner_{valid} & !first", f"inner_{ready}": f"{ready} | first"}
        rules.append((f"the answer to the first {kind} is swallowed", f"{kind}_answered_in_time", changes, swallow))
    for channel, catches in (("aw", "address_ready_again"), ("w", "data_ready_again"), ("ar", "read_ready_again")):
        valid, ready = f"s_axi_{channel}valid", f"s_axi_{channel}ready"
        once = f"reg done = 0;\n  always @(posedge clk) done <= done | {valid} & {ready};"
        changes = {ready: f"inner_{ready} & !done", f"inner_{valid}": f"{valid} & !done"}
        rules.append((f"channel {channel} is ready once", catches, changes, once))
    registers: list[tuple[str, str, Mapping[str, str], str]] = [
        ("refused writes are answered OKAY", "refused_exactly", {"s_axi_bresp": "2'b00"}, ""),
        ("refused reads are answered OKAY", "reads_refused_exactly", {"s_axi_rresp": "2'b00"}, ""),
        ("refused reads give data", "reads_nothing", {"s_axi_rdata": "inner_s_axi_rdata | |s_axi_rresp"}, ""),
        ("a bit of read data is wrong", "fixed_as_documented", {"s_axi_rdata": "inner_s_axi_rdata ^ 32'h80"}, ""),
        ("a command is read back", "command_reads_zero", {"s_axi_rdata": "inner_s_axi_rdata ^ 32'h1"}, ""),
        ("strobes do not matter", "reads_what_was_written", {"inner_s_axi_wstrb": "4'hf"}, ""),
    ]
    for task, wrong in (("axi_rules", rules), ("axi_registers", registers)):
        for name, catches, changes, body in wrong:
            yield Wrong(name=name, text=wrapped(unit, text, changes, body, probes), task=task, catches=catches)
    yield Wrong(
        name="parameters can be written while they are applied",
        text=changed(text, r"\.locked\(locked\),", ".locked(1'b0),"),
        task="axi_registers",
        catches="refused_exactly",
        line=True,
    )
