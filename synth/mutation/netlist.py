"""The netlist of a unit with many faults of Yosys' ``mutate``, one of which an input selects; read back as gates."""

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Literal

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.synth import yosys as tools

Level = Literal["word", "gate"]
LEVELS: tuple[Level, ...] = ("word", "gate")

_LOWER: dict[Level, str] = {
    "word": "",
    "gate": "techmap; opt; simplemap; opt; abc -g AND,OR,XOR,MUX; opt_clean; ",
}
_SELECT = "mutant_select"
# Comparisons with the control input become cells of a type that techmap does not know, to tell them from the unit's.
_MAP = f"""select -set control t:$eq i:mutsel %co1 %i
chtype -set {_SELECT} @control
dffunmap
techmap
simplemap
dfflegalize -cell $_DFF_P_ 01
clean
write_json mutants.json
"""
_MUTATE = re.compile(
    r"mutate -mode (?P<mode>\S+) -module \S+ -cell (?P<cell>\S+) -port (?P<port>\S+) -portbit (?P<bit>\d+)"
    r"(?: -ctrlbit (?P<ctrl>\d+))?(?: -wire (?P<wire>\S+))?(?: -wirebit (?P<wirebit>\d+))?"
)
_CLOCKS = ("CLK", "C")
GATES = ("$_NOT_", "$_AND_", "$_OR_", "$_XOR_", "$_XNOR_", "$_MUX_")
"""Types of gates; a gate names its type by the index here."""


@dataclass(frozen=True)
class Mutant:
    """A fault.

    Attributes:
        number: from 1; the value of ``mutsel`` that selects it.
        mode: ``inv``, ``const0``, ``const1``; ``cnot0``, ``cnot1``: inverted while bit ``control`` of the port is 0, 1.
        cell: the cell's type and name.
        port: the port's bit, e.g. ``A[3]``.
        control: see ``mode``; None for other modes.
        signal: the emitted Verilog's name of that bit, else of the cell's output; "" if neither has one.
    """

    number: int
    mode: str
    cell: str
    port: str
    control: int | None
    signal: str

    def __str__(self) -> str:
        control = "" if self.control is None else f" by [{self.control}]"
        return f"{self.mode}{control} at {self.cell} {self.port}" + (f", signal {self.signal}" if self.signal else "")


Gate = tuple[int, int, int, int, int]
"""Type, output, inputs a, b, s (a multiplexer is b if s else a); unused inputs are 0."""


@dataclass(frozen=True, kw_only=True)
class Netlist:
    """Gates and registers of one clock. Nets are numbers; 0 and 1 are the constants.

    Attributes:
        nets: their number.
        inputs, outputs: nets of every port but the clock, low bit first; ports in the order of the emitted ones.
        gates: in topological order.
        registers: (output, input) each; all start at 0.
        mutants: the faults, in the order of their numbers.
        selects: per mutant the net that switches it on; 0 if nothing depends on the fault.
    """

    nets: int
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    gates: Sequence[Gate]
    registers: Sequence[tuple[int, int]]
    mutants: Sequence[Mutant]
    selects: Sequence[int]


def mutants(emitted: Emitted, *, level: Level, count: int, seed: int, folder: Path) -> Netlist:
    """A sample of ``count`` of all faults of ``mutate``; all if there are fewer or ``count`` is 0.

    The netlist is the Verilog after ``proc; flatten; opt``, with word-level cells; at level ``gate`` ABC also maps it
    to two-input gates. Faults on clock pins are left out: such circuits are not synchronous. Files are left in
    ``folder``: ``prepared.il``, the netlist; ``mutants.ys``, which puts the faults into it.

    Raises:
        InputError: for an unknown level or a negative count; if Yosys is missing or fails.
    """
    if level not in LEVELS:
        raise InputError(f"Level must be one of {', '.join(LEVELS)}, not {level!r}")
    if count < 0:
        raise InputError(f"Mutants must be at least 1, or 0 for all, not {count!r}")
    top = emitted.config.top
    sources = {f"{top}.v": emitted.text, **emitted.models}
    for name, text in sources.items():
        (folder / name).write_text(text, encoding="utf-8")
    read = "".join(f"read_verilog {name}; " for name in sources)
    script = f"{read}hierarchy -top {top}; proc; flatten; opt; opt_clean; {_LOWER[level]}write_rtlil prepared.il; "
    script += "write_json prepared.json; mutate -list 0 -o candidates.ys"
    tools.run(tools.YOSYS, ["-q", "-p", script], folder, log="prepare.log")
    prepared = _Module(folder / "prepared.json", top)
    candidates = [
        (line, match)
        for line in (folder / "candidates.ys").read_text(encoding="utf-8").splitlines()
        if (match := _MUTATE.match(line)) and not prepared.is_clock(match["cell"], match["port"])
    ]
    if 0 < count < len(candidates):
        chosen = sorted(random.Random(seed).sample(range(len(candidates)), count))
        candidates = [candidates[n] for n in chosen]
    sample = [prepared.mutant(number, match) for number, (_, match) in enumerate(candidates, 1)]
    width = len(sample).bit_length()
    lines = [
        f"mutate -ctrl mutsel {width} {mutant.number}{line.removeprefix('mutate')}"
        for mutant, (line, _) in zip(sample, candidates, strict=True)
    ]
    (folder / "mutants.ys").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "map.ys").write_text(f"read_rtlil prepared.il\nscript mutants.ys\n{_MAP}", encoding="utf-8")
    tools.run(tools.YOSYS, ["-q", "-s", "map.ys"], folder, log="map.log")
    return _Module(folder / "mutants.json", top).netlist(sample, [port["name"] for port in emitted.ports])


class _Module:
    """A module in Yosys' JSON."""

    def __init__(self, file: Path, top: str) -> None:
        module = json.loads(file.read_text(encoding="utf-8"))["modules"][top]
        self._ports, self._cells, self._names = (module[part] for part in ("ports", "cells", "netnames"))

    def is_clock(self, cell: str, port: str) -> bool:
        kind = self._cells[cell.removeprefix("\\")]["type"]
        return port.removeprefix("\\") in _CLOCKS and ("dff" in kind or "DFF" in kind)

    @cached_property
    def signals(self) -> dict[int, str]:
        """The user's names of bits; if a bit has several, the one highest in the hierarchy."""
        signal_of: dict[int, str] = {}
        names = [(name.count("."), len(name), name) for name, net in self._names.items() if not net["hide_name"]]
        for *_, name in sorted(names):
            if "$" not in name:
                bits = self._names[name]["bits"]
                for place, bit in enumerate(bits):
                    if isinstance(bit, int):  # no constant
                        signal_of.setdefault(bit, name if len(bits) == 1 else f"{name}[{place}]")
        return signal_of

    def mutant(self, number: int, match: re.Match[str]) -> Mutant:
        name, port, bit = match["cell"].removeprefix("\\"), match["port"].removeprefix("\\"), int(match["bit"])
        cell = self._cells[name]
        signal = self.signals.get(cell["connections"][port][bit], "")
        if not signal:
            outputs = [p for p, direction in cell["port_directions"].items() if direction == "output"]
            signal = next((self.signals[b] for p in outputs for b in cell["connections"][p] if b in self.signals), "")
        control = None if match["ctrl"] is None else int(match["ctrl"])
        return Mutant(number, match["mode"], f"{cell['type']} {name}", f"{port}[{bit}]", control, signal)

    def netlist(self, mutants: Sequence[Mutant], names: Sequence[str]) -> Netlist:
        numbers: dict[int | str, int] = {"0": 0, "1": 1}

        def net(bit: int | str) -> int:
            # opt_dff replaces data that the enable never lets through by x
            return 0 if bit == "x" else numbers.setdefault(bit, len(numbers))

        gates: dict[int, Gate] = {}
        registers: list[tuple[int, int]] = []
        selects = [0] * len(mutants)
        for cell in self._cells.values():
            kind, pins = cell["type"], cell["connections"]
            if kind == _SELECT:
                selects[int("".join(reversed(pins["B"])), 2) - 1] = net(pins["Y"][0])
            elif kind == "$_DFF_P_":
                registers.append((net(pins["Q"][0]), net(pins["D"][0])))
            elif kind in GATES:
                a, b, s = (net(pins[pin][0]) if pin in pins else 0 for pin in "ABS")
                out = net(pins["Y"][0])
                gates[out] = (GATES.index(kind), out, a, b, s)
            elif kind != "$scopeinfo":
                raise RuntimeError(f"a cell of type {kind} was not mapped to gates")
        for info in self._names.values():
            if "1" in info["attributes"].get("init", ""):
                raise RuntimeError("a register does not start at 0")
        ports: dict[str, dict[str, tuple[int, ...]]] = {"input": {}, "output": {}}
        for name in names:
            if name != "clk":
                ports[self._ports[name]["direction"]][name] = tuple(map(net, self._ports[name]["bits"]))
        driven = {0, 1, *selects, *(q for q, _ in registers), *gates, *sum(ports["input"].values(), ())}
        if undriven := set(numbers.values()) - driven:
            raise RuntimeError(f"{len(undriven)} nets are driven by nothing")
        order = TopologicalSorter({out: gate[2:] for out, gate in gates.items()}).static_order()
        return Netlist(
            nets=len(numbers),
            inputs=ports["input"],
            outputs=ports["output"],
            gates=[gates[out] for out in order if out in gates],
            registers=registers,
            mutants=mutants,
            selects=selects,
        )


def bits(ports: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, int, int]]:
    """(port, bit, net) of all of ``ports``, in order."""
    for name, nets in ports.items():
        for bit, net in enumerate(nets):
            yield name, bit, net


def described(mutant: Mutant) -> dict[str, Any]:
    """The mutant, as JSON."""
    return {"mutant": mutant.number, "where": str(mutant)}
