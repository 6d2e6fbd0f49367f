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
    """As :func:`record`, for several stimuli of the same streams with one compilation; each begins with a reset."""
    streams = list(stimuli[0].offered)
    inputs, outputs = _fields(emitted.ports, "input", streams), _fields(emitted.ports, "output", streams)
    for number, stimulus in enumerate(stimuli):
        (folder / f"seen{number}.npz").unlink(missing_ok=True)  # of an earlier recording
        np.savez(
            folder / f"stimulus{number}.npz",
            static=_join(_static(inputs, stimulus), stimulus.cycles),
            **_beats(inputs, streams, stimulus),
        )
    layout = {"recordings": len(stimuli), "streams": list(_places(inputs, outputs, streams))}
    (folder / "layout.json").write_text(json.dumps(layout))
    sources = {f"{emitted.config.top}.v": emitted.text, **emitted.models, f"{NAME}.v": _wrap(emitted, streams)}
    for name, text in sources.items():
        (folder / name).write_text(text)
    simulate.build([folder / name for name in sources], NAME, folder, simulator, short=True)
    variables = {FOLDER_VARIABLE: str(folder)}
    simulate.run("qse_hw.sim.trace.trace_testbench", NAME, folder, simulator, variables, lambda: None)
    return [
        _read(folder / f"seen{number}.npz", inputs, outputs, stimulus, folder / "run.log")
        for number, stimulus in enumerate(stimuli)
    ]


def _fields(ports: Sequence[Port], direction: str, streams: Sequence[str]) -> list[Port]:
    """The ports of a direction in the order of their bytes in a single vector.

    A single vector, because accesses from Python dominate the time of a cycle. The input streams are at the top, as
    only they depend on the unit's outputs; their readies are at the bottom.
    """
    chosen = [port for port in ports if port["direction"] == direction and port["name"] not in ("clk", "rst")]
    order: dict[str, int] = {}
    for number, name in enumerate(streams):
        order |= {f"{name}__ready": number - len(streams)}
        order |= {f"{name}__payload": 2 * number + 1, f"{name}__valid": 2 * number + 2}
    return sorted(chosen, key=lambda port: order.get(port["name"], 0))


def _places(inputs: Sequence[Port], outputs: Sequence[Port], streams: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Of each input stream that the unit has: name, the first bits of payload, valid and ready in their vectors, and
    the payload's width.
    """
    first: dict[str, int] = {}
    for ports in (inputs, outputs):
        ends = np.cumsum([8 * _bytes(port) for port in ports]).tolist()
        first |= {port["name"]: end - 8 * _bytes(port) for port, end in zip(ports, ends, strict=True)}
    for name in streams:
        width = next((port["width"] for port in inputs if port["name"] == f"{name}__payload"), None)
        if width is not None:
            members = {member: first[f"{name}__{member}"] for member in ("payload", "valid", "ready")}
            yield {"name": name, "width": width, **members}


def _bytes(port: Port) -> int:
    return -(-int(port["width"]) // 8)


def _static(inputs: Sequence[Port], stimulus: Stimulus) -> Iterator[npt.NDArray[np.uint8]]:
    """(cycles, bytes) of every input but the streams' payload and valid."""
    streams = {f"{name}__{member}" for name in stimulus.offered for member in ("payload", "valid")}
    unknown = set(stimulus.ports) - {port["name"] for port in inputs}
    driven = {*streams, "o__ready"} & set(stimulus.ports)
    if unknown or driven:
        names = " and ".join([", ".join(stimulus.offered), "o"])
        raise InputError(f"Stimulus ports must be inputs beside the streams {names}, not {sorted(unknown | driven)}")
    for port in inputs:
        name = port["name"]
        if name not in streams:
            zeros = np.zeros((stimulus.cycles, _bytes(port)), np.uint8)
            yield _to_bytes(stimulus.accept if name == "o__ready" else stimulus.ports.get(name, zeros), port)


def _beats(inputs: Sequence[Port], streams: Sequence[str], stimulus: Stimulus) -> dict[str, Any]:
    """Beats and offers of each input stream, by ``NAME_beats`` and ``NAME_offer``."""
    if list(stimulus.offered) != list(streams):
        raise InputError(
            f"Stimuli must have the same streams, {', '.join(streams)}, not {', '.join(stimulus.offered)}"
        )
    sizes = {port["name"]: _bytes(port) for port in inputs}
    arrays: dict[str, Any] = {}
    for name, stream in stimulus.offered.items():
        size, words = sizes.get(f"{name}__payload"), "" if name == "i" else f"{name} "
        if size is None and len(stream.beats):
            raise InputError(f"Stimulus {words}beats must be none, as the unit has no stream {name}")
        if size is not None and stream.beats.shape[1] != size:
            raise InputError(f"Stimulus {words}beats must have {size} bytes, not {stream.beats.shape[1]}")
        arrays |= {f"{name}_beats": stream.beats, f"{name}_offer": stream.offer}
    return arrays


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


def _wrap(emitted: Emitted, streams: Sequence[str]) -> str:
    """Verilog of the unit with all inputs in one vector and all outputs in another, visible to the testbench."""
    pins = [".clk(clk)", ".rst(rst)"]
    unused = []
    widths = {}
    for vector, direction in (("driven", "input"), ("seen", "output")):
        bit = 0
        for port in _fields(emitted.ports, direction, streams):
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
