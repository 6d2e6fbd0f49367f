"""Toggles of a netlist of standard cells whose ports were recorded, cycle by cycle, in a simulation of its Verilog.

For units that :mod:`qse_hw.synth.activity` cannot feed: those with several streams, memories outside, or a state that
takes long to reach. Every cell is a table of its Liberty function. Toggles before nets settle (glitches, all cells
being equally slow) take many times as long to count. So they are counted in some of the cycles only, and taken for as
frequent in the others.
"""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.compiler import LIBRARY, load_library
from qse_hw.synth.cells.cell import Cell, lacking
from qse_hw.synth.cells.liberty_function import Function
from qse_hw.synth.cells.mapped import Bit, MappedNetlist

SOURCE = Path(__file__).with_name("replay.cpp")
FLAGS = ("-O3", "-march=native", "-std=c++20", *LIBRARY, "-fvisibility=hidden")
INPUTS = 6  # of a cell
PATIENCE = 10_000  # cell delays per cycle; more than the depth of any netlist
_ONES = (1 << 64) - 1
_COLUMNS = [sum(1 << row for row in range(64) if row >> place & 1) for place in range(INPUTS)]
_GATE = np.dtype([("table", "<u8"), ("y", "<i4"), ("inputs", "<i4", INPUTS), ("wide", "<i4")])


@dataclass(frozen=True)
class Recording:
    """Ports of a unit, cycle by cycle, from its reset on; values as they are at the end of a cycle.

    Attributes:
        rows: (cycles, bytes).
        places: by port, the bit of a row where it begins, bit 0 being the lowest of the first byte.
    """

    rows: npt.NDArray[np.uint8]
    places: Mapping[str, int]

    def bits(self, port: str, width: int) -> npt.NDArray[np.uint8]:
        """The bits of a port (cycles, width), 0 or 1."""
        at = self.places[port] + np.arange(width)
        bits: npt.NDArray[np.uint8] = (self.rows[:, at // 8] >> (at % 8).astype(np.uint8)) & np.uint8(1)
        return bits


@dataclass(frozen=True)
class Replayed:
    """What a replay counted.

    Attributes:
        toggles: by net, from settled values to settled values; the clock's two per cycle included.
        glitching: the same with the toggles before nets settle, estimated from some of the cycles.
        differing: cycles in which an output was not as recorded, though it mattered, by output port; of its bits the
            largest number.
    """

    toggles: dict[Bit, int]
    glitching: dict[Bit, int]
    differing: dict[str, int]


class Replay:
    """A netlist, ready to be replayed.

    Args:
        mapped: the netlist.

    Raises:
        InputError: for a cell with more than :data:`INPUTS` inputs or without a function, a flop with clear or preset,
            or a loop without a register.
    """

    def __init__(self, mapped: MappedNetlist) -> None:
        self._mapped = mapped
        self._nets: dict[Bit, int] = {"0": 0, "1": 1}
        self._inputs = {
            name: bits for name, bits in mapped.inputs.items() if not mapped.clocks.intersection(bits)
        }
        for bits in self._inputs.values():
            self._number(bits)
        gates: dict[Bit, tuple[int, Sequence[Bit]]] = {}
        flops: dict[Bit, tuple[int, Sequence[Bit]]] = {}
        tables: dict[tuple[str, str], tuple[int, tuple[str, ...]]] = {}
        for instance in mapped.instances:
            for pin, _, net in instance.pins("output"):
                key = instance.cell.name, pin
                table, names = tables[key] = tables.get(key) or _table(instance.cell, pin)
                driven = flops if instance.cell.flop is not None else gates
                driven[net] = table, [instance.nets[name] for name in names]
        self._number(list(flops))
        try:
            order = TopologicalSorter({net: inputs for net, (_, inputs) in gates.items()}).static_order()
            ordered = [net for net in order if net in gates]
        except CycleError as error:
            raise InputError("Netlist must have no loop without a register, but has one") from error
        self._number(ordered)
        self._gates = self._array({net: gates[net] for net in ordered})
        self._flops = self._array(flops)

    def __call__(
        self, recording: Recording, *, begin: int, stride: int, when: Mapping[str, str] | None = None
    ) -> Replayed:
        """Simulate the netlist from its reset on, with the recorded inputs.

        Args:
            recording: has all ports but the clock.
            begin: the cycle from which on toggles are counted, and outputs are compared with the recorded ones.
            stride: of these cycles every ``stride``-th is looked at closely.
            when: by output that matters in some cycles only, the output that is 1 then; if it has several bits, each is
                for a part of the first one's.

        Raises:
            InputError: if the netlist does not settle.
        """
        rows = np.ascontiguousarray(recording.rows)
        inputs = self._ports(self._inputs, recording, {})
        outputs = self._ports(self._mapped.outputs, recording, when or {})
        counts, extra = np.zeros((2, len(self._nets)), np.int64)
        differing = np.zeros(len(outputs), np.int64)
        sized = [part for array in (self._gates, self._flops, inputs, outputs)
                 for part in (_pointer(array), ctypes.c_long(len(array)))]  # fmt: skip
        numbers = (rows.shape[1], len(rows), begin, stride, PATIENCE)
        unsettled = _simulator()(
            ctypes.c_long(len(self._nets)), *sized, _pointer(rows), *map(ctypes.c_long, numbers),
            *map(_pointer, (counts, extra, differing)),
        )  # fmt: skip
        if unsettled:
            raise InputError(f"Netlist must settle within {PATIENCE} cell delays, but did not in {unsettled} cycles")
        clock: dict[Bit, int] = dict.fromkeys(self._mapped.clocks, 2 * (len(rows) - begin))
        share = (len(rows) - begin) / len(range(begin, len(rows), stride))
        glitching = counts + np.rint(extra * share).astype(np.int64)
        nets: list[tuple[Bit, int]] = [(net, at) for net, at in self._nets.items() if isinstance(net, int)]
        wrong, at = {}, 0
        for name, bits in self._mapped.outputs.items():
            known = sum(bit != "x" for bit in bits)
            wrong[name] = int(differing[at : at + known].max(initial=0))
            at += known
        return Replayed(
            {net: int(counts[at]) for net, at in nets} | clock,
            {net: int(glitching[at]) for net, at in nets} | clock,
            {name: cycles for name, cycles in wrong.items() if cycles},
        )

    def _number(self, nets: Sequence[Bit]) -> None:
        for net in nets:
            self._nets.setdefault(net, len(self._nets))

    def _array(self, driven: Mapping[Bit, tuple[int, Sequence[Bit]]]) -> npt.NDArray[Any]:
        """The cells' outputs as the simulator has them."""
        made = np.zeros(len(driven), _GATE)
        for row, (net, (table, inputs)) in zip(made, driven.items(), strict=True):
            row["table"], row["y"], row["wide"] = table, self._nets[net], len(inputs) > INPUTS // 2
            row["inputs"][: len(inputs)] = [0 if bit == "x" else self._nets[bit] for bit in inputs]
        return made

    def _ports(
        self, ports: Mapping[str, Sequence[Bit]], recording: Recording, when: Mapping[str, str]
    ) -> npt.NDArray[np.int32]:
        """Net, place in a row, and place of what says when it matters, -1 for always (bits, 3)."""
        made = []
        for name, bits in ports.items():
            for place, bit in enumerate(bits):
                if bit == "x":
                    continue
                needs = -1
                if name in when:
                    needs = recording.places[when[name]] + place * len(ports[when[name]]) // len(bits)
                made.append((self._nets[bit], recording.places[name] + place, needs))
        return np.array(made, np.int32).reshape(-1, 3)


@cache
def _simulator() -> Any:
    """The function in :data:`SOURCE`."""
    simulate = load_library(SOURCE, FLAGS).replay
    simulate.restype = ctypes.c_long
    return simulate


def _table(cell: Cell, pin: str) -> tuple[int, tuple[str, ...]]:
    """The values of an output, of a flop after the clock's edge, and the names of the inputs."""
    function = cell.pins[pin].function
    if function is None:
        raise lacking(cell.name, f"a function of pin {pin}")
    if cell.flop is None:
        return _values(cell.name, function)
    if cell.flop.asynchronous:
        raise InputError(f"Flops must have neither clear nor preset to be replayed, but {cell.name} has")
    table, names = _values(cell.name, cell.flop.next_state)
    states = dict(zip(cell.flop.states, (table, table ^ _ONES), strict=False))
    if not function.names <= states.keys():
        raise InputError(f"Output {pin} of flop {cell.name} must depend on its state alone")
    return function(states, _ONES), names


def _values(cell: str, function: Function) -> tuple[int, tuple[str, ...]]:
    """The table of a function, and the names of its inputs, the first one lowest."""
    names = tuple(sorted(function.names))
    if len(names) > INPUTS:
        raise InputError(f"Cells must have at most {INPUTS} inputs to be replayed, but {cell} has {len(names)}")
    return function(dict(zip(names, _COLUMNS, strict=False)), _ONES), names


def _pointer(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
