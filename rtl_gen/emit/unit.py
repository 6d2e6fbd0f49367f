"""What to build: one object from the command line to the component."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from importlib import import_module
from typing import Any, ClassVar, Self

import numpy as np

from qse_hw.golden.checks import one_of
from qse_hw.rtl_gen.emit.beats import Beats
from qse_hw.rtl_gen.emit.names import check_name
from qse_hw.rtl_gen.emit.testbench import testbench
from qse_hw.rtl_gen.units import options

UNITS = (
    "encoder", "decoder", "linear", "hadamard", "quantizer", "function", "convolution", "rmsnorm", "argmax",
    "residual", "matvec", "time_step", "activation", "gate",
    "scan",
)  # fmt: skip


WHOLE = ("model", "accelerator")
"""Whole models, with streams and with buses: they are generated and synthesized, but not swept."""


class UnitConfig(ABC):
    """A unit's numerics and implementation; the classes in :mod:`qse_hw.rtl_gen.units` are frozen dataclasses.

    Their fields are the unit's options (:mod:`qse_hw.rtl_gen.units.options`), which are checked when one is made.

    Attributes:
        unit: one of :data:`UNITS` or :data:`WHOLE`.
        summary: what it does, in a few words.
        lanes: values per beat.

    Raises:
        TypeError, InputError: for options of the wrong type or out of range.
    """

    unit: ClassVar[str]
    summary: ClassVar[str]
    lanes: int

    def __post_init__(self) -> None:
        """Check every option by itself; units with rules for several together add them."""
        options.check(self)

    @property
    def top(self) -> str:
        """Name of the Verilog module, with which the names of all modules within and of the files begin."""
        return self.__dict__.get("_name") or f"qse_{self.unit}"

    @property
    def has_name(self) -> bool:
        """Whether :meth:`named` has given it one."""
        return "_name" in self.__dict__

    def named(self, name: str) -> Self:
        """The same unit by another name, so that a design can have several; InputError if no module can have it."""
        unit = copy(self)
        object.__setattr__(unit, "_name", check_name(name))
        return unit

    @property
    @abstractmethod
    def label(self) -> str:
        """The unit in a few words, for tables."""

    @abstractmethod
    def component(self) -> Any:
        """The Amaranth component; it has a ``latency``, in cycles."""

    @property
    def initiation_interval(self) -> int:
        """Cycles per input beat in steady state, averaged over a vector."""
        return 1

    def parameters(self) -> dict[str, Any]:
        """The configuration, as JSON."""
        return {"unit": self.unit, **options.to_json(self)}

    @abstractmethod
    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Test vectors: inputs, and outputs of the golden model for them."""

    def facts(self) -> dict[str, Any]:
        """Further members of the manifest, as JSON, such as the codes' values."""
        return {}

    def meanings(self) -> Mapping[str, str]:
        """Meanings of the unit's own ports, by name; those of shared ports are in :mod:`qse_hw.rtl_gen.emit.emit`."""
        return {}

    def beats(self) -> Beats | None:
        """The vectors as beats of the unit's streams, for the generated testbench.

        None if a testbench that only drives and checks streams cannot check the unit.
        """
        return None

    def testbench(
        self, ports: Sequence[Mapping[str, Any]], latency: int, *, sources: Sequence[str]
    ) -> dict[str, str]:
        """Files of a self-checking testbench in plain Verilog, text by name; empty if there is none.

        Args:
            ports: the unit's, as :class:`qse_hw.rtl_gen.emit.emit.Emitted` lists them.
            latency: the unit's, in cycles.
            sources: names of the unit's Verilog files, for the commands in the testbench's comments.
        """
        beats = self.beats()
        return {} if beats is None else testbench(self.top, ports, beats, latency, sources=sources)

    def files(self) -> dict[str, str]:
        """Further generated files, text by name."""
        return {}


def unit_class(name: str) -> type[UnitConfig]:
    """The configuration's class of a unit.

    Raises:
        InputError: if there is no such unit.
    """
    config: type[UnitConfig] = import_module(f"qse_hw.rtl_gen.units.{check_unit(name, (*UNITS, *WHOLE))}").CONFIG
    return config


def check_unit(name: str, among: Sequence[str] = UNITS) -> str:
    """``name``; InputError if it is not in ``among``."""
    one_of(name, among, "Unit")
    return name

