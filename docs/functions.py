"""Writes the computed parts of docs/functions.md and its pictures: python docs/functions.py [--check].

They come from docs/results/functions-*.json (docs/functions_runs.py, docs/functions_netlists.py).
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import age
from blocks import fill, markdown
from reports import LOADED, load

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "functions.md"
FUNCTIONS = ("softplus", "silu", "exp2", "rsqrt")
SECTIONS = {
    **{name: tuple(f"{name}-{bits}{part}" for bits in (12, 8, 16) for part in ("", "-more")) for name in FUNCTIONS},
    "dsp": ("dsp",),
    "degree-2": ("degree-2",),
}
"""The reports of each section."""
AREAS = ("comb", "ff", "dsp", "bram")

Result = dict[str, Any]


def reports(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Those of the reports that there are, and the others."""
    names = list(names)
    there = [name for name in names if (ROOT / "docs" / "results" / f"functions-{name}.json").exists()]
    return there, [name for name in names if name not in there]


def kind(one: Result) -> str:
    """How a unit is made, in words."""
    given = one["parameters"]
    if given["unit"] == "table":
        return f"table of {given['entries']:,}"
    words = {"auto": "cheapest borders", "equal": "equal segments"}
    made = words[given["borders"]]
    if given["direct"]:
        made += ", direct"
    return made


def measured(section: str) -> str:
    """Every unit of a section's reports."""
    there, missing = reports(SECTIONS[section])
    rows, said = [], []
    for name in there:
        document = load(f"functions-{name}")
        for one in document["results"]:
            given, area = one["parameters"], one["area"]
            error = given.get("error", "-")
            segments = f"{one['segments']}" if "segments" in one else "-"
            size = "-" if area["nand2"] is None else f"{area['nand2']:,.0f}"
            rows.append([
                given["function"], error, kind(one), one["target"], segments, f"{one['error']:.3g}",
                str(one["latency"]), *(f"{area[what]:,}" for what in AREAS), size, f"{one['fmax']:.0f}",
                "-" if area["nand2"] else str(one.get("seeds", len(document["seeds"]))),
            ])  # fmt: skip
        tools = ", ".join(f"{tool} {version}" for tool, version in document["tools"].items())
        seeds = ", ".join(map(str, document["seeds"]))
        said.append(f"`{document['command']}`: {tools}; seeds {seeds}; commit {(document['commit'] or 'none')[:7]}.")
    columns = ["function", "bound", "made of", "target", "segments", "largest error", "latency", "COMB", "FF", "DSP",
               "BRAM", "NAND2", "Fmax", "seeds"]  # fmt: skip
    parts = [markdown(columns, rows), *dict.fromkeys(said)] if rows else []
    if missing:
        parts.append(f"Not measured: `python docs/functions_runs.py --seeds 1 {' '.join(missing)}`.")
    return "\n\n".join(parts)


def ratios() -> str:
    """Of each unit with the cheapest borders what it has over those with equal segments."""
    rows = []
    for name in reports(name for names in SECTIONS.values() for name in names)[0]:
        results = load(f"functions-{name}")["results"]
        for one in results:
            given = one["parameters"]
            if given["unit"] == "table" or given["borders"] != "auto":
                continue
            cells = []
            for direct in (False, True):
                same = [
                    other for other in results
                    if other["target"] == one["target"] and other["parameters"]["unit"] == "function"
                    and {**other["parameters"], "borders": "auto", "direct": False} == given
                    and (other["parameters"]["borders"], other["parameters"]["direct"]) == ("equal", direct)
                ]  # fmt: skip
                if not same:
                    cells += ["-", "-"]
                    continue
                (other,) = same
                cells.append(f"{size(one) / size(other):.2f}")
                cells.append(f"{one['fmax'] / other['fmax']:.2f}")
            built = {"generic": "", "ecp5": ", its DSP"}[given["target"]]
            rows.append([given["function"], given["error"], str(given["degree"]), f"{one['target']}{built}", *cells])
    columns = ["function", "bound", "degree", "target", "area", "Fmax", "area, direct", "Fmax, direct"]
    return markdown(columns, rows)


def size(one: Result) -> float:
    """Logic cells; of standard cells the area in NAND2, registers included."""
    area: dict[str, float] = one["area"]
    return area["comb"] if area["nand2"] is None else area["nand2"]


def netlists() -> str:
    """What the checks of the netlists found; what is not there is not checked."""
    if not (ROOT / "docs" / "results" / "functions-netlists.json").exists():
        return "Not checked: `python docs/functions_netlists.py`."
    document = load("functions-netlists")
    rows = [
        [one["label"], one["target"], f"{one['values']:,}", str(one["wrong"]), str(one["wrong_flags"])]
        for one in document["results"]
    ]
    table = markdown(["unit", "netlist of", "values", "wrong outputs", "wrong flags"], rows)
    return f"{table}\n\n`{document['command']}`: commit {(document['commit'] or 'none')[:7]}."


def older(now: age.Digests) -> str:
    """What is older than the code."""
    depends = {"functions-netlists": (*age.SIMULATION, "synth")}
    return age.block({name: (document, depends.get(name, age.SYNTHESIS)) for name, document in LOADED.items()}, now)


BLOCKS: dict[str, Callable[[], str]] = {
    name: lambda name=name: measured(name) for name in SECTIONS  # type: ignore[misc]
}


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    check = "--check" in sys.argv[1:]
    made = {name: make() for name, make in BLOCKS.items()}
    made |= {"ratios": ratios(), "netlists": netlists()}
    made["age"] = older(age.digests(text, check=check))
    filled = fill(text, made)
    if check:
        sys.exit(0 if filled == text else "docs/functions.md is not what docs/functions.py makes")
    from functions_pictures import draw_all

    draw_all()
    PAGE.write_text(filled, encoding="utf-8")
