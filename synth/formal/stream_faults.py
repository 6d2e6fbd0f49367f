"""Deliberately faulty units: a wrapper around the unit that breaks one rule, or a changed line within it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.synth.formal.harness import bits, probe
from qse_hw.synth.formal.task import Task

_LONG = 52  # cycles
TOGGLE = "reg odd = 0;\n  always @(posedge clk) odd <= !odd;"
"""Of a wrapper: ``odd`` is high in every second cycle."""
WAS_RESET = "reg was = 0;\n  always @(posedge clk) was <= rst;"
"""``was`` is high after a cycle of a reset."""
_WITHIN = """reg [7:0] within = 0;
  always @(posedge clk) within <= rst ? 0 : within + (i__valid & i__ready) - (o__valid & o__ready);"""


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A faulty unit: the fault in words, the Verilog, and the task and property that must catch it.

    ``line``: whether a line within the unit is changed; else there is a wrapper.
    """

    name: str
    text: str
    task: str
    catches: str
    line: bool = False


def wrong_units(unit: Emitted, text: str, probes: Mapping[str, int]) -> Iterator[Wrong]:
    """Faulty encoders or decoders, at least one per property of ``stream.sv``; ``text`` has ``probes`` as outputs."""
    last = unit.latency - 1
    slow = {"i__ready": "inner_i__ready & odd", "inner_i__valid": "i__valid & odd"}
    rules: list[tuple[str, str, Mapping[str, str], str]] = [
        ("the payload changes in a stall", "payload_stays", {"o__payload": "inner_o__payload ^ o__ready"}, ""),
        ("an offer is withdrawn", "valid_stays", {"o__valid": "inner_o__valid & odd"}, TOGGLE),
        ("valid waits for ready", "offered_when_due", {"o__valid": "inner_o__valid & o__ready"}, ""),
        (
            "valid rises after a reset",
            "silent_after_reset",
            {"o__valid": "inner_o__valid | was"},
            WAS_RESET,
        ),
        ("a beat is invented", "nothing_invented", {"o__valid": "1'b1"}, ""),
        ("a full unit accepts", "at_most_full", {"i__ready": "1'b1"}, ""),
        ("beats are accepted in every second cycle", "moves_when_taken", slow, TOGGLE),
        ("beats are accepted in every second cycle by an empty unit", "moves_when_empty", slow, TOGGLE),
    ]
    lose = "i__valid & !lost"
    losing = """reg [1:0] number = 0;
  wire lost = &number;
  always @(posedge clk) number <= number + (i__valid & i__ready);"""
    double = "reg first = 0;\n  always @(posedge clk) if (inner_o__valid & o__ready) first <= !first;"
    late = f"""reg full = 0;
  reg {bits(_width(unit))}kept;
  assign inner_o__ready = !full | o__ready;
  always @(posedge clk) if (rst) full <= 0; else if (inner_o__ready) begin
    full <= inner_o__valid;
    kept <= inner_o__payload;
  end"""
    order: list[tuple[str, str, Mapping[str, str], str]] = [
        ("a beat is dropped", "latency_exact", {"inner_i__valid": lose}, losing),
        ("a beat leaves twice", "latency_exact", {"inner_o__ready": "o__ready & first"}, double),
        ("a beat comes a cycle late", "not_lost", {"o__valid": "full", "o__payload": "kept"}, late),
        ("a beat comes a cycle early", "leaves_as_itself", {"o__valid": f"probe_valid[{last - 1}]"}, ""),
        (
            "what is offered is held back",
            "leaves_in_time",
            {"o__valid": "inner_o__valid & odd", "inner_o__ready": "o__ready & odd"},
            TOGGLE,
        ),
    ]
    status: list[tuple[str, str, Mapping[str, str], str]] = [
        (
            "a clear takes what happens meanwhile",
            "flags_sticky",
            {name: f"inner_{name} & !cleared" for name in ("saturated", "invalid") if _has(unit, name)},
            "reg cleared = 0;\n  always @(posedge clk) cleared <= clear;",
        )
    ]
    one = {"i__ready": "inner_i__ready & within == 0", "inner_i__valid": "i__valid & within == 0"}
    room = {
        "i__ready": f"inner_i__ready & within != {unit.latency}",
        "inner_i__valid": f"i__valid & within != {unit.latency}",
    }
    dead = "reg dead = 0;\n  always @(posedge clk) dead <= dead | rst;"
    covers: list[tuple[str, str, Mapping[str, str], str]] = [
        ("one beat at a time: never full", "full_stall", one, _WITHIN),
        ("one beat at a time: no gap", "gap_within", one, _WITHIN),
        ("a full unit accepts nothing while a beat leaves", "stall_released", room, _WITHIN),
        ("no beat in a cycle in which another leaves", "back_to_back", room, _WITHIN),
        ("after a reset nothing comes", "reset_within", {"o__valid": "inner_o__valid & !dead"}, dead),
    ]
    for task, wrong in (
        ("stream_rules", rules),
        ("stream_order", order),
        ("stream_status", status),
        ("stream_cover", covers),
    ):
        for name, catches, changes, body in wrong:
            yield Wrong(name=name, text=wrapped(unit, text, changes, body, probes), task=task, catches=catches)
    if isinstance(unit.config, EncoderConfig) and unit.config.counter_width:
        yield Wrong(
            name="what is offered counts before it leaves",
            text=changed(text, rf"(valid\[{last}\]) & o__ready;", r"\1;"),
            task="stream_status",
            catches="counts_once",
            line=True,
        )


def bounded(task: Task, wrong: Wrong, depth: int) -> Task:
    """``task`` as a bounded search for the fault, without the assertions that only help the induction.

    A wrapper's fault is detected within ``depth`` cycles, by all properties that it breaks. A changed line may take
    effect only after parameters have been written, checked and loaded; there the first broken property counts.
    """
    files = {name: re.sub(r"^.*helper_\w+: assert.*\n", "", text, flags=re.M) for name, text in task.files.items()}
    if task.mode == "cover":
        return replace(task, files=files)
    return replace(
        task,
        files=files,
        mode="bmc",
        depth=_LONG if wrong.line else depth,
        engine="abc bmc3" if wrong.line else "smtbmc --keep-going z3",
        argument="a fault is to be found, and it shows in a few cycles",
    )


def wrapped(unit: Emitted, text: str, changes: Mapping[str, str], body: str, probes: Mapping[str, int]) -> str:
    """Verilog of the unit within a wrapper of the same name and ports.

    Args:
        unit: the unit.
        text: its Verilog, with ``probes`` as outputs (:func:`qse_hw.synth.formal.harness.probed`).
        changes: expressions, by name, that drive outputs of the wrapper, or ``inner_NAME``, an input of the unit
            within; other ports are connected directly.
        body: Verilog that the changes use; it may drive ``inner_NAME`` itself.
        probes: widths of the additional outputs, by signal.
    """
    top = unit.config.top
    ports = [(port["name"], port["direction"], port["width"]) for port in unit.ports]
    ports += [(probe(path), "output", width) for path, width in probes.items()]
    lines = [f"module {top}({', '.join(name for name, _, _ in ports)});"]
    lines += [f"  {direction} {bits(width)}{name};" for name, direction, width in ports]
    lines += [f"  wire {bits(width)}inner_{name};" for name, _, width in ports]
    if body:
        lines.append(f"  {body}")
    for name, direction, _ in ports:
        ends = (name, f"inner_{name}") if direction == "output" else (f"inner_{name}", name)
        if f"assign {ends[0]} " not in body:
            lines.append(f"  assign {ends[0]} = {changes.get(ends[0], ends[1])};")
    lines += [f"  {top}_inner unit ({', '.join(f'.{name}(inner_{name})' for name, _, _ in ports)});", "endmodule"]
    return "\n".join([re.sub(rf"^module {top} ?\(", f"module {top}_inner(", text, count=1, flags=re.M), *lines, ""])


def changed(text: str, pattern: str, replacement: str) -> str:
    """``text`` with the one place that matches ``pattern`` replaced.

    Raises:
        ValueError: if there is not exactly one.
    """
    edited, count = re.subn(pattern, replacement, text, flags=re.M)
    if count != 1:
        raise ValueError(f"Pattern {pattern} must be found once, not {count} times")
    return edited


def _has(unit: Emitted, name: str) -> bool:
    return any(port["name"] == name for port in unit.ports)


def _width(unit: Emitted) -> int:
    return next(int(port["width"]) for port in unit.ports if port["name"] == "o__payload")
