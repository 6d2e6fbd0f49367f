"""Cycle-accurate models: the value of every port of a unit in every cycle, without simulating its gates."""

from importlib import import_module
from typing import Any, Protocol

from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace


class Model(Protocol):
    """A unit, cycle by cycle."""

    def run(self, stimulus: Stimulus) -> Trace:
        """What is on every port in every cycle of ``stimulus``."""


def model(config: UnitConfig) -> Model:
    """The model of that unit: class ``NameModel`` of the module called like the unit."""
    module = import_module(f"{__name__}.{config.unit}")
    name = "".join(word.capitalize() for word in config.unit.split("_"))
    model_class: Any = getattr(module, f"{name}Model")
    made: Model = model_class(config)
    return made
