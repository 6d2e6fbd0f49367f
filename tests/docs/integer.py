"""The parts of docs/accuracy.md on the integer model and on the published models, against their reports."""

import re
from collections.abc import Iterator
from statistics import mean
from typing import Any

from tests.docs.pages import Pair, blocks, report, rows, significant

MODELS = {"Mamba-1": "integer-mamba-bytes", "Mamba-2": "integer-mamba2-bytes"}
CLAIMS = {"integer, 8 bits everywhere": ("integer-8", 0.2), "integer, local tensors of 16 bits": ("integer-16", 0.1)}
RIVALS = {"INT8": "quamba", "`se8`": "quamba-se8", "`se9-paper`": "quamba-se"}
RECIPES = {
    "integer-8": "**integer, 8 bits everywhere**", "integer-16": "**integer, local tensors of 16 bits**",
    "integer-8-nearest": "integer, 8 bits everywhere, weights rounded to nearest",
    "integer-16-nearest": "integer, local tensors of 16 bits, weights rounded to nearest",
    "quamba": "Quamba, INT8, best alpha", "quamba-se8": "Quamba with x in `se8`, L = 8, best alpha",
    "quamba-se": "Quamba with x in `se9-paper` (9 bits), best alpha",
    "quamba-simulated": "Quamba, simulated in float32",
    "quamba-rotated": "the same, residual stream rotated", "quamba-rows": "the same, a step for every row of weights",
    "quamba-rotated-rows": "the same, rotated and with steps for rows",
    "quamba-smoothed": "the same, SmoothQuant's folding", "fp8-e4m3": "float8 e4m3 everywhere",
    "fp8-e3m4": "float8 e3m4 everywhere", "mxfp8": "MXFP8 (e4m3) everywhere",
}  # fmt: skip
PARTS = {
    "all": "all of it", "without rotate_residual": "residual stream not rotated",
    "without fold_norms": "neither rotated nor norms folded", "without rotate_y": "y not rotated",
    "without row scales": "one step for a whole weight matrix",
    "without soft edges": "INT8 at its best scale for the products' operands",
}  # fmt: skip
KINDS = {"absmax": "INT8, peak", "int8": "INT8, least squares", "chosen": "as calibrated", "tensor": "INT8, one step",
         "row": "INT8, a step for every row"}  # fmt: skip
MARGINS = {
    "over INT8, best scale": "int8", "over Quamba's INT8, best alpha": "quamba",
    "over `se8-silu`, K and zero point tuned": "se8-silu", "over `se9-paper`, best scale (9 bits)": "se9-paper",
}  # fmt: skip


def estimate(where: str, shown: str, value: dict[str, Any], factor: float = 1.0) -> Iterator[Pair]:
    """Mean and interval, to three digits; what comes after a comma is read elsewhere."""
    written = re.match(r"([\d.e+-]+) \(([\d.e+-]+) to ([\d.e+-]+)\)(?:,|$)", shown)
    for part, name in zip(written.groups() if written else [], ("mean", "low", "high"), strict=True):
        yield Pair(where, part, part if significant(part, factor * value[name], 3) else factor * value[name])


def shared(page: str) -> Iterator[Pair]:
    shown, results = rows(blocks(page)["integer-shared"]), report("integer-shared")["results"]
    yield Pair("rows", str(len(shown)), len(results))
    models = {"mamba-bytes": "Mamba-1", "mamba2-bytes": "Mamba-2"}
    formats = {"free": "each layer's own", "shared": "shared by all layers"}
    own = {(one["model"], one["local_bits"]): one["kl"]["mean"] for one in results if one["mode"] == "free"}
    for row, one in zip(shown, results, strict=True):
        where = f"{row}"
        yield Pair(where, row["model"], f"{models[one['model']]}, local tensors of {one['local_bits']} bits")
        yield Pair(where, row["formats"], formats["free" if one["different"] else "shared"])
        yield from estimate(where, row["KL (mnat/token)"], one["kl"])
        yield from estimate(where, row["over each layer's own"], one["kl_ratio"])
        ratio = one["kl"]["mean"] / own[one["model"], one["local_bits"]]
        yield Pair(where, f"{ratio:.6f}", one["kl_ratio"]["mean"])


def claims(page: str) -> Iterator[Pair]:
    shown = rows(blocks(page)["integer-claims"])
    yield Pair("rows", str(len(shown)), len(MODELS) * len(CLAIMS) * len(RIVALS))
    for row in shown:
        model, claim, rival = re.match(
            r"(Mamba-\d): (.*), over Quamba(?: with x in|,) ([^ ,]+)", row["KL over KL"]
        ).groups()
        yield Pair(f"{row}", row["KL over KL"].partition(", over ")[2], RECIPES[RIVALS[rival]])
        name, bound = CLAIMS[claim]
        ratio = report(MODELS[model])["formats"][name]["kl_ratios"][RIVALS[rival]]
        yield from estimate(f"{row}", row["ratio"], ratio)
        yield Pair(f"{row}", row["at most"], bound)
        certain = ratio["high"] <= bound
        words = "holds" if certain else "**not certain**" if ratio["mean"] <= bound else "**does not hold**"
        yield Pair(f"{row}", row["claim"], words)


def models(page: str) -> Iterator[Pair]:
    block = blocks(page)["integer-models"]
    for row, (name, words) in zip(rows(block), RECIPES.items(), strict=True):
        yield Pair(name, row["recipe"], words)
        for title, run in MODELS.items():
            entry = report(run)["formats"][name]
            yield from estimate(f"{row}", row[f"{title}: KL (mnat/token)"], entry["kl"], 1e3)
            if "alpha" in entry:
                yield Pair(f"{row}", row[f"{title}: KL (mnat/token)"].rpartition("alpha ")[2], f"{entry['alpha']}")
            yield from estimate(f"{row}", row[f"{title}, over Quamba's"], entry["kl_ratio"])
    for title, run in MODELS.items():
        line = next(line for line in block.splitlines() if line.startswith(f"{title}: saturated"))
        document = report(run)
        tokens, counts, size = re.search(r" in ([\d,]+) tokens: (.*)\. The head .* adds ([\d,]+) bytes", line).groups()
        yield Pair(line, tokens, document["texts"]["held_out"]["tokens"])
        yield Pair(line, size, document["untied_bytes"])
        wanted = ", ".join(f"{name} {count:,}" for name, count in document["saturated"]["integer-8"].items())
        yield Pair(line, counts, wanted or "none")


def parts(page: str) -> Iterator[Pair]:
    for row, (name, words) in zip(rows(blocks(page)["integer-parts"]), PARTS.items(), strict=True):
        yield Pair(name, row["8 bits everywhere, simulated"], words)
        for title, run in MODELS.items():
            entry = report(run)["parts"][name]
            yield from estimate(f"{row}", row[f"{title}: KL (mnat/token)"], entry["kl"], 1e3)
            yield from estimate(f"{row}", row[f"{title}, over all of it"], entry["kl_ratio"])


def bits(page: str) -> Iterator[Pair]:
    block, document = blocks(page)["integer-bits"], report("integer-bits")
    plain, *wider = document["results"]
    assert plain["tensor"] is None
    for row, one in zip(rows(block), [plain, *sorted(wider, key=lambda one: one["held-out"])], strict=True):
        yield Pair("bits", row["wider tensor"], one["tensor"] or "none")
        yield Pair(f"{row}", row["bits"], one["bits"])
        yield Pair(f"{row}", row["more bits a token"], one["more_bits"])
        yield Pair(f"{row}", row["KL (mnat/token)"], one["held-out"])
        yield Pair(f"{row}", row["less by"], plain["held-out"] - one["held-out"])
    yield Pair("tokens", re.search(r"^([\d,]+) held-out tokens", block, re.MULTILINE)[1], document["tokens"])


def objectives(page: str) -> Iterator[Pair]:
    block = blocks(page)["integer-objectives"]
    reports = [report(f"integer-objectives-{local_bits}") for local_bits in (8, 16)]
    for row, one in zip(rows(block), [one for each in reports for one in each["results"]], strict=True):
        yield Pair(f"{row}", row["local bits"], one["local_bits"])
        yield Pair(f"{row}", row["objective"], one["objective"])
        yield Pair(f"{row}", row["KL on the calibration text"], one["calibration"])
        yield Pair(f"{row}", row["KL on held-out text"], one["held-out"])
        yield Pair(f"{row}", row["processor seconds"], one["cpu_seconds"])
    for each in reports:
        yield Pair("tokens", re.search(r"per token, ([\d,]+) tokens", block)[1], each["tokens"])


def tensors(page: str, model: str) -> Iterator[Pair]:
    block, document = blocks(page)[f"integer-tensors-{model}"], report(f"integer-{model}")["tensors"]
    shown, differ = iter(rows(block)), []
    for name, effect in document["effects"].items():
        kinds = effect["kinds"]
        by_kl = min(kinds, key=lambda kind: kinds[kind]["kl"]["mean"])
        levels = {kind: float("inf") if None in one["sqnr_db"] else mean(one["sqnr_db"]) for kind, one in kinds.items()}
        by_sqnr = max(levels, key=lambda kind: levels[kind])
        differ += [name] if by_kl != by_sqnr else []
        for number, (kind, one) in enumerate(kinds.items()):
            row = next(shown)
            yield Pair(f"{row}", row["alone"], "" if number else name)
            yield Pair(f"{row}", row["rounded to"], KINDS[kind])
            yield from estimate(f"{row}", row["KL (mnat/token)"], one["kl"], 1e3)
            level = levels[kind]
            yield Pair(f"{row}", row["SQNR (dB)"], "inf" if level == float("inf") else level)
            best = [what for what, winner in (("KL", by_kl), ("SQNR", by_sqnr)) if winner == kind]
            words = " and ".join(best) if len(kinds) > 1 else ""
            yield Pair(f"{row}", row["best by"], f"**{words}**" if words and by_kl != by_sqnr else words)
    windows, words = re.search(r"^(\d+) windows\. KL and SQNR choose (.*)\.$", block, re.MULTILINE).groups()
    yield Pair("windows", windows, document["windows"])
    yield Pair("what differs", words, f"differently for {', '.join(differ)}" if differ else "alike")


def public(page: str) -> Iterator[Pair]:
    shown = iter(rows(blocks(page)["public"]))
    for name, model in report("public-x")["models"].items():
        own = [layer["sqnr_db"]["tuned:segments=6"] for layer in model["layers"]]
        for words in (*MARGINS, "below the limit"):
            row = next(shown)
            yield Pair(name, row["dB, held-out"], f"{name}: tuned, 6 segments, {words}")
            if words == "below the limit":
                values = [layer["limit_sqnr_db"] - value for layer, value in zip(model["layers"], own, strict=True)]
            else:
                rival = [layer["sqnr_db"][MARGINS[words]] for layer in model["layers"]]
                values = [value - other for value, other in zip(own, rival, strict=True)]
            for number, value in enumerate(values):
                yield Pair(f"{row}", row[f"layer {number}"], value)
            yield Pair(f"{row}", row["mean"], mean(values))


CHECKS = {
    "integer-claims": claims, "integer-models": models, "integer-parts": parts, "integer-shared": shared,
    "integer-bits": bits, "integer-objectives": objectives, "public": public,
}  # fmt: skip
