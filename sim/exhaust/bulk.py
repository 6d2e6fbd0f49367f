"""Arrays of beats through the Verilog of a unit with one stream in and one out, compiled to a library.

There is no event loop and no callback between the arrays and the model, so it is fast enough for every pattern.
"""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.emit import Emitted, emit
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.lane.lane import K_SHAPE
from qse_hw.sim.packing import beat_bytes, pack, unpack
from qse_hw.sim.replay.top import VERILATOR_CONFIG
from qse_hw.sim.simulators.verilate import LIBRARY, verilate

UNITS = ("encoder", "decoder", "function", "activation", "time_step")
_MAIN = Path(__file__).with_name("bulk.cpp")
_FLAGS = ("saturated", "nan", "invalid")  # bits 0, 1 and 2 of the status; from bit 64 on the counter


def check_unit(config: UnitConfig) -> None:
    """InputError unless the unit has one stream in and one out, and each output beat depends on one input beat, its
    number, and on what was set or loaded before."""
    if config.unit not in UNITS:
        raise InputError(f"Unit must be one of {', '.join(UNITS)}, not {config.unit!r}")


@dataclass(frozen=True)
class Answer:
    """Output beats and status.

    Attributes:
        outputs: (n,) uint32, bit patterns.
        flags: by name of the unit's flags, (beats,) bool: whether this beat alone raised it.
        saturation_count: (beats,) uint64, of this beat alone; zeros if the unit has no counter.
    """

    outputs: npt.NDArray[np.uint32]
    flags: dict[str, npt.NDArray[np.bool_]]
    saturation_count: npt.NDArray[np.uint64]


class Bulk:
    """A unit's compiled Verilog. Every call is a separate simulation from reset, so several threads may call it.

    Args:
        config: of one of :data:`UNITS`.
        folder: for all files that are made.
        build: makes the Verilog of a unit, or an equivalent such as its netlist.

    Attributes:
        config: the unit's.

    Raises:
        InputError: for other units, and if Verilator or what it needs is missing.
        RuntimeError: if compilation fails.
    """

    def __init__(
        self,
        config: UnitConfig,
        folder: Path,
        *,
        build: Callable[[UnitConfig], Emitted] = emit,
    ) -> None:
        check_unit(config)
        unit = build(config)
        self.config = config
        folder.mkdir(parents=True, exist_ok=True)
        texts = {f"{config.top}.v": unit.text, **unit.models, "bulk.v": wrapper(unit), "lanes.vlt": VERILATOR_CONFIG}
        sources = [folder / name for name in texts]
        for path, text in zip(sources, texts.values(), strict=True):
            path.write_text(text)
        library = verilate(sources, _MAIN, "bulk", folder / "obj", arguments=LIBRARY)
        self._call = ctypes.CDLL(str(library)).bulk
        self._call.restype = ctypes.c_long
        widths = {port["name"]: port["width"] for port in unit.ports}
        self._lanes = config.lanes
        self._in, self._out = (widths[f"{stream}__payload"] // config.lanes for stream in "io")
        self._word_bytes = beat_bytes(widths.get(f"{loaded(unit)}__payload", 0), 1)
        self._flags = [name for name in _FLAGS if name in widths]

    def __call__(
        self, inputs: npt.NDArray[np.unsignedinteger], scale: Scale | None = None, words: Sequence[int] = ()
    ) -> Answer:
        """Simulate bit patterns.

        Args:
            inputs: (n,), n a multiple of the lanes.
            scale: for the ports of a run-time scale.
            words: to send before the inputs on the unit's third stream, such as ``parameters``.

        Raises:
            RuntimeError: if the number of output beats is not that of the input beats.
        """
        beats = pack(inputs.reshape(-1, self._lanes), self._in)
        outputs = np.zeros((len(beats), beat_bytes(self._out, self._lanes)), np.uint8)
        status = np.zeros((len(beats), 2), np.uint64)
        load = np.frombuffer(b"".join(word.to_bytes(self._word_bytes, "little") for word in words), np.uint8)
        M, k = (0, 0) if scale is None else (scale.M, scale.k % (1 << K_SHAPE.width))
        came = self._call(
            *(ctypes.c_void_p(array.ctypes.data) for array in (load, beats, outputs, status)),
            *(ctypes.c_long(size) for size in (len(words), len(beats))),
            *(ctypes.c_long(size) for size in (self._word_bytes, beats.shape[1], outputs.shape[1])),
            ctypes.c_uint32(M),
            ctypes.c_uint32(k),
        )
        if came != len(beats):
            raise RuntimeError(f"{came} beats came out, not {len(beats)}" if came >= 0 else "the simulation failed")
        flags = {name: (status[:, 0] >> np.uint64(_FLAGS.index(name)) & np.uint64(1)) != 0 for name in self._flags}
        return Answer(unpack(outputs, self._out, self._lanes).reshape(-1), flags, status[:, 1])

    def as_outputs(self, integers: npt.NDArray[np.integer]) -> npt.NDArray[np.uint32]:
        """Signed integers as bit patterns, comparable with :attr:`Answer.outputs`."""
        patterns: npt.NDArray[np.uint32] = (integers.astype(np.int64) & ((1 << self._out) - 1)).astype(np.uint32)
        return patterns


def loaded(unit: Emitted) -> str:
    """The name of the stream of words that are loaded before the beats; "" if the unit has none."""
    streams = {port["name"].removesuffix("__payload") for port in unit.ports if port["name"].endswith("__payload")}
    return next(iter(streams - {"i", "o"}), "")


def wrapper(unit: Emitted) -> str:
    """Verilog of the module ``bulk`` around one of :data:`UNITS`, whose ports are the same for all units.

    ``status``: the flags in the low bits (0 for those that the unit lacks), the counter in the upper half.
    """
    widths: dict[str, int] = {port["name"]: port["width"] for port in unit.ports}
    given = [name for name in (*_FLAGS, "saturation_count") if name in widths]
    load = loaded(unit)
    ports = [
        *(f"input {name}" for name in ("clk", "rst", "clear", "load_valid", "i_valid", "o_ready")),
        *(f"output {name}" for name in ("load_ready", "i_ready", "o_valid")),
        f"input [{widths.get(f'{load}__payload', 1) - 1}:0] load",
        f"input [{widths['i__payload'] - 1}:0] i",
        f"output [{widths['o__payload'] - 1}:0] o",
        "input [31:0] scale_m", "input [31:0] scale_k",
        "output [127:0] status",
    ]  # fmt: skip
    wires = "".join(f"  wire [{widths[name] - 1}:0] {name};\n" for name in given)
    flags = ", ".join(name if name in widths else "1'b0" for name in reversed(_FLAGS))
    count = "saturation_count" if "saturation_count" in widths else "1'b0"
    nothing = "" if load else "  assign load_ready = 1'b0;\n"
    pins = {name: name for name in ("clk", "rst", "clear", *given)}
    streams = {"i": "i", "o": "o"} | ({load: "load"} if load else {})
    for stream, net in streams.items():
        pins |= {f"{stream}__{member}": f"{net}_{member}" for member in ("valid", "ready")}
        pins[f"{stream}__payload"] = net
    pins |= {name: f"{name}[{widths[name] - 1}:0]" for name in ("scale_m", "scale_k") if name in widths}
    connections = ", ".join(f".{pin}({net})" for pin, net in pins.items())
    return (
        f"module bulk ({', '.join(ports)});\n{wires}"
        f"  assign status[63:0] = {{{flags}}};\n"
        f"  assign status[127:64] = {count};\n{nothing}"
        f"  {unit.config.top} unit ({connections});\nendmodule\n"
    )
