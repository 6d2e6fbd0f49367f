"""Formal proofs by SymbiYosys: properties of a unit's Verilog that hold for all inputs.

Each module of properties has ``tasks(config)``, the proofs for a unit (none if its properties do not apply to it), and
``faults(config)``, the same proofs of faulty units, which must fail: every property catches at least one fault.
"""

from importlib import import_module
from typing import Any

from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.synth.formal.task import Fault, Task

PROPERTIES = ("function", "arithmetic", "equivalence", "cover", "stream", "axi", "matvec", "memory")

PROVED = (
    "encoder", "decoder", "quantizer", "function", "linear", "matvec", "convolution", "rmsnorm", "scan", "gate",
    "residual", "time_step", "activation", "accelerator",
)  # fmt: skip
"""The units that have properties."""


def tasks(config: UnitConfig) -> list[Task]:
    """All proofs for the unit."""
    return [task for name in PROPERTIES for task in _module(name).tasks(config)]


def faults(config: UnitConfig) -> list[Fault]:
    """Faults of the unit, each with the property that catches it."""
    return [fault for name in PROPERTIES for fault in _module(name).faults(config)]


def _module(name: str) -> Any:
    return import_module(f"qse_hw.synth.formal.{name}")
