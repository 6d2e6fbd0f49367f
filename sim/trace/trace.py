"""Recording every port of emitted Verilog in every cycle, in a simulator."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.simulators import simulate

FOLDER_VARIABLE = "QSE_TRACE"  # environment variable: the folder of a recording
NAME = "trace_top"

Port = Mapping[str, Any]


def record(emitted: Emitted, stimulus: Stimulus, *, folder: Path, simulator: str = "verilator") -> Trace:
    """The unit's trace under ``stimulus``: 3 cycles of reset, then cycle 0. Files are left in ``folder``.

    The payload is random without valid, as its value must not matter then.

    Raises:
        InputError: if the stimulus does not fit the unit, or the simulator is missing.
        RuntimeError: if the simulation fails, or a port is X or Z (a payload: while it is valid).
    """
    return record_all(emitted, [stimulus], folder=folder, simulator=simulator)[0]


def record_all(
    emitted: Emitted, stimuli: Sequence[Stimulus], *, folder: Path, simulator: str = "verilator"
) -> list[Trace]:
    """As :func:`record`, for several stimuli with one compilation; each begins with a reset."""
    inputs, outputs = _fields(emitted.ports, "input"), _fields(emitted.ports, "output")
    for number, stimulus in enumerate(stimuli):
        (folder / f"seen{number}.npz").unlink(missing_ok=True)  # of an earlier recording
        np.savez(
            folder / f"stimulus{number}.npz",
            static=_join(_static(inputs, stimulus), stimulus.cycles),
            beats=stimulus.beats,
            offer=stimulus.offer,
        )
    payload = next((port["width"] for port in inputs if port["name"] == "i__payload"), 0)
    layout = {"recordings": len(stimuli), "payload_bits": payload}
    (folder / "layout.json").write_text(json.dumps(layout))
    sources = {f"{emitted.config.top}.v": emitted.text, **emitted.models, f"{NAME}.v": _wrap(emitted)}
    for name, text in sources.items():
        (folder / name).write_text(text)
    simulate.build([folder / name for name in sources], NAME, folder, simulator, short=True)
    variables = {FOLDER_VARIABLE: str(folder)}
    simulate.run("qse_hw.sim.trace.trace_testbench", NAME, folder, simulator, variables, lambda: None)
    return [
        _read(folder / f"seen{number}.npz", inputs, outputs, stimulus, folder / "run.log")
        for number, stimulus in enumerate(stimuli)
    ]


def _fields(ports: Sequence[Port], direction: str) -> list[Port]:
    """The ports of a direction in the order of their bytes in a single vector.

    A single vector, because accesses from Python dominate the time of a cycle. The input stream is at the top, as only
    it depends on the unit's outputs; its ready is at the bottom, where it is read fastest.
    """
    chosen = [port for port in ports if port["direction"] == direction and port["name"] not in ("clk", "rst")]
    order = {"i__ready": -1, "i__payload": 1, "i__valid": 2}
    return sorted(chosen, key=lambda port: order.get(port["name"], 0))


def _bytes(port: Port) -> int:
    return -(-int(port["width"]) // 8)


def _static(inputs: Sequence[Port], stimulus: Stimulus) -> Iterator[npt.NDArray[np.uint8]]:
    """(cycles, bytes) of every input but the stream's payload and valid."""
    unknown = set(stimulus.ports) - {port["name"] for port in inputs}
    driven = {"i__payload", "i__valid", "o__ready"} & set(stimulus.ports)
    if unknown or driven:
        raise InputError(f"Stimulus ports must be inputs beside the streams i and o, not {sorted(unknown | driven)}")
    if len(stimulus.beats) and all(port["name"] != "i__payload" for port in inputs):
        raise InputError("Stimulus beats must be none, as the unit has no stream i")
    for port in inputs:
        name = port["name"]
        if name == "i__payload" and stimulus.beats.shape[1] != _bytes(port):
            raise InputError(f"Stimulus beats must have {_bytes(port)} bytes, not {stimulus.beats.shape[1]}")
        if name not in ("i__payload", "i__valid"):
            zeros = np.zeros((stimulus.cycles, _bytes(port)), np.uint8)
            yield _to_bytes(stimulus.accept if name == "o__ready" else stimulus.ports.get(name, zeros), port)


def _to_bytes(values: npt.NDArray[Any], port: Port) -> npt.NDArray[np.uint8]:
    if values.ndim == 2:
        if values.shape[1] != _bytes(port) or values.dtype != np.uint8:
            raise InputError(f"Stimulus {port['name']} must have {_bytes(port)} bytes, not {values.shape[1]}")
        return values
    if port["width"] > 64:
        raise InputError(f"Stimulus {port['name']} must be (cycles, bytes) uint8, not {values.dtype} {values.shape}")
    words = values.astype(np.uint64) & np.uint64((1 << port["width"]) - 1)
    return words.astype("<u8").view(np.uint8).reshape(-1, 8)[:, : _bytes(port)]


def _from_bytes(rows: npt.NDArray[np.uint8], port: Port) -> npt.NDArray[Any]:
    if port["name"].endswith("__payload") or port["width"] > 64:
        return rows
    padded = np.zeros((len(rows), 8), np.uint8)
    padded[:, : rows.shape[1]] = rows
    words = padded.view("<u8")[:, 0].astype(np.uint64)
    if port["width"] == 1:
        return words > 0
    if not port["signed"]:
        return words
    unused = np.int64(64 - port["width"])
    extended: npt.NDArray[np.int64] = words.view(np.int64) << unused >> unused
    return extended


def _join(fields: Iterator[npt.NDArray[np.uint8]], cycles: int) -> npt.NDArray[np.uint8]:
    return np.concatenate([np.zeros((cycles, 0), np.uint8), *fields], axis=1)


def _split(rows: npt.NDArray[np.uint8], ports: Sequence[Port]) -> dict[str, npt.NDArray[np.uint8]]:
    ends = np.cumsum([_bytes(port) for port in ports])
    parts = np.split(rows, ends[:-1], axis=1)
    return {port["name"]: part for port, part in zip(ports, parts, strict=True)}


def _read(file: Path, inputs: Sequence[Port], outputs: Sequence[Port], stimulus: Stimulus, log: Path) -> Trace:
    if not file.exists():
        raise RuntimeError(f"the recording failed\n{simulate.tail(log)}")
    with np.load(file) as seen:
        rows = _split(seen["driven"], inputs) | _split(seen["seen"], outputs)
        unknown = _split(seen["unknown"], outputs)
    trace = {port["name"]: _from_bytes(rows[port["name"]], port) for port in (*inputs, *outputs)}
    for name in trace:
        stream, _, member = name.rpartition("__")
        bad = unknown[name].any(axis=1) if name in unknown else np.zeros(stimulus.cycles, np.bool_)
        if member == "payload":
            valid = trace[f"{stream}__valid"]
            trace[name] = trace[name] * valid[:, None]
            bad &= valid
        if bad.any():
            raise RuntimeError(f"{name} is X or Z in cycle {np.flatnonzero(bad)[0]}")
    return trace


def _wrap(emitted: Emitted) -> str:
    """Verilog of the unit with all inputs in one vector and all outputs in another, visible to the testbench."""
    pins = [".clk(clk)", ".rst(rst)"]
    unused = []
    widths = {}
    for vector, direction in (("driven", "input"), ("seen", "output")):
        bit = 0
        for port in _fields(emitted.ports, direction):
            end = bit + port["width"]
            pins.append(f".{port['name']}({vector}[{end - 1}:{bit}])")
            bit += 8 * _bytes(port)
            if end < bit and vector == "seen":
                unused.append(f"  assign seen[{bit - 1}:{end}] = 0;\n")
        widths[vector] = bit
    return (
        f"module {NAME} (\n"
        "  input wire clk /*verilator public_flat_rw*/,\n"
        "  input wire rst /*verilator public_flat_rw*/,\n"
        f"  input wire [{widths['driven'] - 1}:0] driven /*verilator public_flat_rw*/,\n"
        f"  output wire [{widths['seen'] - 1}:0] seen /*verilator public_flat_rw*/\n"
        ");\n"
        f"  {emitted.config.top} unit ({', '.join(pins)});\n{''.join(unused)}"
        "endmodule\n"
    )
