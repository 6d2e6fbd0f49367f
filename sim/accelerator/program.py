"""A mixer's Verilog, compiled to a library that runs token by token."""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.sim.simulators.verilate import LIBRARY, verilate

Bytes = npt.NDArray[np.uint8]

TOP = "accelerator"
ALWAYS = 256
"""The share of 256 cycles in which a memory or sink answers: all."""
_PATIENCE = 10_000  # cycles that a word of parameters may wait
_DRIVER = Path(__file__).with_name("driver.cpp")
_STREAMS = ("parameters", "i", "weights", "scales", "o")


class _Source(ctypes.Structure):
    _fields_ = [
        ("beats", ctypes.c_void_p), ("count", ctypes.c_long), ("size", ctypes.c_long), ("position", ctypes.c_long),
    ]  # fmt: skip

    @classmethod
    def of(cls, beats: Bytes, position: int = 0) -> "_Source":
        return cls(beats.ctypes.data, len(beats), beats.shape[1], position)


class _Pace(ctypes.Structure):
    _fields_ = [("word", ctypes.c_uint32), ("share", ctypes.c_uint32)]


class _Token(ctypes.Structure):
    _fields_ = [
        ("input", _Source), ("weights", _Source), ("scales", _Source),
        ("outputs", ctypes.c_void_p), ("output_count", ctypes.c_long), ("output_size", ctypes.c_long),
        ("taps", ctypes.c_void_p), ("tap_cycles", ctypes.c_void_p), ("tap_room", ctypes.c_long),
        ("tap_size", ctypes.c_long),
        ("limit", ctypes.c_long), ("pace", _Pace),
        ("cycles", ctypes.c_long), ("received", ctypes.c_long), ("tap_rows", ctypes.c_long),
        ("weight_beats", ctypes.c_long),
    ]  # fmt: skip


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


class Program:
    """Compiled Verilog of a mixer, out of reset.

    Args:
        unit: with taps.
        folder: for all files that are made.
        weights, scales: beats (beats, bytes) of a token's streams; they go on from token to token.
        share: of 256 cycles, those in which each memory and the sink answer, at random.
        seed: of that.
        short: compile without optimization, for a few tokens.

    Raises:
        InputError: if Verilator or what it needs is missing.
        RuntimeError: if compilation fails.
    """

    def __init__(
        self, unit: Emitted, folder: Path, *, weights: Bytes, scales: Bytes, share: int = ALWAYS, seed: int = 1,
        short: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        texts = {f"{unit.config.top}.v": unit.text, **unit.models, f"{TOP}.v": wrapper(unit)}
        sources = [folder / name for name in texts]
        for path, text in zip(sources, texts.values(), strict=True):
            path.write_text(text)
        compiled = verilate(sources, _DRIVER, TOP, folder / "obj", arguments=LIBRARY, short=short)
        library = ctypes.CDLL(str(compiled))
        library.start.restype = ctypes.c_void_p
        self._library = library
        self._widths: dict[str, int] = {port["name"]: port["width"] for port in unit.ports}
        self._weights, self._scales = _Source.of(weights), _Source.of(scales)
        self._kept = weights, scales  # the library reads them
        self._pace = _Pace(seed, share)
        self._accelerator = library.start()
        if not self._accelerator:
            raise RuntimeError("the simulation failed")

    def close(self) -> None:
        """End the simulation."""
        if self._accelerator:
            self._library.stop(ctypes.c_void_p(self._accelerator))
            self._accelerator = None

    def reset(self, seed: int | None = None) -> None:
        """Reset the unit; its streams begin again, and its memories keep what they hold. ``seed``: of the pauses that
        follow; None: they go on."""
        if seed is not None:
            self._pace.word = seed
        self._library.reset(ctypes.c_void_p(self._accelerator))
        self._weights.position = self._scales.position = 0

    def load(self, words: Bytes) -> None:
        """Send words (words, bytes) of parameters. RuntimeError if they are not accepted."""
        count, size, patience = (ctypes.c_long(number) for number in (*words.shape, _PATIENCE))
        pointer = ctypes.c_void_p(words.ctypes.data)
        if not self._library.load(ctypes.c_void_p(self._accelerator), pointer, count, size, patience):
            raise RuntimeError(f"a word of parameters was not accepted within {_PATIENCE} cycles")

    def run(self, beats: Bytes, *, outputs: int, limit: int) -> Ran:
        """Send a token's input beats (beats, bytes); returns when as many outputs came.

        Raises:
            RuntimeError: if they do not come within ``limit`` cycles.
        """
        output_beats = np.zeros((outputs, _bytes(self._widths["o__payload"])), np.uint8)
        taps, tap_cycles = np.zeros((limit, tap_bytes(self._widths)), np.uint8), np.zeros(limit, np.int64)
        token = _Token(
            input=_Source.of(beats), weights=self._weights, scales=self._scales,
            outputs=output_beats.ctypes.data, output_count=outputs, output_size=output_beats.shape[1],
            taps=taps.ctypes.data, tap_cycles=tap_cycles.ctypes.data, tap_room=limit, tap_size=taps.shape[1],
            limit=limit, pace=self._pace,
        )  # fmt: skip
        done = self._library.run(ctypes.c_void_p(self._accelerator), ctypes.byref(token))
        self._weights, self._scales, self._pace = token.weights, token.scales, token.pace
        if not done or token.received < outputs:
            raise RuntimeError(
                f"{token.received} of {outputs} outputs came within {token.cycles} cycles" if done
                else "the simulation failed"
            )  # fmt: skip
        rows = token.tap_rows
        return Ran(output_beats, taps[:rows], tap_cycles[:rows], token.cycles, token.weight_beats)


def tap_ports(widths: dict[str, int]) -> list[str]:
    """Names of the taps, in the order of their bits."""
    return [name.removesuffix("__valid").removeprefix("tap_") for name in widths if _is_tap(name)]


def tap_bytes(widths: dict[str, int]) -> int:
    """Bytes of a row of taps: a valid bit for each, then the payloads."""
    return _bytes(sum(1 + widths[f"tap_{name}__payload"] for name in tap_ports(widths)))


def _is_tap(name: str) -> bool:
    return name.startswith("tap_") and name.endswith("__valid")


def _bytes(bits: int) -> int:
    return -(-bits // 8)


def wrapper(unit: Emitted) -> str:
    """Verilog of the module ``accelerator``, with the streams under names that C++ has, and all taps in one port."""
    widths: dict[str, int] = {port["name"]: port["width"] for port in unit.ports}
    taps = tap_ports(widths)
    ports, pins = ["input clk", "input rst"], {"clk": "clk", "rst": "rst", "clear": "1'b0", "saturated": "saturated"}
    for name in _STREAMS:
        out, back = ("output", "input") if name == "o" else ("input", "output")
        ports += [f"{out} {_range(widths[f'{name}__payload'])}{name}", f"{out} {name}_valid", f"{back} {name}_ready"]
        pins |= {f"{name}__payload": name, f"{name}__valid": f"{name}_valid", f"{name}__ready": f"{name}_ready"}
    bits = sum(1 + widths[f"tap_{name}__payload"] for name in taps)
    ports += [f"output {_range(bits)}taps", "output taps_valid"]
    wires = [f"wire {_range(widths['saturated'])}saturated;"]
    for name in taps:
        wires += [f"wire valid_{name};", f"wire {_range(widths[f'tap_{name}__payload'])}payload_{name};"]
        pins |= {f"tap_{name}__valid": f"valid_{name}", f"tap_{name}__payload": f"payload_{name}"}
    joined = _joined([*(f"payload_{name}" for name in reversed(taps)), *(f"valid_{name}" for name in reversed(taps))])
    connections = ", ".join(f".{pin}({net})" for pin, net in pins.items() if pin in ("clk", "rst") or pin in widths)
    body = "\n  ".join(
        [*wires, f"assign taps = {joined};", f"assign taps_valid = |{{{', '.join(f'valid_{name}' for name in taps)}}};"]
    )
    return (
        f"module {TOP} (\n  " + ",\n  ".join(ports) + f"\n);\n  {body}\n"
        f"  {unit.config.top} unit ({connections});\nendmodule\n"
    )


def _range(bits: int) -> str:
    return f"[{bits - 1}:0] "


def _joined(parts: Sequence[str]) -> str:
    return "{" + ", ".join(parts) + "}"
