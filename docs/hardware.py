"""Writes the computed parts of docs/hardware.md and its pictures: python docs/hardware.py [--check].

They come from docs/results/hardware-*.json (docs/hardware_runs.py) and docs/results/netlist-*.json (``replay
--netlist``).
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import age
from blocks import fill, markdown
from reports import LOADED, load

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "hardware.md"
NETLISTS = ("ecp5", "ice40-hx8k", "ice40-up5k", "gowin", "cells")
INPUTS = ("s16", "bf16", "fp32")
AREAS = ("comb", "ff", "dsp")

Result = dict[str, Any]


def find(document: dict[str, Any], **wanted: Any) -> Result:
    """The one result with these parameters, target included."""
    (result,) = select(document, **wanted)
    return result


def select(document: dict[str, Any], **wanted: Any) -> list[Result]:
    """The results with these parameters, target included."""
    return [one for one in document["results"] if all(_of(one, name) == value for name, value in wanted.items())]


def _of(one: Result, name: str) -> Any:
    if name == "target":
        return one["target"]
    parameter = one["parameters"].get("target" if name == "built" else name)
    return parameter["name"] if name == "format" else parameter


def targets(document: dict[str, Any]) -> list[str]:
    """Their names, in the order of the report."""
    return list(document["targets"])


def cell(number: float | None, digits: int = 0) -> str:
    """A number of a table."""
    return "-" if number is None else f"{number:,.{digits}f}"


def speed(one: Result) -> str:
    """Median and range of Fmax."""
    fmax = one["fmax"]
    median = f"{fmax['median']:.0f}"
    return median if len(fmax["seeds"]) == 1 else f"{median} ({fmax['min']:.0f}-{fmax['max']:.0f})"


def real(one: Result, what: str) -> list[float] | None:
    """What real activations made of it: without glitches, and with."""
    energy: list[float] | None = next((e.get(what) for e in one.get("energy", ()) if e["stimulus"] == "real"), None)
    return energy


def span(pair: list[float] | None) -> str:
    """A pair of :func:`real`."""
    return "-" if pair is None else f"{pair[0]:.0f}-{pair[1]:.0f}"


def over(pair: list[float] | None, base: list[float] | None) -> str:
    """One pair of :func:`real` over another."""
    if pair is None or base is None:
        return "-"
    return " - ".join(f"{one / other:.2f}" for one, other in zip(pair, base, strict=True))


def versions(documents: list[dict[str, Any]]) -> str:
    """The tools and commits that the reports were made with."""
    used: dict[str, dict[str, None]] = {}
    for document in documents:
        for tool, number in document["versions"].items():
            if tool.startswith(("yowasp", "pyosys")):
                used.setdefault(tool, {})[number] = None
    tools = ", ".join(f"{tool} {'/'.join(numbers)}" for tool, numbers in used.items())
    commits = dict.fromkeys((document["commit"] or "none")[:7] for document in documents)
    return f"{tools}; commit {'/'.join(commits)}"


def command(name: str) -> str:
    """The command of a report."""
    return f"    {load(f'hardware-{name}')['command']}"


def overhead() -> str:
    """se8 beside int8, per target and input."""
    rows = []
    for input in INPUTS:
        document = load(f"hardware-formats-{input}")
        for target in targets(document):
            one = find(document, format="se8", target=target)
            ratio = one["ratio"]
            energy = over(real(one, "energy"), real(find(document, format="int8", target=target), "energy"))
            shown = [cell(ratio[kind], 2) for kind in ("comb", "ff", "dsp")]
            rows.append([input, target, *shown, cell(ratio["silicon"], 2), cell(ratio["fmax"], 2), energy])
    columns = ["input", "target", "COMB", "FF", "DSP", "area", "Fmax", "energy, without - with glitches"]
    measured = [load(f"hardware-formats-{input}") for input in INPUTS]
    return f"{markdown(columns, rows)}\n\n{versions(measured)}."


def formats() -> str:
    """Every format on every target."""
    parts = []
    for input in INPUTS:
        document = load(f"hardware-formats-{input}")
        rows = []
        for target in targets(document):
            for one in select(document, target=target):
                area, pj, toggles = one["area"], real(one, "energy"), real(one, "toggles")
                silicon = "-" if area["silicon"] is None else f"{area['silicon']:,.0f}"
                rows.append(
                    [target, one["parameters"]["format"]["name"], *(cell(area[kind]) for kind in AREAS), silicon,
                     speed(one), span(pj), span(toggles)]
                )  # fmt: skip
        columns = ["target", "format", "COMB", "FF", "DSP", "area", "Fmax", "pJ/value", "toggles/value"]
        parts += [f"Input {input}:", markdown(columns, rows), command(f"formats-{input}")]
    return "\n\n".join(parts)


def cast() -> str:
    """Beside a cast to FP8."""
    document = load("hardware-cast-bf16")
    rows = []
    for target in targets(document):
        for one in select(document, target=target):
            area = one["area"]
            shown = [cell(area[kind]) for kind in AREAS]
            shown += [cell(area["silicon"]), speed(one), span(real(one, "energy"))]
            rows.append([target, one["label"], *shown])
    return "\n\n".join(
        [markdown(["target", "unit", "COMB", "FF", "DSP", "area", "Fmax", "pJ/value"], rows), command("cast-bf16")]
    )


def fused() -> str:
    """One multiplier beside a quantizer per segment."""
    rows, commands = [], []
    for input in ("s16", "bf16"):
        document = load(f"hardware-fused-{input}")
        commands.append(command(f"fused-{input}"))
        for target in targets(document):
            for format in ("se8", "tuned-6"):
                wanted = {"format": format, "target": target}
                one, other = (find(document, arch=arch, **wanted) for arch in ("fused", "parallel"))
                ratios = [
                    cell(other["area"][kind] / one["area"][kind] if one["area"][kind] else None, 2) for kind in AREAS
                ]
                silicon = one["area"]["silicon"]
                area = None if silicon is None else other["area"]["silicon"] / silicon
                energy = over(real(other, "energy"), real(one, "energy"))
                fmax = other["fmax"]["median"] / one["fmax"]["median"]
                rows.append([input, target, format, *ratios, cell(area, 2), cell(fmax, 2), energy])
    columns = ["input", "target", "format", "COMB", "FF", "DSP", "area", "Fmax", "energy"]
    return "\n\n".join([markdown(columns, rows), *commands])


def instantiated() -> str:
    """With the ECP5's own DSP registers."""
    rows, commands = [], []
    for input in ("s16", "bf16"):
        document = load(f"hardware-instantiated-{input}")
        commands.append(command(f"instantiated-{input}"))
        for target in targets(document):
            for one in select(document, target=target):
                shown = [cell(one["area"][kind]) for kind in AREAS]
                rows.append([target, one["label"], str(one["latency"]), *shown, speed(one)])
    return "\n\n".join([markdown(["target", "unit", "latency", "COMB", "FF", "DSP", "Fmax"], rows), *commands])


def scale() -> str:
    """Constant and run-time scales, by bits of M."""
    document = load("hardware-scale")
    rows = []
    for target in targets(document):
        for one in select(document, target=target):
            kind = "run time" if one["parameters"]["scale"] == "runtime" else "constant"
            area = one["area"]
            shown = [cell(area[name]) for name in AREAS] + [cell(area["silicon"]), speed(one)]
            rows.append(
                [target, one["parameters"]["format"]["name"], kind, str(one["parameters"]["scale_bits"]), *shown]
            )
    columns = ["target", "format", "scale", "bits of M", "COMB", "FF", "DSP", "area", "Fmax"]
    return "\n\n".join([markdown(columns, rows), command("scale")])


def lanes() -> str:
    """How cost grows with the lanes, per lane."""
    document = load("hardware-lanes")
    rows = []
    for target in targets(document):
        for one in select(document, target=target):
            count, area = one["parameters"]["lanes"], one["area"]
            shown = [cell(area[kind] / count, 1) for kind in AREAS]
            silicon = None if area["silicon"] is None else area["silicon"] / count
            rows.append([target, one["parameters"]["format"]["name"], str(count), *shown, cell(silicon), speed(one)])
    columns = ["target", "format", "lanes", "COMB/lane", "FF/lane", "DSP/lane", "area/lane", "Fmax"]
    return "\n\n".join([markdown(columns, rows), command("lanes")])


def pipeline() -> str:
    """Registers against Fmax."""
    document = load("hardware-pipeline")
    rows = []
    for target in targets(document):
        for one in select(document, target=target):
            area = one["area"]
            shown = [cell(area[name]) for name in ("comb", "ff")] + [cell(area["silicon"]), speed(one)]
            number = one["parameters"]["pipeline"]
            rows.append([target, one["parameters"]["format"]["name"], str(number), str(one["latency"]), *shown])
    columns = ["target", "format", "pipeline", "latency", "COMB", "FF", "area", "Fmax"]
    return "\n\n".join([markdown(columns, rows), command("pipeline")])


def decoder() -> str:
    """Area and Fmax of the decoders."""
    document = load("hardware-decoder")
    rows = [
        [target, one["parameters"]["format"]["name"], cell(one["area"]["comb"]), cell(one["area"]["ff"]),
         cell(one["area"]["silicon"]), speed(one)]
        for target in targets(document)
        for one in select(document, target=target)
    ]  # fmt: skip
    return "\n\n".join([markdown(["target", "format", "COMB", "FF", "area", "Fmax"], rows), command("decoder")])


def data() -> str:
    """Real activations and random ones."""
    rows = []
    for input in INPUTS:
        for one in load(f"hardware-formats-{input}")["results"]:
            if one["area"]["silicon"] is None or one["parameters"]["format"]["name"] not in ("int8", "se8"):
                continue
            by = {energy["stimulus"]: energy["energy"] for energy in one["energy"]}
            ratios = [over(by[name], by["real"]) for name in ("shuffled", "uniform")]
            rows.append([one["label"], *(f"{low:.1f}-{high:.1f}" for low, high in by.values()), *ratios])
    columns = ["unit", "real, pJ", "shuffled, pJ", "uniform, pJ", "shuffled / real", "uniform / real"]
    return markdown(columns, rows)


def critical() -> str:
    """What limits Fmax, in the unit's signals."""
    rows = []
    for input in INPUTS:
        document = load(f"hardware-formats-{input}")
        for one in select(document, format="se8"):
            rows.append([input, one["target"], *_path(one)])
    for input in ("s16", "bf16"):
        document = load(f"hardware-instantiated-{input}")
        for one in select(document, format="se8", built="ecp5"):
            rows.append([f"{input}, DSP instantiated", one["target"], *_path(one)])
    return markdown(["input", "target", "from ... to", "cells", "in cells, ns", "in wires, ns"], rows)


def _path(one: Result) -> Iterator[str]:
    path = one["critical_path"]
    names = [hop["signal"] for hop in path["hops"]]
    yield " > ".join(f"`{name}`" for name in names)
    yield str(path["cells"])
    yield f"{path['logic_ns']:.2f}"
    yield f"{path['routing_ns']:.2f}"


def netlists() -> str:
    """Gate-level replays."""
    rows, commands = [], []
    for name in NETLISTS:
        document = load(f"netlist-{name}")
        for run in document["runs"]:
            shown = [f"{run['values']:,}", str(run["mismatches"]), f"{run['seconds']:.0f} s"]
            rows.append([document["netlist"], run["run"], *shown])
        commands.append(f"    {document['command']}")
    return "\n\n".join([markdown(["netlist of", "run", "values", "mismatches", "time"], rows), "\n".join(commands)])


def older(now: age.Digests) -> str:
    """What is older than the code; a replay depends on the simulation, too."""
    floors = {name: (*age.SYNTHESIS, "sim") if name.startswith("netlist") else age.SYNTHESIS for name in LOADED}
    return age.block({name: (document, floors[name]) for name, document in LOADED.items()}, now)


BLOCKS: dict[str, Callable[[], str]] = {
    make.__name__: make
    for make in (
        overhead, formats, cast, fused, instantiated, scale, lanes, pipeline, decoder, data, critical, netlists
    )
}  # fmt: skip


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    check = "--check" in sys.argv[1:]
    made = {name: make() for name, make in BLOCKS.items()}
    made["age"] = older(age.digests(text, check=check))
    filled = fill(text, made)
    if check:
        sys.exit(0 if filled == text else "docs/hardware.md is not what docs/hardware.py makes")
    from hardware_pictures import draw_all

    draw_all(load)
    PAGE.write_text(filled, encoding="utf-8")
