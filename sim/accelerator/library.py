"""A unit's Verilog with taps, compiled to a library for Python."""

import ctypes
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.sim.simulators.verilate import LIBRARY, verilate

Bytes = npt.NDArray[np.uint8]

TOP = "accelerator"
ALWAYS = 256
"""The share of 256 cycles in which a memory or sink answers: all."""


class Pace(ctypes.Structure):
    """What answers in ``share`` of 256 cycles, at random; ``word``: the generator's state."""

    _fields_ = [("word", ctypes.c_uint32), ("share", ctypes.c_uint32)]


class Taps(ctypes.Structure):
    """Room for the values that pass, and how many rows of them there are."""

    _fields_ = [
        ("values", ctypes.c_void_p), ("cycles", ctypes.c_void_p), ("room", ctypes.c_long), ("size", ctypes.c_long),
        ("rows", ctypes.c_long),
    ]  # fmt: skip

    @classmethod
    def of(cls, values: Bytes, cycles: npt.NDArray[np.int64]) -> "Taps":
        """Room for as many rows as the arrays have: ``values`` (rows, bytes), ``cycles`` (rows,)."""
        return cls(values.ctypes.data, cycles.ctypes.data, *values.shape, 0)


class Ran(NamedTuple):
    """What a token gave.

    Attributes:
        outputs: beats (outputs, bytes).
        taps: rows (rows, bytes), one for each cycle in which a tap was valid; ``tap_cycles`` (rows,): these cycles.
        cycles: from the token's first input beat, offered at once, to its last output.
        weight_beats: beats of weights that were taken.
    """

    outputs: Bytes
    taps: Bytes
    tap_cycles: npt.NDArray[np.int64]
    cycles: int
    weight_beats: int


def compile_library(unit: Emitted, driver: Path, folder: Path, *, short: bool) -> ctypes.CDLL:
    """The library of a unit with taps and its driver.

    Args:
        unit: with taps.
        driver: C++, which includes ``surroundings.hpp``.
        folder: for all files that are made.
        short: compile without optimization, for a few tokens.

    Raises:
        InputError: if Verilator or what it needs is missing.
        RuntimeError: if compilation fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {f"{unit.config.top}.v": unit.text, **unit.models, f"{TOP}.v": wrapper(unit)}
    sources = [folder / name for name in texts]
    for path, text in zip(sources, texts.values(), strict=True):
        path.write_text(text)
    compiled = verilate(sources, driver, TOP, folder / "obj", arguments=LIBRARY, short=short)
    library = ctypes.CDLL(str(compiled))
    library.start.restype = ctypes.c_void_p
    return library


class Simulation:
    """Compiled Verilog with taps, from its start to :meth:`close`; whoever inherits gives the library's own arguments.

    Args:
        unit, driver, folder, short: see :func:`compile_library`.

    Raises:
        InputError: if Verilator or what it needs is missing.
        RuntimeError: if compilation fails.
    """

    def __init__(self, unit: Emitted, driver: Path, folder: Path, *, short: bool) -> None:
        self._library = compile_library(unit, driver, folder, short=short)
        self._widths: dict[str, int] = {port["name"]: port["width"] for port in unit.ports}
        self._started: int | None = None

    def _start(self, *arguments: Any) -> None:
        self._started = self._library.start(*arguments)
        if not self._started:
            raise RuntimeError("the simulation failed")

    @property
    def _pointer(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(self._started)

    def close(self) -> None:
        """End the simulation."""
        if self._started:
            self._library.stop(self._pointer)
            self._started = None

    def _tap_rows(self, limit: int) -> tuple[Bytes, npt.NDArray[np.int64]]:
        """Room for the taps of ``limit`` cycles: rows (limit, bytes), and their cycles (limit,)."""
        return np.zeros((limit, tap_bytes(self._widths)), np.uint8), np.zeros(limit, np.int64)


def check_outputs(done: int, received: int, wanted: int, cycles: int) -> None:
    """RuntimeError if the library failed, or other than ``wanted`` outputs came."""
    if not done:
        raise RuntimeError("the simulation failed")
    if received != wanted:
        raise RuntimeError(f"{received} of {wanted} outputs came within {cycles} cycles")


def tap_ports(widths: dict[str, int]) -> list[str]:
    """Names of the taps, in the order of their bits."""
    return [name.removesuffix("__valid").removeprefix("tap_") for name in widths if _is_tap(name)]


def tap_bits(widths: dict[str, int]) -> int:
    """Bits of a row of taps: a valid bit for each, then the payloads."""
    return sum(1 + widths[f"tap_{name}__payload"] for name in tap_ports(widths))


def tap_bytes(widths: dict[str, int]) -> int:
    """Bytes of a row of taps."""
    return byte_count(tap_bits(widths))


def _is_tap(name: str) -> bool:
    return name.startswith("tap_") and name.endswith("__valid")


def byte_count(bits: int) -> int:
    """Bytes that hold so many bits."""
    return -(-bits // 8)


def wrapper(unit: Emitted) -> str:
    """Verilog of the module ``accelerator``: ports under names that C++ has, and all taps in one port. Nothing is
    cleared."""
    widths: dict[str, int] = {port["name"]: port["width"] for port in unit.ports}
    taps = tap_ports(widths)
    ports, pins, wires = [], {}, []
    for port in unit.ports:
        name: str = port["name"]
        if name.startswith("tap_"):
            wires.append(f"wire {_range(port['width'])}{name};")
        elif name != "clear":
            pins[name] = name.removesuffix("__payload").replace("__", "_")
            ports.append(f"{port['direction']} {_range(port['width'])}{pins[name]}")
    pins |= {name: name for name in widths if name.startswith("tap_")}
    pins |= {"clear": "1'b0"} if "clear" in widths else {}
    ports += [f"output {_range(tap_bits(widths))}taps", "output taps_valid"]
    valid = ", ".join(f"tap_{name}__valid" for name in reversed(taps))
    payload = ", ".join(f"tap_{name}__payload" for name in reversed(taps))
    body = "\n  ".join([*wires, f"assign taps = {{{payload}, {valid}}};", f"assign taps_valid = |{{{valid}}};"])
    connections = ", ".join(f".{pin}({net})" for pin, net in pins.items())
    return (
        f"module {TOP} (\n  " + ",\n  ".join(ports) + f"\n);\n  {body}\n"
        f"  {unit.config.top} unit ({connections});\nendmodule\n"
    )


def _range(bits: int) -> str:
    return f"[{bits - 1}:0] "
