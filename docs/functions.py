"""Writes the computed parts of docs/functions.md and its pictures: python docs/functions.py [--check].

They come from docs/results/functions-*.json (docs/functions_runs.py).
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import age
from blocks import fill, markdown
from reports import LOADED, load

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "functions.md"
NAMES = ("softplus", "silu", "exp2", "rsqrt", "dsp", "degree-2")
AREAS = ("comb", "ff", "dsp", "bram")

Result = dict[str, Any]
def kind(one: Result) -> str:
    """How a unit is made, in words."""
    given = one["parameters"]
    if given["unit"] == "table":
        return f"table of {given['entries']:,}"
    words = {"free": "free borders", "power-of-two": "power-of-two borders", "equal": "equal segments"}
    made = words[given["borders"]]
    if given["direct"]:
        made += ", direct"
    return made


def measured(name: str) -> str:
    """Every unit of a report."""
    document = load(f"functions-{name}")
    rows = []
    for one in document["results"]:
        given, area = one["parameters"], one["area"]
        error = given.get("error", "-")
        segments = f"{one['segments']}" if "segments" in one else "-"
        size = "-" if area["nand2"] is None else f"{area['nand2']:,.0f}"
        rows.append([
            given["function"], error, kind(one), one["target"], segments, f"{one['error']:.3g}", str(one["latency"]),
            *(f"{area[what]:,}" for what in AREAS), size, f"{one['fmax']:.0f}",
        ])  # fmt: skip
    columns = ["function", "bound", "made of", "target", "segments", "largest error", "latency", "COMB", "FF", "DSP",
               "BRAM", "NAND2", "Fmax"]  # fmt: skip
    tools = ", ".join(f"{tool} {version}" for tool, version in document["tools"].items())
    said = f"{tools}; seeds {', '.join(map(str, document['seeds']))}; commit {(document['commit'] or 'none')[:7]}"
    return "\n\n".join([markdown(columns, rows), f"    {document['command']}", f"{said}."])


def ratios() -> str:
    """Of each unit with free borders what it has over those with equal segments."""
    rows = []
    for name in NAMES:
        document = load(f"functions-{name}")
        results = document["results"]
        for one in results:
            given = one["parameters"]
            if given["unit"] == "table" or given["borders"] != "free":
                continue
            cells = []
            for direct in (False, True):
                same = [
                    other for other in results
                    if other["target"] == one["target"] and other["parameters"]["unit"] == "function"
                    and {**other["parameters"], "borders": "free", "direct": False} == given
                    and (other["parameters"]["borders"], other["parameters"]["direct"]) == ("equal", direct)
                ]  # fmt: skip
                if not same:
                    cells += ["-", "-"]
                    continue
                (other,) = same
                cells.append(f"{one['area']['comb'] / other['area']['comb']:.2f}")
                cells.append(f"{one['fmax'] / other['fmax']:.2f}")
            built = {"generic": "", "ecp5": ", its DSP"}[given["target"]]
            rows.append([given["function"], given["error"], str(given["degree"]), f"{one['target']}{built}", *cells])
    columns = ["function", "bound", "degree", "target", "COMB", "Fmax", "COMB, direct", "Fmax, direct"]
    return markdown(columns, rows)


def older(now: age.Digests) -> str:
    """What is older than the code."""
    return age.block({name: (document, age.SYNTHESIS) for name, document in LOADED.items()}, now)


BLOCKS: dict[str, Callable[[], str]] = {name: lambda name=name: measured(name) for name in NAMES}  # type: ignore[misc]


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    check = "--check" in sys.argv[1:]
    made = {name: make() for name, make in BLOCKS.items()}
    made["ratios"] = ratios()
    made["age"] = older(age.digests(text, check=check))
    filled = fill(text, made)
    if check:
        sys.exit(0 if filled == text else "docs/functions.md is not what docs/functions.py makes")
    from functions_pictures import draw_all

    draw_all()
    PAGE.write_text(filled, encoding="utf-8")
