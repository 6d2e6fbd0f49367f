"""docs/functions.md against its reports: every figure of the tables, the ratios, the netlists, the seeds."""

from collections.abc import Iterator
from typing import Any

from tests.docs.pages import DOCS, RESULTS, Pair, ages, blocks, numbers, report, rows, unnoticed, wrong

PAGE = (DOCS / "functions.md").read_text(encoding="utf-8")
FUNCTIONS = ("softplus", "silu", "exp2", "rsqrt")
RUNS = {name: [f"{name}-{bits}{more}" for bits in (12, 8, 16) for more in ("", "-more")] for name in FUNCTIONS}
RUNS |= {name: [name] for name in ("dsp", "degree-2")}
MADE = {"auto": "cheapest borders", "equal": "equal segments"}


def there(section: str) -> list[dict[str, Any]]:
    names = [f"functions-{name}" for name in RUNS[section]]
    return [report(name) for name in names if (RESULTS / f"{name}.json").exists()]


def tables(page: str, section: str) -> Iterator[Pair]:
    """A row for each result, in order; what was not measured is named."""
    documents = there(section)
    seeds = [{"seeds": len(document["seeds"])} for document in documents for _ in document["results"]]
    results = [one for document in documents for one in document["results"]]
    results = [placed | one for placed, one in zip(seeds, results, strict=True)]  # older reports have no own number
    for row, one in zip(rows(blocks(page)[section]), results, strict=True):
        about, area = one["parameters"], one["area"]
        table = about["unit"] == "table"
        made = f"table of {about['entries']:,}" if table else MADE[about["borders"]]
        values = {
            "function": about["function"], "bound": None if table else about["error"],
            "made of": made + ", direct" * bool(not table and about["direct"]), "target": one["target"],
            "segments": one.get("segments"), "latency": one["latency"], "COMB": area["comb"], "FF": area["ff"],
            "DSP": area["dsp"], "BRAM": area["bram"], "NAND2": area["nand2"], "Fmax": one["fmax"],
            "seeds": None if area["nand2"] else one["seeds"],
        }  # fmt: skip
        for heading, value in values.items():
            yield Pair(f"{heading} of {row}", row[heading], value)
        yield Pair(f"error of {row}", row["largest error"], f"{one['error']:.3g}")
        assert one["error"] <= _number(about["error"]) if not table else True
    text = blocks(page)[section]
    missing = [name for name in RUNS[section] if not (RESULTS / f"functions-{name}.json").exists()]
    yield Pair(section, str("Not measured" in text), str(bool(missing)))
    for name in missing:
        yield Pair(section, str(f" {name}" in text), "True")
    for document in documents:
        yield Pair(section, str(f"`{document['command']}`" in text), "True")


def _number(text: str) -> float:
    one, _, other = text.partition("/")
    return float(one) / float(other or 1)


def ratios(page: str) -> Iterator[Pair]:
    """Each unit over the equal segments of its own report, as it is and direct."""
    shown = iter(rows(blocks(page)["ratios"]))
    for section in RUNS:
        for document in there(section):
            units = [one for one in document["results"] if one["parameters"]["unit"] == "function"]
            for one in units:
                about = one["parameters"]
                if about["borders"] != "auto":
                    continue
                row = next(shown)
                yield Pair(f"{row}", row["function"], about["function"])
                yield Pair(f"{row}", row["bound"], about["error"])
                yield Pair(f"{row}", row["degree"], about["degree"])
                yield Pair(f"{row}", row["target"], one["target"] + ", its DSP" * (about["target"] == "ecp5"))
                for direct, words in ((False, ""), (True, ", direct")):
                    others = [
                        other for other in units
                        if (other["target"], other["parameters"]["borders"]) == (one["target"], "equal")
                        and other["parameters"]["direct"] == direct
                        and all(other["parameters"][key] == about[key] for key in ("function", "degree", "multiplier"))
                    ]  # fmt: skip
                    other = others[0] if others else None
                    yield Pair(f"{row}", row[f"area{words}"], other and _size(one) / _size(other))
                    yield Pair(f"{row}", row[f"Fmax{words}"], other and one["fmax"] / other["fmax"])
    assert next(shown, None) is None


def _size(one: dict[str, Any]) -> float:
    return one["area"]["nand2"] or one["area"]["comb"]


def netlists(page: str) -> Iterator[Pair]:
    checked = (RESULTS / "functions-netlists.json").exists()
    yield Pair("netlists", str("Not checked" in blocks(page)["netlists"]), str(not checked))
    results = report("functions-netlists")["results"] if checked else []
    for row, one in zip(rows(blocks(page)["netlists"]), results, strict=True):
        keys = {"unit": "label", "netlist of": "target", "values": "values", "wrong outputs": "wrong",
                "wrong flags": "wrong_flags"}  # fmt: skip
        for heading, key in keys.items():
            yield Pair(f"{heading} of {row}", row[heading], one[key])
        assert (one["values"], one["wrong"], one["wrong_flags"], one["passed"]) == (1 << 16, 0, 0, True)


def age(page: str) -> Iterator[Pair]:
    yield from ages(blocks(page)["age"], sorted(path.stem for path in RESULTS.glob("functions-*.json")))


def check(page: str) -> Iterator[Pair]:
    for section in RUNS:
        yield from tables(page, section)
    for one in (ratios, netlists, age):
        yield from one(page)


def test_figures():
    assert wrong(check(PAGE)) == []


def test_every_block_is_checked():
    unchecked = set(blocks(PAGE)) - {*RUNS, "ratios", "netlists", "age"}
    assert not [name for name in unchecked if numbers(blocks(PAGE)[name])], "add a check of its figures here"


def test_a_damaged_figure_is_noticed():
    assert unnoticed(PAGE, ["exp2", "ratios", "netlists"], check, 12) == []
