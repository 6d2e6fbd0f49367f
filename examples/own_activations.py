"""Find a format for your own activations.

    python examples/own_activations.py [FILE] [--held-out FILE] [--tensor NAME] [--format F ...] [-o FORMAT.json]

Takes an array from a .npy or .safetensors file (none: the SSM input of a layer of the bundled Mamba), fits formats to
its first half, each at its own best scale, and judges them on its second half, or on the array in the held-out file:
a format that is judged on the values it was fitted to looks better than it is. The one with the least error there is
written. ``qse_hw.load_format`` reads that file again, and so does every command that takes ``--format``:

    python -m qse_hw.gen encoder --format FORMAT.json --input bf16 --scale S -o encoder

Needs: pip install qse-hw safetensors (PyTorch is not needed)
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

import qse_hw
from qse_hw import golden

BUNDLED = Path(golden.__file__).parent / "assets" / "activations.safetensors"
FORMATS = ("int8", "int8-asym", "se8", "se8-silu", "tuned")


def main() -> int:
    """Read, fit, show, write."""
    parser = argparse.ArgumentParser(description="Find a format for your own activations.")
    parser.error = lambda message: parser.exit(2, f"error: {message}\n")
    parser.add_argument("file", nargs="?", default=BUNDLED, help=".npy or .safetensors (default: bundled activations)")
    parser.add_argument("--held-out", metavar="FILE", help="to judge formats on (default: the second half of the rows)")
    parser.add_argument("--tensor", metavar="NAME", help="which one of a .safetensors file (default: the first)")
    parser.add_argument("--format", metavar="F", nargs="+", default=FORMATS, help=f"default {' '.join(FORMATS)}")
    parser.add_argument("-o", "--output", metavar="FILE", default="format.json", help="default format.json")
    args = parser.parse_args()
    x = checked(read(Path(args.file), args.tensor))
    x, held_out = halves(x) if args.held_out is None else (x, checked(read(Path(args.held_out), args.tensor)))

    # A format's parameters and its scale are found together, by least squared error over the values' histogram: a name
    # such as se8 leaves its parameters open, tuned everything (how many segments, how long, how fine).
    found, judged = {}, {}
    print(f"{'format':12} {'held out':>8} {'fitted to':>9}  {'s':>10}  codes at steps (in s); SQNR in dB")
    for name in args.format:
        try:
            found[name] = best = qse_hw.calibrate([qse_hw.Layer(x=x)], name).layer(0)
        except qse_hw.InputError as error:
            if name not in FORMATS:
                raise
            print(f"{name:12} {'-':>8}  {error}")  # one of the usual ones that cannot have these values
            continue
        judged[name] = sqnr_db(held_out, qse_hw.fake_quantize(held_out, best.format, best.scale))
        segments = ", ".join(f"{segment.codes} at {2.0**segment.log2_step:g}" for segment in best.format.segments)
        print(f"{name:12} {judged[name]:8.2f} {best.sqnr_db:9.2f}  {float(best.scale.step):10.4g}  {segments}")
    if not found:
        raise qse_hw.InputError("No format fits these values")

    name = max(found, key=judged.__getitem__)
    best = found[name]
    try:
        Path(args.output).write_text(json.dumps(qse_hw.format_to_json(best.format), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise qse_hw.InputError(f"Output {args.output} cannot be written: {error.strerror}") from error
    again = qse_hw.load_format(args.output)
    assert again == best.format
    print(f"written: {args.output}, {name}, to be used with scale {float(best.scale.step)!r}")

    # What it does to a few of your values: codes, and the numbers that they stand for.
    few = held_out.reshape(-1)[:4]
    codes = qse_hw.quantize(few, again, best.scale)
    print(f"{few} -> codes {codes} -> {qse_hw.dequantize(codes, again, best.scale)}")
    return 0


def halves(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first and the second half of the rows."""
    if len(x) < 2:
        raise qse_hw.InputError(f"Activations must have at least 2 rows to hold half of them out, not {len(x)}")
    return x[: len(x) // 2], x[len(x) // 2 :]


def sqnr_db(x: np.ndarray, decoded: np.ndarray) -> float:
    """Signal to quantization noise: sum x^2 / sum (x - decoded)^2, in dB."""
    noise = np.square(x.astype(np.float64) - decoded).sum()
    return 10 * np.log10(np.square(x, dtype=np.float64).sum() / noise) if noise else np.inf


def read(path: Path, name: str | None) -> np.ndarray:
    """The array in a file."""
    try:
        if path.suffix == ".safetensors":
            return read_safetensors(path, name)
        if path.suffix == ".npy":
            return np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, qse_hw.InputError):
            raise
        raise qse_hw.InputError(f"{path} cannot be read: {error}") from error
    raise qse_hw.InputError(f"File must be a .npy or .safetensors, not {path}")


def read_safetensors(path: Path, name: str | None) -> np.ndarray:
    """One of its tensors: the one called ``name``, or the first."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = sorted(file.keys())
            if not names or name not in (None, *names):
                raise qse_hw.InputError(f"Tensor must be one of {', '.join(names)}, not {name!r}")
            return file.get_tensor(name or names[0])
    except (SafetensorError, TypeError, AttributeError) as error:  # the latter two for dtypes that NumPy lacks
        raise qse_hw.InputError(f"{path} must hold tensors that NumPy has: {error}") from error


def checked(x: np.ndarray) -> np.ndarray:
    """The values as float32, in rows, as calibration takes them."""
    if not np.issubdtype(x.dtype, np.floating) or x.size == 0:
        raise qse_hw.InputError(f"Activations must be floating point, and some, not {x.dtype} of shape {x.shape}")
    with np.errstate(over="ignore"):
        x = x.reshape(-1, x.shape[-1] if x.ndim > 1 else 1).astype(np.float32)
    if not np.isfinite(x).all():
        raise qse_hw.InputError("Activations must be finite in float32, but have NaN or infinity")
    return x


if __name__ == "__main__":
    try:
        sys.exit(main())
    except qse_hw.InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
