"""An integer Mamba-1 in Verilog behind its buses: token ids in, logits and the values of every tensor out."""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from qse_hw.rtl_gen.accelerator.image_words import image_bytes
from qse_hw.rtl_gen.emit.emit import Emitted, emit
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.accelerator import AcceleratorConfig
from qse_hw.sim.accelerator.accelerator import PATIENCE, Accelerator
from qse_hw.sim.accelerator.bus_program import BusProgram
from qse_hw.sim.accelerator.library import ALWAYS, Ran


class BusAccelerator(Accelerator):
    """A model's accelerator in Verilog, its image in a simulated memory, ready, at the start of all its sequences.

    Args:
        config: what to build; taps are added.
        folder: for all files that are made.
        latency, share, seed, short: see :class:`BusProgram`.
        build: makes the Verilog, see :class:`Accelerator`.

    Attributes:
        program: the simulation; ``image_map``: where its memory has what.

    Raises:
        InputError: if Verilator or what it needs is missing.
        RuntimeError: if compilation or loading fails.
    """

    def __init__(
        self, config: AcceleratorConfig, folder: Path, *, latency: int = 1, share: int = ALWAYS, seed: int = 1,
        short: bool = False, build: Callable[[UnitConfig], Emitted] = emit,
    ) -> None:
        config = config if config.taps else replace(config, taps=True)  # a new one reads the model again
        self.parameters, self.config = config.integers, config.mixer
        unit, image = build(config), image_bytes(config.integers, config.mixer, folder)
        self._widths = {port["name"]: port["width"] for port in unit.ports}
        self.image_map = config.image
        self._words = len(image) * 8 // config.bus_bits * (1 + ALWAYS // share)
        self.program = BusProgram(unit, folder, image=image, latency=latency, share=share, seed=seed, short=short)
        self._start()

    def close(self) -> None:
        self.program.close()

    def reset(self, seed: int | None = None, *, kept: Collection[int] = ()) -> None:
        """Reset the unit, wherever it is, and start it again, whereby all sequences begin anew, whatever is ``kept``;
        the pauses go on, whatever ``seed`` is."""
        self.program.reset()
        self._start()

    def soft_reset(self) -> None:
        """As a reset, but by the command."""
        self.program.command("SOFT_RESET")
        self.program.settle("IDLE", limit=self._limit())
        self._start()

    def _start(self) -> None:
        state, flags = self.program.start(limit=self._limit())
        if state != "READY":
            raise RuntimeError(f"the image was not accepted: {', '.join(sorted(flags))}")
        self.program.write("MODE", 1)
        self._begun = set()

    def _limit(self) -> int:
        return super()._limit() + PATIENCE * self._words

    def _run(self, token: int, sequence: int, limit: int) -> Ran:
        if sequence not in self._begun:
            self.program.command("NEW_SEQUENCE", sequence=sequence)
        return self.program.run(token, sequence=sequence, outputs=self.config.vocabulary, limit=limit)
