"""Digests of what must be the same everywhere: python tests/reproducibility/artefacts.py FILE.json [GROUP ...].

Runs by itself, with nothing but an installed qse_hw and safetensors, so that any Python can. What is digested is the
content: of vectors.npz the arrays (how zlib packs them is zlib's affair), of manifest.json all but the versions that
made it, of every other file its bytes.
"""

import contextlib
import hashlib
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from qse_hw.cli import main
from qse_hw.golden.calibration.calibrate import Layer, calibrate
from qse_hw.golden.calibration.calibration import write_calibration
from qse_hw.golden.formats.presets import PRESETS, format_to_json, load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.tables import decode_table, tables, value_table
from qse_hw.golden.io.activations import read_activations
from qse_hw.study.sources import BUNDLED_ACTIVATIONS

Artefacts = Iterator[tuple[str, bytes]]

UNITS = {
    "encoder-bf16": "encoder --format se8 --input bf16 --scale 0.0176",
    "encoder-fp32-runtime": "encoder --format se9-paper --input fp32 --lanes 4 --scale runtime",
    "encoder-s16-ecp5": "encoder --format se8-silu --input s16e-8 --lanes 2 --scale 0.0111 --target ecp5",
    "encoder-parallel": "encoder --format int8-asym --input fp16 --scale 0.02 --arch parallel --counter-width 0",
    "decoder": "decoder --format se8 --lanes 4",
    "decoder-se9": "decoder --format se9-paper",
    "linear-ecp5": "linear --format se8 --inputs 64 --outputs 16 --rows 4 --columns 8 --target ecp5",
    "linear-zero-point": "linear --format se8-silu --inputs 10 --outputs 6 --rows 3 --columns 3",
    "hadamard-96": "hadamard --size 96 --lanes 8",
    "hadamard-64": "hadamard --size 64 --width 10 --lanes 2 --transpose",
    "function-softplus": "function --function softplus --input s12e-7 --output s13e-8 --error 2^-8",
    "function-rsqrt": "function --function rsqrt --input s10e-4 --output s11e-7 --error 2^-7 --degree 2 --target ecp5",
    "convolution": "convolution --channels 12 --taps 3 --width 9 --lanes 3",
    "convolution-sequences": "convolution --channels 10 --width 8 --lanes 2 --sequences 4 --target ecp5",
    "rmsnorm": "rmsnorm --format se8 --size 24 --eps 30 --lanes 2 --target ecp5",
    "scan": "scan --channels 6 --states 4 --lanes 2 --layers 2 --target ecp5",
    "scan-sequences": "scan --channels 4 --states 6 --lanes 2 --layers 2 --sequences 3",
    "argmax": "argmax --size 30 --lanes 3",
    "residual": "residual --size 40 --lanes 2 --target ecp5",
    "matvec": "matvec --sizes 30,12,30 --rows 3 --columns 4 --target ecp5",
    "time-step": "time_step --channels 12 --input s8e-4 --output s10e-6 --error 2^-6 --lanes 2",
    "activation": "activation --input s8e-4 --output s10e-6 --error 2^-6 --lanes 2 --target ecp5",
    "gate": "gate --input s8e-4 --output s10e-6 --error 2^-6 --lanes 2 --target ecp5",
    "quantizer": "quantizer --format se8-silu --input fp16 --lanes 2 --scale 0.0176",
    "quantizer-ecp5": "quantizer --format se8 --input bf16 --target ecp5",
}
STEPS = (0.0176, 0.0111, 1 / 3, 2.0**-7)
CALIBRATIONS = {  # name: format, mode, layers of the bundled activations
    **{name: (name, "free", 6) for name in PRESETS},
    "tuned": ("tuned:segments=3,bits=6", "free", 1),
}
LONG_CALIBRATIONS = {
    "tuned-8-bits": ("tuned", "free", 2),
    "tuned-runtime": ("tuned:segments=3,bits=6", "runtime", 6),
    "tuned-shared": ("tuned:segments=3,bits=6", "shared", 6),
}


def units(folder: Path) -> Artefacts:
    """Every file that ``gen`` writes."""
    for name in UNITS:
        yield from unit(name, folder)


def unit(name: str, folder: Path) -> Artefacts:
    """Those of one of :data:`UNITS`."""
    _quietly("gen", *UNITS[name].split(), "-o", str(folder / name))
    for path in sorted((folder / name).iterdir()):
        yield f"{name}/{path.name}", content(path)


def formats(folder: Path) -> Artefacts:
    """Formats, scales and the tables that quantize and decode."""
    for name in PRESETS:
        format = load_format(name)
        yield f"{name}/format.json", json.dumps(format_to_json(format)).encode()
        scales = [Scale.from_step(step, bits) for step in STEPS for bits in (1, 8, 16, 20)]
        yield f"{name}/scales", repr(scales).encode()
        table = tables(format)
        arrays = [table.codes, table.saturated, *decode_table(format), *(value_table(format, s) for s in scales)]
        yield f"{name}/tables", b"".join(map(_array, arrays))


def arrays(folder: Path) -> Artefacts:
    """``quantize`` of all float16 patterns, and ``dequantize`` of that."""
    np.save(folder / "x.npy", np.arange(1 << 16, dtype=np.uint16).view(np.float16))
    for name in PRESETS:
        codes, values = str(folder / f"{name}-codes.npy"), str(folder / f"{name}-values.npy")
        chosen = ("--format", name, "--scale", "0.0176")
        _quietly("quantize", str(folder / "x.npy"), *chosen, "-o", codes)
        _quietly("dequantize", codes, *chosen, "-o", values)
        yield f"{name}/codes.npy", Path(codes).read_bytes()
        yield f"{name}/values.npy", Path(values).read_bytes()


def calibrations(folder: Path) -> Artefacts:
    """Calibration files from the activations that ship with the package."""
    yield from _calibrations(folder, CALIBRATIONS)


def long_calibrations(folder: Path) -> Artefacts:
    """Those that take a minute."""
    yield from _calibrations(folder, LONG_CALIBRATIONS)


GROUPS: dict[str, Callable[[Path], Artefacts]] = {
    "units": units, "formats": formats, "arrays": arrays, "calibrations": calibrations,
    "long-calibrations": long_calibrations,
}  # fmt: skip
QUICK = tuple(GROUPS)[:-1]


def digests(group: str) -> dict[str, str]:
    """sha256 of each artefact of a group, by ``group/name``; of one unit if ``group`` is ``units/UNIT``."""
    group, _, one = group.partition("/")
    with tempfile.TemporaryDirectory() as folder:
        files = unit(one, Path(folder)) if one else GROUPS[group](Path(folder))
        return {f"{group}/{name}": hashlib.sha256(content).hexdigest() for name, content in files}


def _calibrations(folder: Path, wanted: dict[str, tuple[str, str, int]]) -> Artefacts:
    tensors, metadata = read_activations(BUNDLED_ACTIVATIONS)
    layers = [Layer(x=x) for x in tensors.values()]
    for name, (spec, mode, count) in wanted.items():
        path = folder / f"{name}.json"
        write_calibration(path, calibrate(layers[:count], spec, model=metadata["model"], mode=mode))
        yield path.name, path.read_bytes()


def content(path: Path) -> bytes:
    """What is digested of a file."""
    if path.suffix == ".npz":
        with np.load(path) as file:
            return b"".join(name.encode() + _array(file[name]) for name in file.files)
    if path.name == "manifest.json":
        document = json.loads(path.read_text(encoding="utf-8"))
        del document["versions"]
        return json.dumps(document).encode()
    return path.read_bytes()


def _array(array: np.ndarray) -> bytes:
    return f"{array.dtype.str} {array.shape} ".encode() + array.tobytes()


def _quietly(*arguments: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        status = main(list(arguments))
    if status:
        raise SystemExit(f"{' '.join(arguments)}: exit status {status}")


if __name__ == "__main__":
    target, *groups = sys.argv[1:]
    computed = {name: digest for group in groups or QUICK for name, digest in digests(group).items()}
    Path(target).write_text(json.dumps(computed, indent=1), encoding="utf-8")
