"""The interface of all targets."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.synth.result import Area, Timing


@dataclass(frozen=True, kw_only=True)
class Target(ABC):
    """A device, or a library of standard cells, for which units are built.

    Args:
        freq: the clock that the tools aim at, MHz.

    Attributes:
        family: the part of the name before the colon.
        builds: values of a unit's own ``target`` that can be built for it.
        programs: the tools that it needs.
        seeded: whether it has a placement, which depends on a seed.
    """

    freq: float = 400.0

    family: ClassVar[str]
    builds: ClassVar[tuple[str, ...]] = ("generic",)
    programs: ClassVar[tuple[str, ...]]
    seeded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 1 <= self.freq <= 2000:  # false for NaN, too
            raise InputError(f"Frequency must be from 1 to 2000 MHz, not {self.freq!r}")

    @property
    @abstractmethod
    def name(self) -> str:
        """Family and device, e.g. ``ice40:hx8k``."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Everything that results depend on, as JSON."""

    def can_build(self, unit: Emitted) -> bool:
        """Whether the target has all cells that the unit instantiates."""
        return getattr(unit.config, "target", "generic") in self.builds

    @abstractmethod
    def area(self, unit: Emitted, folder: Path) -> Area:
        """Synthesize the bare unit in ``folder``, which nothing else uses, and count its cells.

        Raises:
            InputError: if a tool is missing or fails, or the unit does not fit.
        """

    @abstractmethod
    def prepare(self, unit: Emitted, wrapped: str, folder: Path) -> None:
        """Synthesize what :meth:`timing` needs: ``wrapped``, Verilog of the unit in its
        :mod:`qse_hw.synth.timing_wrapper`.

        Raises:
            InputError: if a tool is missing or fails.
        """

    @abstractmethod
    def timing(self, unit: Emitted, folder: Path, seed: int) -> Timing:
        """Fmax and critical path of the design that was prepared in ``folder``, placed with ``seed``.

        Raises:
            InputError: if a tool fails, or the design has no path between flops.
        """

    @abstractmethod
    def netlist(self, unit: Emitted, folder: Path) -> Emitted:
        """The synthesized bare unit for a simulator: the netlist instead of the Verilog, with models of its cells.

        Top module, ports and behaviour are the unit's.

        Raises:
            InputError: if a tool is missing or fails, or a cell has no model.
        """
