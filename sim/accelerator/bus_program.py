"""An accelerator's Verilog with buses, compiled to a library with its host and its memory."""

import ctypes
from pathlib import Path

import numpy as np

from qse_hw.rtl_gen.accelerator.registers import STATES
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.rtl_gen.units.accelerator import AcceleratorConfig
from qse_hw.sim.accelerator.library import ALWAYS, Ran, Simulation, Taps, check_outputs

BASE = 0x40000FC0
"""Where the memory has the image: shortly before a multiple of 4 KiB."""
FAULTS = {
    1: "a burst outside of the image", 2: "a burst across a multiple of 4 KiB", 3: "an unaligned burst or another kind",
    4: "a burst that is too long", 5: "a burst that was taken back", 6: "RREADY taken back",
}  # fmt: skip
SLVERR, DECERR = 2, 3
_DRIVER = Path(__file__).with_name("bus_driver.cpp")
_PATIENCE = 64  # cycles between two looks at the state


class _Memory(ctypes.Structure):
    _fields_ = [
        ("image", ctypes.c_void_p), ("size", ctypes.c_uint64), ("base", ctypes.c_uint64),
        ("word_bytes", ctypes.c_long), ("burst_beats", ctypes.c_long), ("latency", ctypes.c_long),
        ("failing", ctypes.c_long), ("response", ctypes.c_long),
        ("bursts", ctypes.c_long), ("words", ctypes.c_long), ("fault", ctypes.c_long),
    ]  # fmt: skip


class _Token(ctypes.Structure):
    _fields_ = [
        ("id", ctypes.c_uint32), ("last", ctypes.c_uint32), ("sequence", ctypes.c_uint32),
        ("outputs", ctypes.c_void_p), ("output_count", ctypes.c_long), ("taps", Taps), ("limit", ctypes.c_long),
        ("cycles", ctypes.c_long), ("received", ctypes.c_long), ("packets", ctypes.c_long),
        ("strangers", ctypes.c_long),
    ]  # fmt: skip


class BusProgram(Simulation):
    """Compiled Verilog of an accelerator, out of reset, beside a memory with an image.

    Args:
        unit: with taps; its configuration is an :class:`AcceleratorConfig`.
        folder: for all files that are made.
        image: bytes of the memory; they may be changed.
        latency: cycles from a burst's acceptance to its first word.
        share: of 256 cycles, those in which the memory takes a burst, gives a word, and the sink takes a result, each
            at random.
        seed: of that.
        short: compile without optimization, for a few tokens.

    Raises:
        InputError: if Verilator or what it needs is missing.
        RuntimeError: if compilation fails.
    """

    def __init__(
        self, unit: Emitted, folder: Path, *, image: bytes, latency: int = 1, share: int = ALWAYS, seed: int = 1,
        short: bool = False,
    ) -> None:
        assert isinstance(unit.config, AcceleratorConfig)
        config = unit.config
        self.registers = config.registers
        super().__init__(unit, _DRIVER, folder, short=short)
        self.image = np.frombuffer(image, np.uint8).copy()
        self._memory = _Memory(
            image=self.image.ctypes.data, size=len(image), base=BASE, word_bytes=config.bus_bits // 8,
            burst_beats=config.burst_beats, latency=latency, response=SLVERR,
        )  # fmt: skip
        self._beats = config.mixer.product_cycles
        self._start(ctypes.byref(self._memory), seed, share)

    @property
    def words(self) -> int:
        """Bus words that the memory has given."""
        return int(self._memory.words)

    def reset(self) -> None:
        """Reset the unit."""
        self._library.reset(self._pointer)

    def fail(self, word: int, response: int = SLVERR) -> None:
        """Answer the ``word``-th word from now on, from 1, with an error; 0: none."""
        self._memory.failing, self._memory.response = word and self.words + word, response

    def write(self, name: str, value: int) -> int:
        """Write a register; the response, 0 for OKAY."""
        response, _ = self._access(name, value, writes=True)
        return response

    def read(self, name: str) -> int:
        """The value of a register."""
        _, value = self._access(name, 0, writes=False)
        return value

    def _access(self, name: str, value: int, *, writes: bool) -> tuple[int, int]:
        data, offset = ctypes.c_uint32(value), self.registers[name].offset
        response = self._library.access_register(self._pointer, offset, ctypes.byref(data), int(writes))
        if response < 0:
            raise RuntimeError("a register did not answer" if response == -1 else "the simulation failed")
        return response, data.value

    def command(self, name: str, *, sequence: int = 0) -> int:
        """Give a command, to a ``sequence`` if there are several; the response, 0 for OKAY."""
        control = self.registers["CONTROL"]
        number = sequence << control.field("SEQUENCE").low if sequence else 0
        return self.write("CONTROL", control.field(name).mask | number)

    def status(self) -> tuple[str, set[str]]:
        """The state, and the flags of STATUS that are set."""
        word, register = self.read("STATUS"), self.registers["STATUS"]
        return list(STATES)[register.field("STATE").of(word)], {
            field.name for field in register.fields if field.sticky and field.of(word)
        }

    def start(self, *, limit: int) -> tuple[str, set[str]]:
        """Load the image; the state when that is over, READY or IDLE, and the flags.

        Raises:
            RuntimeError: if it is not over within ``limit`` cycles.
        """
        base = [self.write("BASE", BASE % (1 << 32))]
        if "BASE_HIGH" in {register.name for register in self.registers.registers}:
            base.append(self.write("BASE_HIGH", BASE >> 32))
        assert not any(base)
        self.command("START")
        return self.settle("READY", "IDLE", limit=limit)

    def settle(self, *states: str, limit: int) -> tuple[str, set[str]]:
        """Wait for one of the states; it, and the flags. RuntimeError if it does not come within ``limit`` cycles."""
        for _ in range(0, limit, _PATIENCE):
            state, flags = self.status()
            if state in states:
                return state, flags
            if not self._library.wait_cycles(self._pointer, ctypes.c_long(_PATIENCE)):
                raise RuntimeError("the simulation failed")
        raise RuntimeError(f"the accelerator was still {state} after {limit} cycles")

    def run(self, id: int, *, outputs: int, limit: int, last: bool = False, sequence: int = 0) -> Ran:
        """Send a token; returns when its result came.

        Args:
            id: of the token.
            outputs: beats of the result.
            limit: cycles within which it comes.
            last: of its sequence.
            sequence: the token's.

        Raises:
            RuntimeError: if the result does not come or is said to be another sequence's, or something is read as it
                must not be.
        """
        beats = np.zeros(outputs, np.uint32)
        taps, tap_cycles = self._tap_rows(limit)
        token = _Token(
            id=id, last=last, sequence=sequence, outputs=beats.ctypes.data, output_count=outputs,
            taps=Taps.of(taps, tap_cycles), limit=limit,
        )  # fmt: skip
        done = self._library.run(self._pointer, ctypes.byref(token))
        if self._memory.fault:
            raise RuntimeError(f"the memory saw {FAULTS[self._memory.fault]}")
        check_outputs(done, token.received, outputs, token.cycles)
        if token.strangers:
            raise RuntimeError(f"{token.strangers} outputs have another TID than {sequence}")
        rows = token.taps.rows
        return Ran(beats.view(np.uint8).reshape(-1, 4), taps[:rows], tap_cycles[:rows], token.cycles, self._beats)
