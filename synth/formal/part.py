"""A proof of a part of a unit by itself: it computes its definition, for all inputs.

The part moves on in every cycle and has no feedback, so that induction over its latency is a proof without bound.
Multipliers and other parts are cut out of it: for any outputs of theirs the rest is right.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from qse_hw.rtl_gen.emit.emit import Emitted, emit, part
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.lane.multiplier import DSP_WIDTH
from qse_hw.synth.formal.harness import TOP, bits, checker, cut, harness, instance, module_ports, probe, probed, shipped
from qse_hw.synth.formal.task import Fault, Task

DEFINITIONS = "arithmetic.sv"


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A fault of a part.

    Attributes:
        name: the fault, in words.
        catches: the label of the assertion that fails.
        port: an input, which the part then gets wrong, or an output or ``looked``, which the definition then does.
        value: what is on it instead, Verilog of the part's ports.
    """

    name: str
    catches: str
    port: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a unit, and what it computes.

    Attributes:
        name: the property's name.
        claim: the property in words.
        component: the part, or the name of a module of the unit.
        definition: the module of :data:`DEFINITIONS` that says what the part computes; it has the part's outputs as
            inputs.
        sizes: the definition's parameters.
        given: the definition's other inputs: the part's signal, and how many cycles before the outputs.
        cuts: instances whose outputs are arbitrary.
        looked: signals of the part that are no ports, with their widths; of an instance that is cut, the output is
            ``INSTANCE.any_OUTPUT``.
        steady: inputs that do not change.
        ones: inputs that are always 1.
        faults: at least one for each assertion.
        hidden: that it cannot be proved, as a product of the target's multiplier is not one signal in the Verilog.
    """

    name: str
    claim: str
    component: Any
    definition: str
    sizes: Mapping[str, int]
    given: Mapping[str, tuple[str, int]]
    cuts: Sequence[str] = ()
    looked: Mapping[str, int] = field(default_factory=dict)
    steady: Sequence[str] = ()
    ones: Sequence[str] = ()
    faults: Sequence[Wrong] = ()
    hidden: bool = False


def hides_product(width: int, target: str) -> bool:
    """Whether a product of a factor of ``width`` bits is a cell's output, bit by bit."""
    return target == "ecp5" and width <= DSP_WIDTH


def proof(config: UnitConfig, one: Part, wrong: Wrong | None = None) -> Task:
    """The proof that the part computes its definition, or with a fault that it does not."""
    unit = _module(config, one.component) if isinstance(one.component, str) else part(config, "part", one.component)
    text = unit.text
    for name in one.cuts:
        text = cut(text, name)
    definitions = shipped(DEFINITIONS) if wrong is None else only(wrong.catches)
    top = harness(unit, list(_checks(unit.ports, one, definitions, wrong)), probes=one.looked)
    if wrong is not None and _is_input(unit.ports, wrong.port):
        top = top.replace(f".{wrong.port}({wrong.port})", f".{wrong.port}({wrong.value})", 1)
    return Task(
        name=one.name,
        claim=one.claim,
        mode="prove",
        files={
            "part.v": probed(text, unit.config.top, one.looked),
            **unit.models,
            DEFINITIONS: definitions,
            f"{TOP}.sv": top,
        },
        top=TOP,
        engine="smtbmc z3",
        depth=_last(one) + 2,
    )


def faults(config: UnitConfig, one: Part) -> list[Fault]:
    """The part's faults."""
    return [Fault(name=wrong.name, task=proof(config, one, wrong), catches=wrong.catches) for wrong in one.faults]


def only(label: str) -> str:
    """The definitions with this assertion alone."""
    return re.sub(rf"\n +(?!{label}:)\w+: assert .*;", "", shipped(DEFINITIONS))


def _module(config: UnitConfig, name: str) -> Emitted:
    """A module of the unit's Verilog, as if it were the unit."""
    unit = emit(config)
    ports = [
        {"name": port, "direction": direction, "width": width}
        for direction, width, port in module_ports(unit.text, name)
    ]
    return replace(unit, config=config.named(name), ports=tuple(ports))


def _checks(ports: Sequence[Mapping[str, Any]], one: Part, definitions: str, wrong: Wrong | None) -> Iterator[str]:
    """The definition with the signals of the cycles from which the outputs come."""
    widths = {port["name"]: port["width"] for port in ports} | dict(one.looked)
    wires = {port["name"]: port["name"] for port in ports if port["direction"] == "output"}
    yield f"  reg [7:0] tick = 0;\n  always @(posedge clk) if (tick != {_last(one)}) tick <= tick + 1;"
    yield "  always @* assume (!rst);"
    yield from (f"  always @* assume ({name});" for name in one.ones)
    for name, (signal, cycles) in one.given.items():
        now = probe(signal) if signal in one.looked else signal
        wires[name] = now
        if cycles:
            wires[name] = f"{name}_earlier"
            yield f"  wire {bits(widths[signal])}{name}_earlier;"
            ends = {"clk": "clk", "now": now, "earlier": wires[name]}
            yield instance("earlier", f"{name}_delay", {"WIDTH": widths[signal], "CYCLES": cycles}, ends)
    for name in one.steady:
        yield f"  reg {bits(widths[name])}{name}_before;\n  always @(posedge clk) {name}_before <= {name};"
        yield f"  always @* if (tick != 0) assume ({name} == {name}_before);"
    if wrong is not None and not _is_input(ports, wrong.port):
        wires[wrong.port] = wrong.value
    yield checker(definitions, one.definition, "definition", one.sizes, wires | {"check": f"(tick == {_last(one)})"})


def _is_input(ports: Sequence[Mapping[str, Any]], name: str) -> bool:
    return any(port["name"] == name and port["direction"] == "input" for port in ports)


def _last(one: Part) -> int:
    return max(cycles for _, cycles in one.given.values())
