"""How often each net of a synthesized netlist toggles on given data: a gate simulation of many streams at a time.

Limits: without delays (``glitches=False``) a net toggles at most once per cycle. Real gates have delays, so that nets
toggle before they settle, in deep arithmetic several times per cycle. With ``glitches=True`` every cell has the same
delay and passes every pulse on. An event-driven simulation with the delays of the library's tables lies between the two
for all encoders tried (tests/synth/test_glitches.py): treat the two as a range; it is not proved to be one.
"""

import ctypes
import json
import shutil
import tempfile
from collections import defaultdict
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
from qse_hw.synth.cells.mapped import Bit, only_module, user_names
from qse_hw.synth.yosys import run_native_yosys

STREAMS = 256  # simulated at the same time
LENGTH = 1024  # beats of a stream at least, unless it is the only one
WARM_UP = 64  # beats before those counted; more than the latency of any pipeline
RESET = 4  # cycles
STEPS = 1000  # cell delays per cycle; more than the depth of any netlist
SOURCE = Path(__file__).with_name("activity.cpp")
FLAGS = ("-O3", "-march=native", "-std=c++20", *LIBRARY, "-fvisibility=hidden", "-Wno-psabi")
GATES = ("BUF", "NOT", "AND", "NAND", "OR", "NOR", "XOR", "XNOR", "ANDNOT", "ORNOT", "MUX")
"""Yosys' gates, ``$_AND_`` and so on, in the order of the simulator's."""

_LIBERTY = "read_liberty -ignore_miss_func -ignore_miss_dir"
_VERILOG = "read_verilog -defer"  # else Yosys 0.70 takes over a minute for ice40's cells_sim.v
# opt_expr may simplify only within cells: across cells it would bypass nets, which then toggle earlier than they
# should.
_LOWER = """read_json renamed.json
{models}
hierarchy -top {top}
proc
opt_expr
memory -nomap
memory_map
techmap
simplemap
opt_expr
dffunmap
async2sync
dfflegalize -cell $_DFF_P_ 01
clean -purge
insbuf -buf $_BUF_ A Y * {top} %d
setattr -set keep 1 */t:$_BUF_
flatten
{tied}clean -purge
write_json gates.json
"""


@dataclass(frozen=True)
class Activity:
    """Toggles counted.

    Attributes:
        toggles: by net of the netlist (the number in its JSON); the clock's two per cycle included.
        names: the user's, by net.
        beats: beats simulated, one per cycle.
        lanes: values per beat.
        streams: number of parts into which the data was cut, which were simulated at the same time.
    """

    toggles: Mapping[Bit, int]
    names: Mapping[Bit, str]
    beats: int
    lanes: int
    streams: int

    @property
    def values(self) -> int:
        """Values that went in."""
        return self.beats * self.lanes

    @property
    def per_value(self) -> float:
        """Toggles of all nets, per value."""
        return sum(self.toggles.values()) / self.values


class Simulator:
    """A netlist, ready to be simulated.

    Args:
        netlist: a file of Yosys' ``write_json``, or the same as Verilog (``.v``): one flat module.
        models: files that define its cells: Verilog (``.v``) or Liberty (all others).

    Raises:
        InputError: unless the netlist is a synchronous circuit of known cells with one clock ``clk``, rising edge; if
            a tool is missing or fails.
    """

    def __init__(self, netlist: Path, models: Sequence[Path]) -> None:
        with tempfile.TemporaryDirectory(prefix="qse-activity-") as name:
            folder = Path(name)
            self._original = _with_names(netlist, models, folder)
            module = only_module(folder / "gates.json")
        self._simulate = _simulator()
        self._names = user_names(self._original)
        self._read(module)

    def __call__(
        self,
        patterns: npt.NDArray[np.unsignedinteger],
        *,
        fixed: Mapping[str, int] | None = None,
        glitches: bool = False,
    ) -> Activity:
        """Simulate beats at full speed, one per cycle, and count toggles.

        The data is cut into up to :data:`STREAMS` parts of at least :data:`LENGTH` beats. Each part starts from reset
        with the last :data:`WARM_UP` beats of the part before it, which are not counted. Up to ``STREAMS - 1`` beats
        at the end are left out, so that all parts have the same length.

        Args:
            patterns: (beats, lanes), bit patterns for ``i__payload``.
            fixed: the other inputs; those not named are 0. Default: valid and ready are 1.
            glitches: give every cell the same delay, and count the toggles before nets settle, too.

        Raises:
            InputError: for patterns or ports that do not fit.
        """
        patterns = np.ascontiguousarray(patterns, np.uint32)
        width = len(self._inputs["i__payload"])
        if patterns.ndim != 2 or not len(patterns) or not 1 <= patterns.shape[1] <= width or width % patterns.shape[1]:
            raise InputError(f"Patterns must have shape (beats, lanes) for {width} bits, not {patterns.shape}")
        beats, lanes = patterns.shape
        if int(patterns.max()) >> (width // lanes):
            raise InputError(f"Patterns must have {width // lanes} bits, not {patterns.max():#x}")
        ones = []
        for port, value in ({"i__valid": 1, "o__ready": 1} if fixed is None else fixed).items():
            if port not in self._inputs or not 0 <= value < 1 << len(self._inputs[port]):
                raise InputError(f"Input {port} must be a port of the unit and hold {value!r}")
            ones += [net for place, net in enumerate(self._inputs[port]) if value >> place & 1]
        streams = min(STREAMS, max(1, beats // LENGTH))
        length = beats // streams
        counts = np.zeros(self._nets, np.int64)
        packed = _packed(patterns[: streams * length], width // lanes)
        arrays = (
            self._glitchy if glitches else self._gates, self._registers,
            *(np.array(nets, np.int32) for nets in (self._inputs["i__payload"], ones, self._inputs.get("rst", []))),
        )  # fmt: skip
        sized = [part for array in arrays for part in (_pointer(array), ctypes.c_long(len(array)))]
        sizes = (packed.shape[1], streams, length, WARM_UP, RESET, STEPS if glitches else 1)
        unsettled = self._simulate(
            ctypes.c_long(self._nets), *sized, _pointer(packed), *map(ctypes.c_long, sizes), _pointer(counts)
        )
        if unsettled:
            raise InputError(f"Netlist must settle within {STEPS} cell delays, but did not in {unsettled} cycles")
        toggles: dict[Bit, int] = {net: int(counts[at]) for net, at in self._counted.items()}
        toggles |= dict.fromkeys(self._clocks, 2 * streams * length)
        return Activity(toggles, self._names, streams * length, lanes, streams)

    def _read(self, module: Mapping[str, Any]) -> None:
        numbers: dict[Bit, int] = {"0": 0, "1": 1}

        def net(bit: Bit) -> int:
            return 0 if bit == "x" else numbers.setdefault(bit, len(numbers))

        clocks = _clocks(module)
        gates: dict[int, tuple[int, ...]] = {}
        registers: list[tuple[int, int]] = []
        for name, cell in module["cells"].items():
            kind, pins = cell["type"], cell["connections"]
            if kind == "$_DFF_P_" and pins["C"][0] in clocks:
                registers.append((net(pins["Q"][0]), net(pins["D"][0])))
            elif (gate := kind.removeprefix("$_").removesuffix("_")) in GATES:
                if pins["Y"][0] in clocks:
                    continue
                a, b, s = (net(pins[pin][0]) if pin in pins else 0 for pin in "ABS")
                gates[net(pins["Y"][0])] = (GATES.index(gate), net(pins["Y"][0]), a, b, s)
            elif kind != "$scopeinfo":
                raise InputError(f"Netlist must be made of gates and of flops with the clock clk, but {name} is {kind}")
        self._inputs = {
            name: [net(bit) for bit in port["bits"]]
            for name, port in module["ports"].items()
            if port["direction"] == "input" and name != "clk"
        }
        named = {name: net_name["bits"][0] for name, net_name in module["netnames"].items() if name.startswith(_NET)}
        where = {int(name.removeprefix(_NET)): bit for name, bit in named.items()}
        self._clocks = [net for net, bit in where.items() if bit in clocks]
        self._counted = {at: net(bit) for at, bit in where.items() if bit not in clocks}
        self._nets = len(numbers)
        driven = {0, 1, *gates, *(q for q, _ in registers), *(bit for bits in self._inputs.values() for bit in bits)}
        if undriven := set(numbers.values()) - driven:
            raise InputError(f"Netlist must drive all its nets, but {len(undriven)} are driven by nothing")
        try:
            order = TopologicalSorter({y: gate[2:] for y, gate in gates.items()}).static_order()
            ordered = [gates[net] for net in order if net in gates]
        except CycleError as error:
            raise InputError("Netlist must have no loop without a register, but has one") from error
        self._gates = _array(ordered, 5)
        self._glitchy = _array(_by_cell(ordered, set(self._counted.values())), 5)
        self._registers = _array(registers, 2)


_NET = "qse_net_"


def _clocks(module: Mapping[str, Any]) -> set[Bit]:
    """The nets of the port ``clk``, and those behind buffers on it."""
    clocks: set[Bit] = set(module["ports"]["clk"]["bits"]) if "clk" in module["ports"] else set()
    buffers = [cell["connections"] for cell in module["cells"].values() if cell["type"] == "$_BUF_"]
    while more := {pins["Y"][0] for pins in buffers if pins["A"][0] in clocks} - clocks:
        clocks |= more
    return clocks


def _with_names(netlist: Path, models: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Lower the netlist to gates, ``gates.json`` in ``folder``, nets named by their numbers; returns the original."""
    if netlist.suffix == ".v":
        shutil.copy(netlist, folder / "netlist.v")
        run_native_yosys("read_verilog netlist.v\nproc\nwrite_json netlist.json\n", folder, "netlist.log")
        netlist = folder / "netlist.json"
    original = only_module(netlist)
    nets = sorted({bit for cell in original["cells"].values() for bits in cell["connections"].values() for bit in bits
                   if isinstance(bit, int)})  # fmt: skip
    named = {f"{_NET}{net}": {"hide_name": 0, "bits": [net], "attributes": {"keep": "1"}} for net in nets}
    renamed = {**original, "netnames": {name: {"hide_name": 0, "bits": port["bits"], "attributes": {}}
                                        for name, port in original["ports"].items()} | named}  # fmt: skip
    (folder / "renamed.json").write_text(json.dumps({"modules": {"qse_netlist": renamed}}), encoding="utf-8")
    commands = []
    for number, model in enumerate(models):
        name = f"model{number}{model.suffix}"
        shutil.copy(model, folder / name)
        commands.append(f"{_VERILOG if model.suffix == '.v' else _LIBERTY} {name}")
    # FPGA cells may have inputs that the netlist leaves unconnected: they are 0.
    tied = "setundef -undriven -zero\n" if any(model.suffix == ".v" for model in models) else ""
    run_native_yosys(_LOWER.format(models="\n".join(commands), top="qse_netlist", tied=tied), folder, "gates.log")
    return original


def _by_cell(gates: Sequence[tuple[int, ...]], ends: set[int]) -> list[tuple[int, ...]]:
    """The gates in an order such that one pass advances every cell by one delay: cells from outputs to inputs.

    Within a cell, gates are in topological order.

    Args:
        gates: in topological order.
        ends: the nets between cells.
    """
    depth: dict[int, int] = defaultdict(int)
    for _, y, *needed in gates:
        depth[y] = max(depth[net] + (net in ends) for net in needed)
    for _, y, *needed in reversed(gates):  # a gate within a cell has the depth of the cell's output
        for net in needed:
            if net not in ends:
                depth[net] = max(depth[net], depth[y])
    return [gate for _, gate in sorted(enumerate(gates), key=lambda item: (-depth[item[1][1]], item[0]))]


@cache
def _simulator() -> Any:
    """The function in :data:`SOURCE`."""
    simulate = load_library(SOURCE, FLAGS).activity
    simulate.restype = ctypes.c_long
    return simulate


def _packed(patterns: npt.NDArray[np.uint32], width: int) -> npt.NDArray[np.uint64]:
    """(beats, chunks) of 64 bits: the lanes of a beat next to each other, lane 0 in the low bits of the first chunk."""
    lanes = patterns.shape[1]
    packed = np.zeros((len(patterns), -(-lanes * width // 64)), np.uint64)
    for lane in range(lanes):
        chunk, shift = divmod(lane * width, 64)
        wide = patterns[:, lane].astype(np.uint64)
        packed[:, chunk] |= wide << np.uint64(shift)
        if shift + width > 64:
            packed[:, chunk + 1] |= wide >> np.uint64(64 - shift)
    return packed


def _array(rows: Sequence[Sequence[int]], width: int) -> npt.NDArray[np.int32]:
    return np.ascontiguousarray(np.array(rows, np.int32).reshape(-1, width))


def _pointer(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
