"""What all targets share."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.synth.result import Area, Timing


@dataclass(frozen=True, kw_only=True)
class Target(ABC):
    """Where a unit is to be built.

    Args:
        freq: the clock that the tools aim at, MHz.

    Attributes:
        family: the part of the name before the colon.
        builds: values of a unit's own ``target`` that can be built here.
        programs: the tools that are needed.
        seeded: whether there is a placement that depends on a seed.
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
        """All that results depend on, as JSON."""

    def can_build(self, unit: Emitted) -> bool:
        """Whether the unit is made of cells that there are here."""
        return getattr(unit.config, "target", "generic") in self.builds

    @abstractmethod
    def area(self, unit: Emitted, folder: Path) -> Area:
        """Synthesize the bare unit in ``folder``, a place of its own, and count its cells.

        Raises:
            InputError: if a tool is missing or fails, or the unit does not fit.
        """

    @abstractmethod
    def prepare(self, unit: Emitted, wrapped: str, folder: Path) -> None:
        """Synthesize what :meth:`timing` needs: the unit in the frame of :mod:`qse_hw.synth.timing_wrapper`, Verilog
        ``wrapped``.

        Raises:
            InputError: if a tool is missing or fails.
        """

    @abstractmethod
    def timing(self, unit: Emitted, folder: Path, seed: int) -> Timing:
        """Fmax and critical path of what was prepared in ``folder``, placed with ``seed``.

        Raises:
            InputError: if a tool fails, or nothing is clocked.
        """

    @abstractmethod
    def netlist(self, unit: Emitted, folder: Path) -> Emitted:
        """The synthesized bare unit for a simulator: instead of its Verilog its netlist, with its cells as models.

        Top module, ports and behaviour are the unit's.

        Raises:
            InputError: if a tool is missing or fails, or a cell has no model.
        """
