"""Speeds, each beside its baseline in the same run: quantising, calibrating, replay, generating Verilog."""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from golden import array
from golden.calibration import Choice
from golden.environment import environment
from golden.errors import InputError
from golden.files import write_json
from golden.fitting import Fitter
from golden.histogram import Histogram
from golden.inputs import input_type
from golden.lloyd import lloyd_max
from golden.presets import PRESETS, load_format
from golden.scale import Scale
from qse_hw.arguments import check_output
from qse_hw.console import console, progress, table
from sim.tools import require

SCHEMA = "qse-hw/bench/1"
SEED = 2601
VALUES = 8_000_000
REPEATS = 7
REPLAY_VALUES = 1 << 21
CALIBRATE_VALUES = (1 << 18, 1 << 20, 1 << 22)  # of a layer
CALIBRATE_REPEATS = 3
NAIVE_VALUES = 20_000
LANES = 128


PARTS = ("quantise", "calibrate", "generate", "replay")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure, and a report file."""
    names = ",".join(PARTS)
    parser.add_argument("--parts", metavar="P,...", default=names, help=f"which (default: {names})")
    parser.add_argument("--json", metavar="FILE", help="write the figures here, too")


def run(args: argparse.Namespace) -> None:
    """Measure what is asked for, print, write."""
    parts = args.parts.split(",")
    if not set(parts) <= set(PARTS):
        raise InputError(f"Parts must be among {', '.join(PARTS)}, not {args.parts!r}")
    if "quantise" in parts:
        import ml_dtypes  # noqa: F401 - say that it is missing before the long part
    if "replay" in parts:
        require("verilator")
    if args.json is not None:
        check_output(args.json)
    document: dict[str, Any] = {"schema": SCHEMA, "seed": SEED, **environment()}
    with progress() as report:
        work: dict[str, tuple[str, Callable[[Callable[[str, float], None]], dict[str, Any]]]] = {
            "quantise": ("quantising", lambda report: quantise()),
            "calibrate": ("calibrating", lambda report: calibrate(lambda share: report("calibrating", share))),
            "generate": ("generating Verilog", lambda report: generate()),
            "replay": ("replaying", replay),
        }
        for number, part in enumerate(part for part in PARTS if part in parts):
            words, measure = work[part]
            report(words, number / len(parts))
            document[part] = measure(
                lambda what, share, number=number: report(what, (number + share) / len(parts))  # type: ignore[misc]
            )
    if args.json is not None:
        write_json(args.json, document)
    show(document)


def quantise() -> dict[str, Any]:
    """Seconds to quantise 8 M fp32 values, medians; the contenders take turns, so that noise hits all alike."""
    import ml_dtypes
    import torch

    from golden import tensor

    x = np.random.default_rng(SEED).standard_normal(VALUES, np.float32)
    on_torch = torch.from_numpy(x)
    format, scale = load_format("se8"), Scale.from_step(0.02)
    reciprocal = np.float32(float(scale.reciprocal))
    contenders: dict[str, Callable[[], Any]] = {
        "se8, NumPy": lambda: array.quantise(x, format, scale),
        "se8, PyTorch CPU": lambda: tensor.quantise(on_torch, format, scale),
        "INT8, plain NumPy": lambda: np.clip(np.rint(x * reciprocal), -128, 127).astype(np.int8),
        "float8_e4m3fn, ml_dtypes cast": lambda: x.astype(ml_dtypes.float8_e4m3fn),
    }
    if torch.cuda.is_available():
        on_gpu = on_torch.cuda()

        def gpu() -> None:
            tensor.quantise(on_gpu, format, scale)
            torch.cuda.synchronize()

        contenders["se8, PyTorch CUDA"] = gpu
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(REPEATS + 1):
        for name, work in contenders.items():
            begun = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}  # the first warms up
    ratios = {
        name: {baseline: medians[baseline] / medians[name] for baseline in medians if not baseline.startswith("se8")}
        for name in medians
        if name.startswith("se8")
    }
    return {"values": VALUES, "seconds": medians, "all_seconds": seconds, "speed_relative_to": ratios}


def calibrate(report: Callable[[float], None]) -> dict[str, Any]:
    """Seconds to fit formats to one layer, histogram included, by its number of values; medians.

    Growth is the slope of log seconds against log values; beside it, that of n log n over the same sizes.
    """
    work: dict[str, Callable[[Histogram], Any]] = {
        "tuned, 6 segments": lambda histogram: Fitter(histogram).least_squares("tuned:segments=6"),
        "tuned, 4 segments": lambda histogram: Fitter(histogram).least_squares("tuned:segments=4"),
        "presets": lambda histogram: [Fitter(histogram).least_squares(name) for name in PRESETS],
        "Lloyd-Max": lloyd_max,
    }
    z = np.random.default_rng(SEED).standard_normal((max(CALIBRATE_VALUES) // 512, 512), np.float32) * np.float32(2)
    x = z / (1 + np.exp(-z))
    seconds: dict[str, list[list[float]]] = {name: [[] for _ in CALIBRATE_VALUES] for name in work}
    for repeat in range(CALIBRATE_REPEATS):  # taking turns, so that noise hits all alike
        for place, n in enumerate(CALIBRATE_VALUES):
            for name, fit in work.items():
                begun = time.perf_counter()
                fit(Histogram(x[: n // 512]))
                seconds[name][place].append(time.perf_counter() - begun)
            report((repeat + (place + 1) / len(CALIBRATE_VALUES)) / CALIBRATE_REPEATS)
    medians = {name: [statistics.median(times) for times in by_size] for name, by_size in seconds.items()}
    return {
        "values": list(CALIBRATE_VALUES),
        "repeats": CALIBRATE_REPEATS,
        "seconds": medians,
        "all_seconds": seconds,
        "growth": {name: _growth(times) for name, times in medians.items()},
        "growth_n_log_n": _growth([n * np.log(n) for n in CALIBRATE_VALUES]),
    }


def _growth(amounts: Sequence[float]) -> float:
    """The exponent of n that fits the amounts best."""
    return float(np.polyfit(np.log(CALIBRATE_VALUES), np.log(amounts), 1)[0])


def generate() -> dict[str, Any]:
    """Seconds to generate the encoder after imports, and of ``gen --help`` as a process; medians."""
    from rtl_gen.emit import emit
    from rtl_gen.units.encoder import EncoderConfig

    config = EncoderConfig(
        format=load_format("se8"), input=input_type("fp32"), scale=Scale.from_step(0.02)
    )
    emit(config)  # the first call compiles the WebAssembly of the Verilog back end, once per machine
    work, help_ = [], []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        emit(config)
        work.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "qse_hw.gen", "--help"], check=True, stdout=subprocess.DEVNULL)
        help_.append(time.perf_counter() - begun)
    return {"encoder_seconds": statistics.median(work), "help_seconds": statistics.median(help_)}


def replay(report: Callable[[str, float], None]) -> dict[str, Any]:
    """Values per second of the replay and of a one-lane, coroutine-per-cycle testbench, in the same run."""
    from sim.replay import measure_naive
    from sim.replay import replay as run_replay

    x = np.random.default_rng(SEED).standard_normal((REPLAY_VALUES // 512, 512), np.float32)
    choice = Choice(format=load_format("se8"), scale=Scale.from_step(0.02), sqnr_db=0.0)
    fp32 = input_type("fp32")
    report("compiling and running the one-lane testbench", 0)
    naive = measure_naive(x.reshape(-1)[:NAIVE_VALUES].reshape(1, -1), choice, input=fp32)
    outcomes = run_replay(
        {"x": x}, {"x": choice}, input=fp32, lanes=LANES, simulator="verilator", progress=report
    )
    if any(outcome.mismatches for outcome in outcomes):
        raise SystemExit("the replay found mismatches; run the replay command")
    speeds = {outcome.run: outcome.values / outcome.seconds for outcome in outcomes}
    return {
        "lanes": LANES,
        "values": REPLAY_VALUES,
        "values_per_second": speeds,
        "naive_values_per_second": naive,
        "ratio": {run: speed / naive for run, speed in speeds.items()},
    }


def show(document: dict[str, Any]) -> None:
    """Print the figures of what was measured."""
    printers = (_show_quantise, _show_calibrate, _show_generate, _show_replay)
    for part, print_part in zip(PARTS, printers, strict=True):
        if part in document:
            print_part(document[part])


def _show_quantise(found: dict[str, Any]) -> None:
    baselines = [name for name in found["seconds"] if not name.startswith("se8")]
    table(
        f"Quantising {found['values']:,} fp32 values, median of {REPEATS}",
        ["what", "ms", *(f"speed / {name}" for name in baselines)],
        [
            [
                name, f"{seconds * 1e3:.1f}",
                *(f"{found['seconds'][baseline] / seconds:.2f}" for baseline in baselines),
            ]
            for name, seconds in found["seconds"].items()
        ],
    )  # fmt: skip


def _show_calibrate(found: dict[str, Any]) -> None:
    table(
        f"Fitting formats to one layer, seconds, median of {found['repeats']}",
        ["what", *(f"{n:,} values" for n in found["values"]), "growth: n **"],
        [
            *(
                [name, *(f"{seconds:.2f}" for seconds in times), f"{found['growth'][name]:.2f}"]
                for name, times in found["seconds"].items()
            ),
            ["n log n, for comparison", *("" for _ in found["values"]), f"{found['growth_n_log_n']:.2f}"],
        ],
        caption="each with the histogram of the values, all that grows with them",
    )


def _show_replay(found: dict[str, Any]) -> None:
    rows = [[f"replay, {found['lanes']} lanes, {run}", f"{speed:,.0f}", f"{found['ratio'][run]:.1f}"]
            for run, speed in found["values_per_second"].items()]  # fmt: skip
    rows.append(["one lane, a coroutine step per cycle", f"{found['naive_values_per_second']:,.0f}", "1.0"])
    table("Simulation", ["testbench", "values/s", "ratio"], rows)


def _show_generate(found: dict[str, Any]) -> None:
    console.print(
        f"generating the encoder: {found['encoder_seconds']:.3f} s; gen --help: {found['help_seconds']:.3f} s"
    )
