"""Energy per value of a netlist of standard cells: toggles times the Liberty file's capacitances and internal energies.

A net that toggles costs C V^2 / 2, C the input pins on it. A cell's output that toggles costs the cell's internal
energy besides, at the slew and load that :mod:`synth.sta` finds, rising as often as falling; of several inputs that may
have caused it, each counts by how often it toggles. Input pins with an internal energy of their own cost it at each
toggle, clock pins at each of the clock's two edges. Conditions (``when``) count alike, whatever the state.

Limits: no wires, no clock tree (the flops' clock pins are driven from nowhere), typical conditions of the file; what is
attached to the outputs is not known and costs nothing, while the unit's input pins count as the unit's; glitches only
if the activity has them. Compare units with it; do not promise a battery's life.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from synth.activity import Activity
from synth.cell import Library, Pin, Power
from synth.mapped import Bit, Instance, Mapped
from synth.sta import CLOCK_SLEW, PORT_SLEW, Timing

INPUTS = "(inputs)"


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy per value, pJ; all parts add up to :attr:`total`.

    Attributes:
        switching: charging the nets, but for the clock's.
        internal: within the cells, but for their clock pins.
        clock: charging the clock net, and within the flops at each of its edges.
        by_cell: the same by type of the cell that drives the net or has the pin; :data:`INPUTS`: nets of input ports.
        leakage: power, W, whatever happens; not in the total.
        values: how many were played.
        voltage: V.
    """

    switching: float
    internal: float
    clock: float
    by_cell: Mapping[str, float]
    leakage: float
    values: int
    voltage: float

    @property
    def total(self) -> float:
        """Dynamic energy per value, pJ."""
        return self.switching + self.internal + self.clock


def energy(netlist: Path, library: Library, activity: Activity, timing: Timing) -> Energy:
    """Energy of the netlist in a file of ``write_json`` under ``activity``, with the slews of ``timing``, both its own.

    Raises:
        InputError: if the file is not such a netlist.
    """
    mapped = Mapped.read(netlist, library)
    parts: dict[str, list[float]] = defaultdict(list)
    cells: dict[str, list[float]] = defaultdict(list)

    def add(part: str, cell: str, toggles: float, each: float) -> None:
        parts[part].append(toggles * each)
        cells[cell].append(toggles * each)

    for net in mapped.readers:
        cell = mapped.drivers[net][0].cell.name if net in mapped.drivers else INPUTS
        part = "clock" if net in mapped.clocks else "switching"
        add(part, cell, activity.toggles.get(net, 0), mapped.capacitance(net) * library.voltage**2 / 2)
    for instance in mapped.instances:
        for direction in ("input", "output"):
            for _, pin, net in instance.pins(direction):
                part = "clock" if net in mapped.clocks else "internal"
                each = _internal(mapped, instance, pin, net, activity, timing)
                add(part, instance.cell.name, activity.toggles.get(net, 0), each)

    def per_value(found: Sequence[float]) -> float:
        return math.fsum(found) / activity.values

    return Energy(
        **{part: per_value(parts[part]) for part in ("switching", "internal", "clock")},
        by_cell={cell: per_value(found) for cell, found in sorted(cells.items())},
        leakage=math.fsum(instance.cell.leakage for instance in mapped.instances),
        values=activity.values,
        voltage=library.voltage,
    )


def _internal(mapped: Mapped, instance: Instance, pin: Pin, net: Bit, activity: Activity, timing: Timing) -> float:
    """pJ within the cell per toggle of one of its pins, the mean of rising and falling."""
    causes: dict[str, list[Power]] = defaultdict(list)
    for power in pin.powers:
        causes[power.related].append(power)
    load, weighted, weights = mapped.capacitance(net), [], []
    for related, powers in causes.items():
        cause = instance.nets.get(related, net)
        slew = CLOCK_SLEW if cause in mapped.clocks else fmean(timing.slews.get(cause, (PORT_SLEW, PORT_SLEW)))
        states: dict[str, list[float]] = defaultdict(list)
        for power in powers:
            states[power.supply].append((power.rise.at(slew, load) + power.fall.at(slew, load)) / 2)
        weighted.append(sum(map(fmean, states.values())))
        weights.append(activity.toggles.get(cause, 0))
    return fmean(weighted, weights if any(weights) else None) if weighted else 0.0
