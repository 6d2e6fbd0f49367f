"""Formal proofs: what holds of a unit's Verilog for all inputs, shown by SymbiYosys.

Each module of properties has ``tasks(config)``, what is to be proved of a unit (nothing, if the module has nothing to
say about it), and ``faults(config)``, the same of units that are wrong: every property has one that it catches.
"""

from importlib import import_module
from typing import Any

from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.synth.formal.task import Fault, Task

PROPERTIES = ("function", "equivalence", "cover", "stream", "axi")


def tasks(config: UnitConfig) -> list[Task]:
    """All that is to be proved of the unit."""
    return [task for name in PROPERTIES for task in _module(name).tasks(config)]


def faults(config: UnitConfig) -> list[Fault]:
    """Faults of the unit, each with the property that catches it."""
    return [fault for name in PROPERTIES for fault in _module(name).faults(config)]


def _module(name: str) -> Any:
    return import_module(f"qse_hw.synth.formal.{name}")
