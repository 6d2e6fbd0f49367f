"""docs/accuracy.md against the reports of eval and calibrate: figures and verdicts, computed from the layers' SQNR."""

import re
from collections.abc import Iterator
from statistics import mean, median
from typing import Any

import pytest

from tests.docs import integer
from tests.docs.pages import DOCS, RESULTS, Pair, ages, blocks, numbers, report, rows, significant, unnoticed, wrong

PAGE = (DOCS / "accuracy.md").read_text(encoding="utf-8")
MODELS = {"Mamba-1": "mamba-bytes", "Mamba-2": "mamba2-bytes"}
SPECS = {"tuned, 6 segments": "tuned:segments=6", "tuned, 4 segments": "tuned:segments=4"}
FAMILIES = {
    "int8": ("INT8", ""), "int8-asym": ("INT8 with zero point", ""), "quamba": ("INT8, Quamba's", ""),
    "quamba2": ("INT8, 8 groups of channels (Quamba2)", ""), "quamba-se": ("se9-paper at", "(**9 bits**)"),
    "quamba-se8": ("`se8`, L = 8", ""), "se8": ("`se8`", ""), "se8-silu": ("`se8-silu`", ""),
    "se9-paper": ("`se9-paper`", "(**9 bits**)"), "fp8-e4m3": ("float8 e4m3", ""), "fp8-e3m4": ("float8 e3m4", ""),
    "tuned": ("tuned", ""), "lloyd-max": ("Lloyd-Max, 256 levels", ""),
}  # fmt: skip
"""How the name of a format begins and ends."""
RIVALS = {"`se9-paper` (9 bits)": "se9-paper", "Quamba's INT8": "quamba"}
KINDS = {"one set": "runtime", "one format": "shared", "free per layer, least": "output", "free per layer": "x"}
PAPER = {"alpha 0.9995": ("paper", "quamba-se8:alpha=0.9995"), "best alpha": ("paper", "quamba-se8"),
         "K and zero": ("x", "se8-silu"), "L tuned": ("x", "se8"), "L = 8": ("x", "se8:L=8")}  # fmt: skip
LADDER = ("int8", "int8-asym", "tuned:segments=2,sign=0", "tuned:segments=3,sign=0", "tuned:segments=4",
          "tuned:segments=5", "tuned:segments=6", "int8", "tuned:segments=2,sign=1", "tuned:segments=3,sign=1",
          "tuned:segments=3,sign=0")  # fmt: skip


def sqnr(run: str, spec: str, text: str = "held_out") -> list[float]:
    return [layer[text]["sqnr_db"] for layer in report(run)["formats"][spec]["layers"]]


def less(run: str, spec: str, text: str = "held_out") -> list[float]:
    """dB below the limit."""
    limit = report(run)["limit_sqnr_db"][text]
    return [most - own for most, own in zip(limit, sqnr(run, spec, text), strict=True)]


def over(better: list[float], worse: list[float]) -> list[float]:
    return [one - other for one, other in zip(better, worse, strict=True)]


def by_layer(row: dict[str, str], values: list[float]) -> Iterator[Pair]:
    for number, value in enumerate(values):
        yield Pair(f"{row}", row[f"layer {number}"], value)
    yield Pair(f"{row}", row["mean"], mean(values))


def claims(page: str) -> Iterator[Pair]:
    shown = rows(blocks(page)["claims"])
    yield Pair("rows", str(len(shown)), len(MODELS) * 2 * 5)
    for row in shown:
        model, text, spec, sign, limit, rival = re.fullmatch(
            r"(Mamba-\d), (.*): (tuned, \d segments), at (most|least) ([\d.]+) (?:below|above (.*))", row["dB"]
        ).groups()
        run, text = f"x-{MODELS[model]}", {"held-out text": "held_out", "the text fitted to": "calibration"}[text]
        if sign == "most":
            margins = less(run, SPECS[spec], text)
            broken = [str(n) for n, value in enumerate(margins) if value > float(limit)]
            yield Pair(f"{row}", limit, {"tuned, 6 segments": 1.1, "tuned, 4 segments": 1.9}[spec])
        else:
            margins = over(sqnr(run, SPECS[spec], text), sqnr(run, RIVALS[rival], text))
            broken = [str(n) for n, value in enumerate(margins) if value < float(limit)]
            yield Pair(f"{row}", limit, {"se9-paper": 0, "quamba": 10}[RIVALS[rival]])
        yield from by_layer(row, margins)
        yield Pair(f"{row}", row["claim"], f"**not in layer {', '.join(broken)}**" if broken else "holds")


def quality(page: str, model: str) -> Iterator[Pair]:
    run = f"x-{model}"
    first, *others = rows(blocks(page)[f"quality-{model}"])
    yield Pair("limit", first["format"], "**limit**: 256 levels for these very values")
    yield from by_layer(first, report(run)["limit_sqnr_db"]["held_out"])
    for row, spec in zip(others, report(run)["formats"], strict=True):
        yield from by_layer(row, sqnr(run, spec))
        yield Pair(f"{row}", row["below the limit"], mean(less(run, spec)))
        yield from parameters(row["format"], spec)


def parameters(words: str, spec: str) -> Iterator[Pair]:
    """A format's name begins with its family's name, and has the numbers of its key."""
    begin, end = FAMILIES[spec.partition(":")[0]]
    yield Pair(spec, str(words.startswith(begin) and words.endswith(end)), "True")
    wanted = {"segments": r"(\d) segments", "L": r"L = (\d+)", "alpha": r"alpha (0\.\d+)"}
    for key, pattern in wanted.items():
        if given := re.search(rf"\b{key}=([\d.]+)", spec):
            yield Pair(words, (re.search(pattern, words) or ["", ""])[1], given[1])


def ratios(page: str) -> Iterator[Pair]:
    spec, shown = "tuned:segments=3,sign=1", iter(rows(blocks(page)["ratios"]))
    for name, model in MODELS.items():
        gain = over(sqnr(f"x-{model}", spec), sqnr(f"x-{model}", "se8"))
        for number, layer in enumerate(report(f"x-{model}")["formats"][spec]["layers"]):
            row = next(shown)
            yield Pair("ratios", row["layer"], f"{name}, layer {number}")
            yield Pair(row["layer"], row["best three segments with a sign bit"], f"`{layer['detail']}`")
            yield Pair(row["layer"], row["dB over `se8`, L tuned"], gain[number])


def asymmetric(page: str) -> Iterator[Pair]:
    lost = []
    shown = rows(blocks(page)["asymmetric"])
    yield Pair("rows", str(len(shown)), len(MODELS) * len(PAPER))
    for row in shown:
        model, words = row["dB over INT8 with zero point"].split(": ")
        kind, spec = next(pair for part, pair in PAPER.items() if part in words)
        run = f"{kind}-{MODELS[model]}"
        gain = over(sqnr(run, spec), sqnr(run, "int8-asym"))
        yield from by_layer(row, gain)
        yield from parameters(words, spec)
        losses = [f"{n} ({value:.1f} dB)" for n, value in enumerate(gain) if value < 0]
        lost += [f"- {model}, {words}: layers {', '.join(losses)}"] if losses else []
    listed = [line for line in blocks(page)["asymmetric"].splitlines() if line.startswith("- ")]
    yield Pair("what loses", "\n".join(listed), "\n".join(lost))


def ladder(page: str) -> Iterator[Pair]:
    before: dict[str, float] = {}
    for row, spec in zip(rows(blocks(page)["ladder"]), LADDER, strict=True):
        yield Pair(f"{row}", str("INT8" in row["change"]), str(spec == "int8"))
        for place, (name, model) in enumerate(MODELS.items()):
            value = mean(sqnr(f"x-{model}", spec))
            yield Pair(f"{row}", row[f"{name} dB"], value)
            if spec != "int8":
                yield Pair(f"{row}", ladder_cells(page, row)[3 + 2 * place], value - before[model])
            before[model] = value


def ladder_cells(page: str, row: dict[str, str]) -> list[str]:
    """The cells in order, as two columns have the name ``adds``."""
    begin = f"| {row['order']} | {row['change']} | {row['Mamba-1 dB']} |"
    line = next(line for line in blocks(page)["ladder"].splitlines() if line.startswith(begin))
    return [cell.strip() for cell in line.split("|")[1:-1]]


def estimate(where: str, shown: str, value: dict[str, Any], *, sign: bool) -> Iterator[Pair]:
    """Mean and interval, in thousandths; = for a difference that may be none."""
    if sign and value["low"] <= 0 <= value["high"]:
        yield Pair(where, shown, "=")
        return
    written = re.fullmatch(r"([-+]?[\d.e-]+) \(([-\d.e]+) to ([-\d.e]+)\)", shown)
    for part, name in zip(written.groups() if written else [], ("mean", "low", "high"), strict=True):
        yield Pair(where, part, part if significant(part, 1e3 * value[name], 3) else 1e3 * value[name])
    yield Pair(where, str(shown.startswith(("+", "-"))), str(sign))


def whole(page: str, run: str) -> Iterator[Pair]:
    document = report(run)
    text = blocks(page)[run]
    windows, plain = re.search(r"(\d+) windows; unquantized: ([\d.]+) bits", text).groups()
    yield Pair(run, windows, document["windows"])
    yield Pair(run, plain, document["unquantised"]["bits_per_byte"]["mean"])
    for row, (spec, losses) in zip(rows(text), document["formats"].items(), strict=True):
        yield from parameters(row["x"], spec)
        yield from estimate(f"{row}", row["KL (mnat/token)"], losses["kl"], sign=False)
        if spec == "quamba":
            yield Pair(f"{row}", row["KL minus Quamba INT8's"], "reference")
        else:
            yield from estimate(f"{row}", row["KL minus Quamba INT8's"], losses["kl_difference"], sign=True)
        bits = losses["bits_per_byte_difference"]
        yield from estimate(f"{row}", row["bits per byte (thousandths)"], bits, sign=True)


def sharing(page: str) -> Iterator[Pair]:
    shown = rows(blocks(page)["sharing"])
    yield Pair("rows", str(len(shown)), len(MODELS) * len(SPECS) * len(KINDS))
    for row in shown:
        model, words = row["format"].split(", ", 1)
        yield from parameters(words, SPECS[words])
        run = f"{next(kind for begin, kind in KINDS.items() if row['tuned'].startswith(begin))}-{MODELS[model]}"
        values, losses = sqnr(run, SPECS[words]), report(run)["formats"][SPECS[words]]
        yield Pair(f"{row}", row["mean SQNR"], mean(values))
        yield Pair(f"{row}", row["worst layer"], min(values))
        yield from estimate(f"{row}", row["KL (mnat/token)"], losses["kl"], sign=False)
        bits = losses["bits_per_byte_difference"]
        yield from estimate(f"{row}", row["bits per byte (thousandths)"], bits, sign=True)


def readings(page: str) -> Iterator[Pair]:
    for row, spec in zip(rows(blocks(page)["readings"]), ("se8", "se9-paper"), strict=True):
        for column, run in (("x_proj reads the code", "quamba"), ("x_proj reads INT8", "int8-in")):
            kl = report(f"{run}-mamba-bytes")["formats"][spec]["kl"]
            yield from parameters(row["x"], spec)
            yield from estimate(f"{row}", row[column], kl, sign=False)


def large(page: str) -> Iterator[Pair]:
    for row in rows(blocks(page)["large"]):
        calibration = report(f"calibrate-{row['shape']}")
        for name in ("layers", "channels", "tokens"):
            yield Pair(f"{row}", row[name], calibration[name])
        yield Pair(f"{row}", row["time"].removesuffix(" s"), calibration["seconds"])
        yield Pair(f"{row}", row["peak memory"].removesuffix(" GiB"), calibration["peak_memory_gib"])


def made(page: str) -> Iterator[Pair]:
    kinds = ("x", "paper", "output", "runtime", "shared", "quamba", "int8-in", "calibrate", "integer")
    names = sorted(path.stem for kind in kinds for path in RESULTS.glob(f"{kind}-mamba*.json"))
    names += ["headroom-bundled", "headroom-public", "public-x", "integer-shared", "integer-bits",
              "integer-objectives-8", "integer-objectives-16"]
    yield from ages(blocks(page)["made"], names)
    commits = {report(name)["commit"][:7] for name in names}
    line = next(line for line in blocks(page)["made"].splitlines() if line.startswith("Made with"))
    yield Pair("commits", str(sorted(re.findall(r"\b[0-9a-f]{7}\b", line))), str(sorted(commits)))


def layers_with_headroom() -> Iterator[tuple[str, float, list[dict[str, Any]]]]:
    """Model and length of the calibration as the page calls them, that length over the held-out one's, the layers."""
    names = {**{model: name for name, model in MODELS.items()}, "typeseg": "typeseg", "opensr-mamba": "opensr-mamba"}
    for study in ("headroom-bundled", "headroom-public"):
        for model, lengths in report(study)["models"].items():
            unit = "pixels" if model == "opensr-mamba" else "bytes"
            for length, layers in lengths.items():
                share = int(length) / report(study)["held_out_tokens"]
                yield f"{names[model]}, {int(length):,} {unit}", share, layers


def headroom(page: str) -> Iterator[Pair]:
    shown, costs, beyond = iter(rows(blocks(page)["headroom"])), dict[str, list[float]](), []
    for name, share, layers in layers_with_headroom():
        beyond += [layer["held_out_beyond"] * share for layer in layers]
        for place, factor in enumerate(("1", "1.25", "1.5")):
            row = next(shown)
            cost = over([x["sqnr_db"]["1"] for x in layers], [x["sqnr_db"][factor] for x in layers])
            below = over([x["held_out_limit_db"] for x in layers], [x["held_out_sqnr_db"][factor] for x in layers])
            costs.setdefault(factor, []).extend(cost)
            far = ", ".join(str(n) for n, value in enumerate(below) if value > 1.5)
            yield Pair(f"{row}", row["fitted to"], "" if place else name)
            yield Pair(f"{row}", row["headroom"], factor)
            yield Pair(f"{row}", row["cost, mean"], mean(cost))
            yield Pair(f"{row}", row["cost, most"], max(cost))
            yield Pair(f"{row}", row["below the held-out limit, mean"], mean(below))
            yield Pair(f"{row}", row["worst layer"], max(below))
            yield Pair(f"{row}", row["layers more than 1.5 below"], far or "none")
    for factor, cost in costs.items():
        row = next(shown)
        yield Pair(f"{row}", row["headroom"], factor)
        yield Pair(f"{row}", row["cost, mean"], mean(cost))
        yield Pair(f"{row}", row["cost, most"], max(cost))
    words = re.search(r"has (\d+) values .* all (\d+) .* median is ([\d.]+)\.", blocks(page)["headroom"])
    yield from (Pair("beyond", words[1], mean(beyond)), Pair("beyond", words[2], len(beyond)))
    yield Pair("beyond", words[3], median(beyond))


def rare(page: str) -> Iterator[Pair]:
    shown = iter(rows(blocks(page)["rare"]))
    for name, _, layers in layers_with_headroom():
        for number, layer in enumerate(layers):
            below = {one: layer["held_out_limit_db"] - value for one, value in layer["held_out_sqnr_db"].items()}
            if below["1"] > 1.5:
                row = next(shown)
                yield Pair(f"{row}", row["fitted to"], f"{name}, layer {number}")
                yield Pair(f"{row}", row["later peak over the peak"], layer["held_out_peak"] / layer["peak"])
                yield Pair(f"{row}", row["values beyond the peak"], layer["held_out_beyond"])
                for one, value in below.items():
                    yield Pair(f"{row}", row[f"dB below the limit, headroom {one}"], value)
    yield Pair("rows beyond those", str(len(list(shown))), 0)


CHECKS = {
    "headroom": headroom, "rare": rare,
    "claims": claims, "ratios": ratios, "asymmetric": asymmetric, "ladder": ladder, "sharing": sharing,
    "readings": readings, "large": large, "made": made, **integer.CHECKS,
}  # fmt: skip
TEXT = {"commands-x", "commands-sharing", "commands-whole", "commands-large", "commands-integer"}
"""Blocks without figures."""
WITH_MODEL = [f"{kind}-{model}" for kind in ("quality", "x", "quamba", "integer-tensors") for model in MODELS.values()]


def check(page: str) -> Iterator[Pair]:
    for one in CHECKS.values():
        yield from one(page)
    for model in MODELS.values():
        yield from quality(page, model)
        yield from whole(page, f"x-{model}")
        yield from whole(page, f"quamba-{model}")
        yield from integer.tensors(page, model)


def test_figures():
    assert wrong(check(PAGE)) == []


def test_every_block_is_checked():
    assert set(blocks(PAGE)) >= {*CHECKS, *WITH_MODEL, *TEXT}
    unchecked = set(blocks(PAGE)) - {*CHECKS, *WITH_MODEL, *TEXT}
    assert not [name for name in unchecked if numbers(blocks(PAGE)[name])], "add a check of its figures here"


@pytest.mark.every(12)
@pytest.mark.parametrize("name", [name for name in (*CHECKS, *WITH_MODEL) if name != "made"])
def test_a_damaged_figure_is_noticed(name):
    assert unnoticed(PAGE, [name], check, 12) == []


def test_a_changed_verdict_is_noticed():
    assert wrong(check(PAGE.replace("| 4 |\n", "| none |\n", 1)))
    assert wrong(check(PAGE.replace("| holds |", "| **not in layer 1** |", 1)))
