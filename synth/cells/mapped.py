"""A flat netlist of a library's cells, read from the output of Yosys' ``write_json``."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.files import read_json
from qse_hw.synth.cells.cell import Cell, Library, Pin, lacking

Bit = int | str
"""A net: Yosys' number, or ``0``, ``1``, ``x`` for a constant."""


@dataclass(frozen=True, eq=False)
class Instance:
    """A cell of the netlist, with the net on each pin."""

    name: str
    cell: Cell
    nets: Mapping[str, Bit]

    def pins(self, direction: str) -> Iterator[tuple[str, Pin, Bit]]:
        """Connected pins of a direction: name, pin, net."""
        return (
            (name, self.cell.pins[name], net)
            for name, net in self.nets.items()
            if self.cell.pins[name].direction == direction
        )


class MappedNetlist:
    """A netlist with one clock.

    Args:
        module: of a document of ``write_json``; its cells are the library's.
        library: defines the cells.

    Attributes:
        library: as given.
        instances: the cells, in no particular order.
        inputs, outputs: the ports' nets by name, low bit first.
        names: the user's names of nets, ``signal[3]``; if a net has several, the one highest in the hierarchy.
        drivers: by net, instance and pin.
        readers: by net, instances and pins.

    Raises:
        InputError: for a cell that the library lacks; for a cell that keeps state and is no flop with a rising clock;
            for an input pin that is not connected or whose capacitance the file does not give; for a net with two
            drivers, or without a driver if something reads it; for a clock that is not a single input port, or that is
            read as data.
    """

    def __init__(self, module: Mapping[str, Any], library: Library) -> None:
        self.library = library
        self.instances = [
            _instance(library, name, cell["type"], cell["connections"])
            for name, cell in module["cells"].items()
            if cell["type"] != "$scopeinfo"
        ]
        ports = {name: (port["direction"], port["bits"]) for name, port in module["ports"].items()}
        self.inputs, self.outputs = (
            {name: bits for name, (direction, bits) in ports.items() if direction == wanted}
            for wanted in ("input", "output")
        )
        self.names = user_names(module)
        self.drivers: dict[Bit, tuple[Instance, str]] = {}
        self.readers: dict[Bit, list[tuple[Instance, str]]] = {}
        given = {bit for bits in self.inputs.values() for bit in bits}
        for instance in self.instances:
            for pin, _, net in instance.pins("input"):
                self.readers.setdefault(net, []).append((instance, pin))
            for pin, _, net in instance.pins("output"):
                if net in self.drivers or net in given:
                    raise InputError(f"Netlist must have one driver per net, but {self.names.get(net, net)} has two")
                self.drivers[net] = instance, pin
        read = self.readers.keys() | {net for nets in self.outputs.values() for net in nets}
        for net in read - self.drivers.keys() - given:
            if isinstance(net, int):
                raise InputError(
                    f"Netlist must drive every net that is read, but {self.near(net) or net} has no driver"
                )
        self._check_clock(given)

    @classmethod
    def read(cls, file: Path, library: Library) -> "MappedNetlist":
        """The one module in a file of ``write_json``.

        Raises:
            InputError: as the class; if the file cannot be read or has several modules.
        """
        return cls(only_module(file), library)

    def _check_clock(self, given: set[Bit]) -> None:
        for instance in self.instances:
            if instance.cell.flop is not None and instance.nets[instance.cell.flop.clock] not in given:
                net, pin = instance.nets[instance.cell.flop.clock], instance.cell.flop.clock
                what = self.near(net) or net if isinstance(net, int) else f"constant {net}"
                raise InputError(
                    f"Netlist must clock its flops from an input port, but {pin} of {instance.name}, a "
                    f"{instance.cell.name}, is on {what}"
                )
        if len(self.clocks) > 1:
            names = ", ".join(sorted(str(self.names.get(net, net)) for net in self.clocks))
            raise InputError(f"Netlist must have one clock, not {len(self.clocks)}: {names}")
        for net in self.clocks:
            for instance, pin in self.readers[net]:
                if instance.cell.flop is None or instance.cell.flop.clock != pin:
                    raise InputError(
                        f"Netlist must use its clock at clock pins only, but {pin} of {instance.name}, a "
                        f"{instance.cell.name}, reads it"
                    )

    @cached_property
    def clocks(self) -> frozenset[Bit]:
        """The nets on flops' clock pins."""
        return frozenset(i.nets[i.cell.flop.clock] for i in self.instances if i.cell.flop is not None)

    def capacitance(self, net: Bit) -> float:
        """The capacitance of all input pins on the net, pF; wires have none."""
        return sum(instance.cell.pins[pin].capacitance for instance, pin in self.readers.get(net, ()))

    def loads(self, net: Bit) -> tuple[float, float]:
        """As :meth:`capacitance`: rise and fall capacitance."""
        pins = [instance.cell.pins[pin].edges for instance, pin in self.readers.get(net, ())]
        return sum(rise for rise, _ in pins), sum(fall for _, fall in pins)

    def near(self, net: Bit) -> str:
        """The user's name of the net, else of the nearest named net downstream, else upstream; "" if there is none."""
        for forward in (True, False):
            seen, wave = {net}, [net]
            while wave:
                for at in wave:
                    if at in self.names:
                        return self.names[at]
                wave = [n for n in dict.fromkeys(n for at in wave for n in self._next(at, forward)) if n not in seen]
                seen.update(wave)
        return ""

    def _next(self, net: Bit, forward: bool) -> Iterator[Bit]:
        if forward:
            return (out for instance, _ in self.readers.get(net, ()) for _, _, out in instance.pins("output"))
        if net not in self.drivers:
            return iter(())
        return (before for _, _, before in self.drivers[net][0].pins("input") if before not in self.clocks)


def only_module(file: Path) -> dict[str, Any]:
    """The only module, except black boxes, in a file of Yosys' ``write_json``.

    Raises:
        InputError: if the file cannot be read, or has none or several.
    """
    document = read_json(file, f"Netlist {file}")
    modules = document.get("modules", {}) if isinstance(document, dict) else {}
    flat: list[dict[str, Any]] = [module for module in modules.values() if "blackbox" not in module["attributes"]]
    if len(flat) != 1:
        raise InputError(f"Netlist {file} must have one module, not {len(flat)}; flatten it")
    return flat[0]


def user_names(module: Mapping[str, Any]) -> dict[Bit, str]:
    """The user's names of a module's nets, without the tools' own, which begin with ``$`` or ``_``."""
    nets = {name: net["bits"] for name, net in module["netnames"].items() if not net["hide_name"]}
    named = [name for name in nets if not any(part.startswith(("$", "_")) for part in name.split("."))]
    names: dict[Bit, str] = {}
    for name in sorted(named, key=lambda name: (name not in module["ports"], name.count("."), len(name), name)):
        for place, bit in enumerate(nets[name]):
            if isinstance(bit, int):
                names.setdefault(bit, name if len(nets[name]) == 1 else f"{name}[{place}]")
    return names


def _instance(library: Library, name: str, kind: str, connections: Mapping[str, list[Bit]]) -> Instance:
    cell = library.cells.get(kind)
    if cell is None:
        why = f", which is left out: {library.left_out[kind]}" if kind in library.left_out else ""
        raise InputError(f"Netlist must be of cells of {library.name}, but {name} is {kind}{why}")
    if cell.memory and (cell.flop is None or not cell.flop.rising):
        raise InputError(f"Netlist must keep state in flops with a rising clock only, but {name} is {kind}")
    if unknown := connections.keys() - cell.pins.keys():
        raise InputError(f"Netlist must connect pins that the cell has, but {name}, a {kind}, has no {min(unknown)}")
    if cell.flop is not None and (cell.flop.clock not in cell.pins or cell.pins[cell.flop.clock].direction != "input"):
        raise lacking(kind, f"an input pin as clock, not {cell.flop.clock}")
    nets = {pin: bits[0] for pin, bits in connections.items() if bits}
    for pin, properties in cell.pins.items():
        if properties.direction == "input" and pin not in nets:
            raise InputError(f"Netlist must connect every input pin, but {pin} of {name}, a {kind}, is not connected")
        if properties.direction == "input" and math.isnan(sum(properties.edges)):
            raise lacking(kind, f"a capacitance of pin {pin} (or the library a default_input_pin_cap)")
    return Instance(name, cell, nets)
