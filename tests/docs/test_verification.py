"""docs/verification.md against the evidence files: every figure is counted again from the items."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docs.pages import DOCS, Pair, blocks, numbers, older, report, rows, significant, today, unnoticed, wrong

PAGE = (DOCS / "verification.md").read_text(encoding="utf-8")
PLAIN = (
    "exhaustive", "exhaustive-fp32", "fuzz", "mutation-netlist", "mutation-python", "oracles", "reproducibility",
    "whole-model",
)  # fmt: skip
"""Tables whose headings are the items' keys."""
RENAMED = {"breakpoints.py": "segmentation.py", "formats.py": "segmented.py", "quantiser.py": "quantizers.py"}
PROOFS = ("formal", "formal-memory")
NAMES = (*PROOFS, *(f"{name}-faults" for name in PROOFS), "coverage", *PLAIN)


def plain(page: str, name: str) -> Iterator[Pair]:
    items = report(f"verify-{name}")["items"]
    for row, item in zip(rows(blocks(page)[name]), items, strict=True):
        for heading, shown in row.items():
            value = item.get(heading.replace(" ", "_"))
            if heading == "result":
                yield Pair(f"{name}: {row}", shown, outcome(name, item))
            elif heading == "goal" and value is None:
                yield Pair(f"{name}: {row}", shown, "not recorded")
            else:
                yield told(f"{name}: {row}", shown, value)


def told(where: str, shown: str, value: Any) -> Pair:
    """A figure, of which floats have four digits; a module that has moved since is named by its new path."""
    if isinstance(value, str):
        if value.endswith(".py") and shown != value:
            folder, name = value.rsplit("/", 1)
            moved = re.fullmatch(rf"{folder}/\w+/{RENAMED.get(name, name)}", shown)
            return Pair(where, shown, shown if moved else value)
        return Pair(where, shown, today(value))
    if not isinstance(value, float):
        return Pair(where, shown, value)
    return Pair(where, shown, shown if significant(shown.replace(",", ""), value, 4) else value)


def outcome(name: str, item: dict) -> str:
    if name == "mutation-python":
        score = (item["killed"] + item["timed_out"]) / (item["mutants"] - item["equivalent"])
        if "goal" not in item:
            return "no goal recorded"
        if score < item["goal"]:
            return "**not reached**"
        return "**failed**" if item["mistaken"] else "passed"
    return "passed" if item["passed"] else "**failed**"


def formal(page: str, evidence: str) -> Iterator[Pair]:
    items = report(f"verify-{evidence}")["items"]
    shown = rows(blocks(page)[evidence])
    columns = ("without bound", "over a window from any state", "reached")
    yield Pair("proofs", str(sum(len(row[c].split(", ")) for row in shown for c in columns if row[c])), len(items))
    for row in shown:
        mine = [one for one in items if row["unit"] == ", ".join(filter(None, (one["unit"], one.get("scale"))))]
        reached = [one for one in mine if "reached" in one]
        unbounded = [one for one in mine if one["how"] == "unbounded"]
        window = [one for one in mine if one not in reached + unbounded]
        for name, proofs in zip(columns, (unbounded, window, reached), strict=True):
            yield Pair(row["unit"], row[name], ", ".join(one["property"] for one in proofs))
        yield Pair(row["unit"], row["time"].removesuffix(" s"), sum(one["seconds"] for one in mine))
        passed = bool(mine) and all(one["passed"] for one in mine)
        yield Pair(row["unit"], row["result"], "passed" if passed else "**failed**")


def faults(page: str, evidence: str) -> Iterator[Pair]:
    items = report(f"verify-{evidence}")["items"]
    shown = rows(blocks(page)[evidence])
    total = 0
    for row in shown:
        mine = [one for one in items if (row["unit"], row["property"]) == (one["unit"], f"`{one['property']}`")]
        caught = sum(one["passed"] for one in mine)
        total += len(mine)
        yield Pair(f"{row}", row["caught"], f"{caught} of {len(mine)}")
        yield Pair(f"{row}", row["faults"], "; ".join(one["fault"] for one in mine))
    yield Pair("all faults", str(total), len(items))


def coverage(page: str) -> Iterator[Pair]:
    for row, item in zip(rows(blocks(page)["coverage"]), report("verify-coverage")["items"], strict=True):
        yield Pair("coverage", row["what"], item["name"])
        yield Pair(row["what"], row["result"], "passed" if item["passed"] else "**failed**")
        values = [item[key] for key in ("hit", "bins", "line_percent", "branch_percent") if key in item]
        values += [len(item["impossible"])] if "impossible" in item else []
        values += [item[kind]["percent"] for kind in ("line", "branch", "toggle") if kind in item]
        if "said" in item:
            yield Pair(row["what"], row["found"], item["said"])
        else:
            for shown, value in zip(numbers(row["found"]), values, strict=True):
                yield Pair(row["what"], shown, value)


def counted(name: str, items: list[dict]) -> dict[str, Any]:
    """Figures of the summary, from the items."""

    def total(*keys: str) -> int:
        return sum(item[key] for item in items for key in keys)

    passed = sum(item["passed"] for item in items)
    match name:
        case "formal" | "formal-faults" | "formal-memory" | "formal-memory-faults":
            return {"proofs": len(items), "shown": passed, "units": len({(i["unit"], i.get("scale")) for i in items}),
                    "unbounded": sum(i["how"] == "unbounded" for i in items)}  # fmt: skip
        case "exhaustive" | "exhaustive-fp32":
            return {"units": len(items), "values": total("values"), "differences": total("wrong", "wrong_flags")}
        case "whole-model":
            kinds = ("wrong_codes", "wrong_values", "missing", "extra", "unknown", "violations", "wrong_inputs")
            totals = {"compared": total("values"), "values": total("values") // 2}
            return totals | {"mismatches": total(*kinds, "wrong_flags")}
        case "mutation-netlist":
            return {key: total(key) for key in ("mutants", "killed", "equivalent", "different", "unresolved")} | {
                "netlists": len(items)}  # fmt: skip
        case "fuzz":
            findings = sum(len(item["findings"]) for item in items)
            return {"cases": total("cases"), "accepted": total("accepted"), "findings": findings}
        case "oracles":
            compared = [item for item in items if item["note"] != "values are tests"]
            return {"comparisons": len(compared), "values": sum(item["values"] for item in compared),
                    "differences": total("differences"), "unexplained": total("unexplained"),
                    "of them ties": total("ties")}  # fmt: skip
        case "reproducibility":
            return {"runs": len(items), "digests compared": total("artefacts"), "differences": total("different")}
        case "coverage":
            percents = {f"{i['name'].rpartition(' ')[2].replace('_', ' ')} {kind} percent": i[f"{kind}_percent"]
                        for i in items for kind in ("line", "branch") if f"{kind}_percent" in i}  # fmt: skip
            bins = [item for item in items if "bins" in item]
            return percents | {"bins": sum(i["bins"] for i in bins), "bins hit": sum(i["hit"] for i in bins)}
    heart = [item for item in items if item["what"].startswith("golden/")]
    parts = {"golden, heart": heart} | {item["what"]: [item] for item in items if item not in heart}
    return {part: share(mine) for part, mine in parts.items()}


def share(items: list[dict]) -> str:
    noticed = sum(item["killed"] + item["timed_out"] for item in items)
    real = sum(item["mutants"] - item["equivalent"] for item in items)
    return f"{100 * noticed / real:.1f}% of {sum(item['mutants'] for item in items)} mutants"


def summary(page: str) -> Iterator[Pair]:
    for name, row in zip(NAMES_IN_ORDER, rows(blocks(page)["summary"]), strict=True):
        document = report(f"verify-{name}")
        items = document["items"]
        yield Pair(name, row["claim"], document["claim"])
        yield Pair(name, row["command"], f"`{document['command']}`")
        figures = dict(part.split(": ", 1) for part in row["evidence"].split("; "))
        for what, value in counted(name, items).items():
            shown = figures[what]
            yield told(f"{name}, {what}", shown[: len(value)] if isinstance(value, str) else shown, value)
        kept = {what.replace("_", " "): value for what, value in document["figures"].items()}
        for what, shown in figures.items():
            yield told(f"{name}, {what}", shown, kept[what])
        since = row["older than the code"].removeprefix("**yes**: ")
        yield older(document, "" if since == "no" else since, page)
        words, date, commit = row["last result"].rsplit(", ", 2)
        yield Pair(name, date, document["date"])
        yield Pair(name, commit, document["commit"][:7])
        verdicts = {outcome(name, item) for item in items} - {"passed"}
        yield Pair(name, words, next(iter(verdicts)) if len(verdicts) == 1 else "**failed**" if verdicts else "passed")
        minutes = re.fullmatch(r"(\d+) (s|min)", row["time"])
        yield Pair(name, minutes[1], document["seconds"] / (60 if minutes[2] == "min" else 1))


NAMES_IN_ORDER = (
    "formal", "formal-faults", "formal-memory", "formal-memory-faults", "exhaustive", "exhaustive-fp32", "whole-model",
    "mutation-netlist", "mutation-python", "coverage", "fuzz", "oracles", "reproducibility",
)  # fmt: skip


def check(page: str) -> Iterator[Pair]:
    yield from summary(page)
    for name in PROOFS:
        yield from formal(page, name)
        yield from faults(page, f"{name}-faults")
    yield from coverage(page)
    for name in PLAIN:
        yield from plain(page, name)


def test_figures():
    assert wrong(check(PAGE)) == []


def test_every_evidence_file_is_on_the_page():
    assert {path.stem for path in (DOCS / "results").glob("verify-*.json")} == {f"verify-{n}" for n in NAMES_IN_ORDER}
    assert set(blocks(PAGE)) == {"summary", *NAMES}


def test_a_damaged_figure_is_noticed():
    assert unnoticed(PAGE, ["summary", *NAMES], check) == []


@pytest.mark.parametrize("name", NAMES_IN_ORDER)
def test_a_changed_verdict_is_noticed(name):
    command = f"`{report(f'verify-{name}')['command']}`"
    (line,) = [line for line in PAGE.splitlines() if command in line and line.startswith("|")]
    verdict = re.search(r"(passed|no goal recorded|\*\*not reached\*\*|\*\*failed\*\*)(?=, 20)", line)[0]
    other = line.replace(f"{verdict}, 20", f"{'**failed**' if verdict == 'passed' else 'passed'}, 20")
    assert wrong(check(PAGE.replace(line, other)))


def test_no_goal_is_nothing():
    """Every recorded goal is above one half."""
    goals = [item["goal"] for name in NAMES_IN_ORDER for item in report(f"verify-{name}")["items"] if "goal" in item]
    assert all(goal > 0.5 for goal in goals)
