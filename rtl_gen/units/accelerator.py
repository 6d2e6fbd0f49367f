# amaranth: UnusedElaboratable=no
"""Configuration of an accelerator for a calibrated Mamba-1 with buses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.argmax import argmax
from qse_hw.rtl_gen.memory.config import ADDRESS_BITS, BURST_BEATS, BURSTS, BUS_BITS, BusConfig
from qse_hw.rtl_gen.units.model import ModelConfig
from qse_hw.rtl_gen.units.options import option

if TYPE_CHECKING:
    from qse_hw.rtl_gen.accelerator.image_words import ImageMap
    from qse_hw.rtl_gen.bus.registers import RegisterMap


@dataclass(frozen=True, kw_only=True)
class AcceleratorConfig(ModelConfig):
    """A model with buses: see :class:`qse_hw.rtl_gen.accelerator.accelerator.Accelerator`."""

    unit: ClassVar[str] = "accelerator"
    summary: ClassVar[str] = "a calibrated Mamba-1 with AXI4 to its memory, AXI4-Stream and AXI4-Lite"

    bus_bits: int = option(BUS_BITS)
    address_bits: int = option(ADDRESS_BITS)
    burst_beats: int = option(BURST_BEATS)
    bursts: int = option(BURSTS)

    def __post_init__(self) -> None:
        super().__post_init__()
        bus, engine = self.bus, self.rows * self.columns
        if engine * 8 % bus.bus_bits and bus.bus_bits % (engine * 8):
            raise InputError(
                f"Bus bits must be a multiple or a divisor of the {engine * 8} bits of weights that the engine of "
                f"{self.rows} x {self.columns} takes per cycle, not {bus.bus_bits}"
            )
        if self.image.size > 1 << bus.address_bits:
            raise InputError(
                f"Address bits must be enough for the {self.image.size:,} bytes of the image, but are "
                f"{bus.address_bits}; give more"
            )

    @cached_property
    def bus(self) -> BusConfig:
        """The memory's bus."""
        return BusConfig(
            bus_bits=self.bus_bits, address_bits=self.address_bits, burst_beats=self.burst_beats, bursts=self.bursts
        )

    @cached_property
    def image(self) -> "ImageMap":
        """Where the memory has what."""
        from qse_hw.rtl_gen.accelerator.image_words import ImageMap

        return ImageMap(self.mixer)

    @property
    def registers(self) -> "RegisterMap":
        """The register map."""
        from qse_hw.rtl_gen.accelerator.registers import accelerator_registers

        return accelerator_registers(self.image, self.bus)

    @property
    def label(self) -> str:
        return f"{super().label} bus={self.bus_bits}"

    def component(self) -> Any:
        from qse_hw.rtl_gen.accelerator.accelerator import Accelerator

        return Accelerator(self.mixer, self.bus)

    @property
    def initiation_interval(self) -> int:
        return self.mixer.product_cycles

    def meanings(self) -> Mapping[str, str]:
        from qse_hw.rtl_gen.accelerator.meanings import port_meanings

        taps = {name: text for name, text in self.mixer.meanings().items() if name.startswith("tap_")}
        return port_meanings(self.bus, self.sequences) | taps

    def beats(self) -> None:
        """None: :meth:`testbench` has a host and a memory."""

    def facts(self) -> dict[str, Any]:
        """The model's facts; the image that the memory must hold; the registers."""
        from qse_hw.golden.models.integer.image.header import VERSION
        from qse_hw.rtl_gen.accelerator.image_words import hardware_crc

        image = self.image
        return {
            **super().facts(),
            "image": {
                "version": VERSION,
                "hardware": hardware_crc(self.mixer),
                "bytes": image.size,
                "parts": {name: {"offset": begin, "bytes": size} for name, (begin, size) in image.regions.items()},
            },
            "registers": self.registers.facts(),
        }

    def files(self) -> dict[str, str]:
        from qse_hw.rtl_gen.bus.register_files import register_files

        return register_files(self.registers, self.top)

    def testbench(
        self, ports: Sequence[Mapping[str, Any]], latency: int, *, sources: Sequence[str]
    ) -> dict[str, str]:
        from qse_hw.rtl_gen.accelerator.testbench import accelerator_testbench

        return accelerator_testbench(self, ports, sources=sources)

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        """:meth:`written`, and the largest logits' indices (tokens,)."""
        written = self.written()
        return {**written, "next": argmax(written["logits"])[0]}


CONFIG = AcceleratorConfig
