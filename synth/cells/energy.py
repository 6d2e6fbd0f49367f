"""Energy per value of a netlist of standard cells: toggles times the Liberty file's capacitances and internal energies.

Each toggle of a net costs C V^2 / 2, where C is the capacitance of the input pins on it. Each toggle of a cell's output
also costs the cell's internal energy, at the slew and load that :mod:`qse_hw.synth.cells.sta` computes; rising and
falling edges are equally frequent. If several inputs may have caused the toggle, their energies are averaged, weighted
by how often each input toggles. Input pins that have an internal energy of their own cost it at each toggle, clock pins
at each of the clock's two edges. The groups for different states (``when``) are averaged with equal weights. Leakage is
the sum over the cells (:mod:`qse_hw.synth.cells.liberty_leakage`). If the library lacks a figure for a cell in use, no
sum that needs it is given, but the reason.

Limits: no wires; no clock tree (nothing drives the flops' clock pins); the file's operating conditions only; no load on
output ports, while the unit's input pins load the input ports; glitches only if the activity has them. The figures
compare units; they do not predict the power of a chip.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from qse_hw.synth.activity import Activity
from qse_hw.synth.cells.cell import Cell, Library, Pin, Power
from qse_hw.synth.cells.mapped import Bit, Instance, MappedNetlist
from qse_hw.synth.cells.sta import CLOCK_SLEW, PORT_SLEW, TimingReport

INPUTS = "(inputs)"


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy per value, pJ; the parts add up to :attr:`total`. None: the library does not give it.

    Attributes:
        switching: charging the nets, except the clock's.
        internal: within the cells, except at their clock pins.
        clock: charging the clock net, and within the flops at each of its edges.
        by_cell: the same by type of the cell that drives the net or has the pin; :data:`INPUTS`: nets of input ports;
            None if there is no total.
        leakage: static power, W; not in the total.
        values: number of values simulated.
        voltage: V.
        missing: why the total (``energy``) or ``leakage`` is None.
    """

    switching: float | None
    internal: float | None
    clock: float | None
    by_cell: Mapping[str, float] | None
    leakage: float | None
    values: int
    voltage: float | None
    missing: Mapping[str, str]

    @property
    def total(self) -> float | None:
        """Dynamic energy per value, pJ."""
        if self.switching is None or self.internal is None or self.clock is None:
            return None
        return self.switching + self.internal + self.clock


def energy(mapped: MappedNetlist, activity: Activity, timing: TimingReport) -> Energy:
    """Energy of a netlist under ``activity``, with the slews of ``timing``; both must be of this netlist."""
    library = mapped.library
    used = {instance.cell.name: instance.cell for instance in mapped.instances}
    missing = _missing(library, used)
    volts = math.nan if library.voltage is None else library.voltage
    parts: dict[str, list[float]] = defaultdict(list)
    cells: dict[str, list[float]] = defaultdict(list)

    def add(part: str, cell: str, toggles: float, each: float) -> None:
        parts[part].append(toggles * each)
        cells[cell].append(toggles * each)

    for net in mapped.readers:
        cell = mapped.drivers[net][0].cell.name if net in mapped.drivers else INPUTS
        part = "clock" if net in mapped.clocks else "switching"
        add(part, cell, activity.toggles.get(net, 0), mapped.capacitance(net) * volts**2 / 2)
    for instance in mapped.instances:
        for direction in ("input", "output"):
            for _, pin, net in instance.pins(direction):
                part = "clock" if net in mapped.clocks else "internal"
                each = _internal(mapped, instance, pin, net, activity, timing)
                add(part, instance.cell.name, activity.toggles.get(net, 0), each)

    def per_value(energies: Sequence[float]) -> float:
        return math.fsum(energies) / activity.values

    known: tuple[str, ...] = ("switching", "internal", "clock")
    if "energy" in missing:
        known = () if library.no_energy else ("switching",)
    leaks = [instance.cell.leakage for instance in mapped.instances if instance.cell.leakage is not None]
    return Energy(
        **{part: per_value(parts[part]) if part in known else None for part in ("switching", "internal", "clock")},
        by_cell=None
        if "energy" in missing
        else {cell: per_value(energies) for cell, energies in sorted(cells.items())},
        leakage=None if "leakage" in missing else math.fsum(leaks),
        values=activity.values,
        voltage=library.voltage,
        missing=missing,
    )


def _missing(library: Library, used: Mapping[str, Cell]) -> dict[str, str]:
    """Why the total (``energy``) or ``leakage`` cannot be given."""
    missing = {}
    without = [name for name, cell in sorted(used.items()) if not cell.has_internal_energy]
    if library.no_energy:
        missing["energy"] = library.no_energy
    elif without:
        missing["energy"] = f"Library {library.name} has no internal_power for {_listed(without)}"
    silent = {name: cell.no_leakage for name, cell in sorted(used.items()) if cell.leakage is None}
    if silent:
        reason = next(iter(silent.values()))
        missing["leakage"] = f"Library {library.name} has no leakage for {_listed(list(silent))} ({reason})"
    return missing


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _internal(
    mapped: MappedNetlist, instance: Instance, pin: Pin, net: Bit, activity: Activity, timing: TimingReport
) -> float:
    """pJ within the cell per toggle of one of its pins, the mean of rising and falling."""
    causes: dict[str, list[Power]] = defaultdict(list)
    for power in pin.powers:
        causes[power.related].append(power)
    load, weighted, weights = mapped.capacitance(net), [], []
    for related, powers in causes.items():
        cause = instance.nets.get(related, net)
        slew = CLOCK_SLEW if cause in mapped.clocks else fmean(timing.slews.get(cause, (PORT_SLEW, PORT_SLEW)))
        supplies: dict[str, list[Power]] = defaultdict(list)
        for power in powers:
            supplies[power.supply].append(power)
        weighted.append(sum(_per_toggle(states, slew, load) for states in supplies.values()))
        weights.append(activity.toggles.get(cause, 0))
    return fmean(weighted, weights if any(weights) else None) if weighted else 0.0


def _per_toggle(states: Sequence[Power], slew: float, load: float) -> float:
    """The mean over the states and over the edges that the file gives: a reset only makes an output fall."""
    edges = [[power.rise for power in states], [power.fall for power in states]]
    given = [[table.at(slew, load) for table in tables if table is not None] for tables in edges]
    return fmean(fmean(energies) for energies in given if energies)
