"""A mixer's Verilog, compiled to a library that runs token by token."""

import ctypes
from pathlib import Path

import numpy as np

from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.sim.accelerator.library import ALWAYS, Bytes, Pace, Ran, Simulation, Taps, byte_count, check_outputs

_PATIENCE = 10_000  # cycles that a word of parameters may wait
_DRIVER = Path(__file__).with_name("driver.cpp")


class _Source(ctypes.Structure):
    _fields_ = [
        ("beats", ctypes.c_void_p), ("count", ctypes.c_long), ("size", ctypes.c_long), ("position", ctypes.c_long),
    ]  # fmt: skip

    @classmethod
    def of(cls, beats: Bytes, position: int = 0) -> "_Source":
        return cls(beats.ctypes.data, len(beats), beats.shape[1], position)


class _Token(ctypes.Structure):
    _fields_ = [
        ("input", _Source), ("weights", _Source), ("scales", _Source),
        ("outputs", ctypes.c_void_p), ("output_count", ctypes.c_long), ("output_size", ctypes.c_long),
        ("taps", Taps), ("limit", ctypes.c_long), ("pace", Pace),
        ("cycles", ctypes.c_long), ("received", ctypes.c_long), ("weight_beats", ctypes.c_long),
    ]  # fmt: skip


class Program(Simulation):
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
        super().__init__(unit, _DRIVER, folder, short=short)
        self._weights, self._scales = _Source.of(weights), _Source.of(scales)
        self._kept = weights, scales  # the library reads them
        self._pace = Pace(seed, share)
        self._start()

    def reset(self, seed: int | None = None) -> None:
        """Reset the unit; its streams begin again, and its memories keep what they hold. ``seed``: of the pauses that
        follow; None: they go on."""
        if seed is not None:
            self._pace.word = seed
        self._library.reset(self._pointer)
        self._weights.position = self._scales.position = 0

    def load(self, words: Bytes, *, room: int = 0) -> Bytes:
        """Send words (words, bytes) of parameters; the first ``room`` rows of taps (rows, bytes) meanwhile.

        Raises:
            RuntimeError: if they are not accepted.
        """
        count, size, patience = (ctypes.c_long(number) for number in (*words.shape, _PATIENCE))
        pointer = ctypes.c_void_p(words.ctypes.data)
        rows, cycles = self._tap_rows(room)
        taps = Taps.of(rows, cycles)
        if not self._library.load(self._pointer, pointer, count, size, patience, ctypes.byref(taps)):
            raise RuntimeError(f"a word of parameters was not accepted within {_PATIENCE} cycles")
        return rows[: taps.rows]

    def run(self, beats: Bytes, *, outputs: int, limit: int) -> Ran:
        """Send a token's input beats (beats, bytes); returns when as many outputs came.

        Raises:
            RuntimeError: if they do not come within ``limit`` cycles.
        """
        output_beats = np.zeros((outputs, byte_count(self._widths["o__payload"])), np.uint8)
        taps, tap_cycles = self._tap_rows(limit)
        token = _Token(
            input=_Source.of(beats), weights=self._weights, scales=self._scales,
            outputs=output_beats.ctypes.data, output_count=outputs, output_size=output_beats.shape[1],
            taps=Taps.of(taps, tap_cycles), limit=limit, pace=self._pace,
        )  # fmt: skip
        done = self._library.run(self._pointer, ctypes.byref(token))
        self._weights, self._scales, self._pace = token.weights, token.scales, token.pace
        check_outputs(done, token.received, outputs, token.cycles)
        rows = token.taps.rows
        return Ran(output_beats, taps[:rows], tap_cycles[:rows], token.cycles, token.weight_beats)
