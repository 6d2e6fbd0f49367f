"""Fills the computed parts of docs/accuracy.md and draws its pictures: python docs/accuracy.py [--check].

The prose is in the page; every table and verdict stands between ``<!-- begin NAME -->`` and ``<!-- end -->`` and is
computed here from docs/results, which docs/studies.py makes.
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS)]

import accuracy_pictures  # noqa: E402 - scripts of one folder
import age  # noqa: E402
import headroom_tables  # noqa: E402
import integer_tables  # noqa: E402
import public_tables  # noqa: E402
from blocks import fill, markdown  # noqa: E402
from studies import MODELS, RESULTS, RUNS  # noqa: E402

PAGE = DOCS / "accuracy.md"
NAMES = {
    "int8": "INT8, best scale",
    "quamba": "INT8, Quamba's percentile, best alpha",
    "quamba-se": "se9-paper at Quamba's percentile, best alpha (**9 bits**)",
    "quamba-se8": "`se8`, L = 8, at Quamba's percentile, best alpha",
    "quamba-se8:alpha=0.9995": "`se8`, L = 8, at Quamba's percentile, alpha 0.9995 as published",
    "quamba2": "INT8, 8 groups of channels (Quamba2)",
    "int8-asym": "INT8 with zero point",
    "se8:L=8": "`se8`, L = 8",
    "se8": "`se8`, L tuned",
    "se8-silu": "`se8-silu`, K and zero point tuned",
    "se9-paper": "`se9-paper`, best scale (**9 bits**)",
    "fp8-e4m3": "float8 e4m3",
    "fp8-e3m4": "float8 e3m4",
    "tuned:segments=2,sign=1": "tuned, sign bit, 2 segments",
    "tuned:segments=3,sign=1": "tuned, sign bit, 3 segments",
    "tuned:segments=2,sign=0": "tuned, no sign bit, 2 segments",
    "tuned:segments=3,sign=0": "tuned, no sign bit, 3 segments",
    "tuned:segments=4": "tuned, 4 segments",
    "tuned:segments=5": "tuned, 5 segments",
    "tuned:segments=6": "tuned, 6 segments",
    "lloyd-max": "Lloyd-Max, 256 levels",
}
RIVALS = {  # by format: other format, its name, dB above it, at least
    "tuned:segments=6": (("se9-paper", "`se9-paper` (9 bits)", 0), ("quamba", "Quamba's INT8", 10)),
    "tuned:segments=4": (("quamba", "Quamba's INT8", 10),),
}
CLAIM = {"tuned:segments=6": 1.1, "tuned:segments=4": 1.9}  # dB below the limit, at most, on every layer


LOADED: dict[str, dict[str, Any]] = {}
"""The reports of which the page has figures, by name."""


def load(name: str) -> dict[str, Any]:
    """One report."""
    if name not in LOADED:
        LOADED[name] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return LOADED[name]


def sqnr(document: dict[str, Any], spec: str, text: str = "held_out") -> list[float]:
    """SQNR in dB by layer."""
    return [layer[text]["sqnr_db"] for layer in document["formats"][spec]["layers"]]


def gains(document: dict[str, Any], better: str, worse: str, text: str = "held_out") -> list[float]:
    """dB by layer that one format has over another."""
    pairs = zip(sqnr(document, better, text), sqnr(document, worse, text), strict=True)
    return [one - other for one, other in pairs]


def by_layer(values: list[float], digits: int = 1) -> list[str]:
    """Cells, and their mean."""
    return [*(f"{value:.{digits}f}" for value in values), f"{statistics.mean(values):.{digits}f}"]


def claims() -> str:
    """What was claimed, layer by layer, and whether it holds."""
    rows = []
    for model, name in MODELS.items():
        document = load(f"x-{model}")
        for text, words in (("calibration", "the text fitted to"), ("held_out", "held-out text")):
            for spec, most in CLAIM.items():
                margins = [layer[text]["distance_db"] for layer in document["formats"][spec]["layers"]]
                broken = [str(n) for n, value in enumerate(margins) if value > most]
                verdict = "holds" if not broken else f"**not in layer {', '.join(broken)}**"
                rows.append([f"{name}, {words}: {NAMES[spec]}, at most {most} below", *by_layer(margins, 2), verdict])
                for other, rival, least in RIVALS[spec]:
                    margins = gains(document, spec, other, text)
                    broken = [str(n) for n, value in enumerate(margins) if value < least]
                    verdict = "holds" if not broken else f"**not in layer {', '.join(broken)}**"
                    what = f"{name}, {words}: {NAMES[spec]}, at least {least} above {rival}"
                    rows.append([what, *by_layer(margins, 2), verdict])
    layers = range(len(rows[0]) - 3)
    return markdown(["dB", *(f"layer {n}" for n in layers), "mean", "claim"], rows)


def quality(model: str) -> str:
    """SQNR by layer and format."""
    document = load(f"x-{model}")
    limit = document["limit_sqnr_db"]["held_out"]
    rows = [["**limit**: 256 levels for these very values", *by_layer(limit), ""]]
    for spec, losses in document["formats"].items():
        distance = statistics.mean(layer["held_out"]["distance_db"] for layer in losses["layers"])
        rows.append([NAMES[spec], *by_layer(sqnr(document, spec)), f"{distance:.1f}"])
    return markdown(["format", *(f"layer {n}" for n in range(len(limit))), "mean", "below the limit"], rows)


def ratios() -> str:
    """The steps that layers choose with a sign bit, beside the paper's."""
    rows = []
    for model, name in MODELS.items():
        document = load(f"x-{model}")
        won = gains(document, "tuned:segments=3,sign=1", "se8")
        for number, layer in enumerate(document["formats"]["tuned:segments=3,sign=1"]["layers"]):
            rows.append([f"{name}, layer {number}", f"`{layer['detail']}`", f"{won[number]:+.2f}"])
    return markdown(["layer", "best three segments with a sign bit", "dB over `se8`, L tuned"], rows)


def asymmetric() -> str:
    """The paper's layout beside plain INT8 with a zero point."""
    rows, lost = [], []
    for model, name in MODELS.items():
        for run, spec in PAPER:
            margins = gains(load(f"{run}-{model}"), spec, "int8-asym")
            rows.append([f"{name}: {NAMES[spec]}", *by_layer(margins)])
            losses = [f"{n} ({value:.1f} dB)" for n, value in enumerate(margins) if value < 0]
            if losses:
                lost.append(f"- {name}, {NAMES[spec]}: layers {', '.join(losses)}")
    verdict = "\n".join(["It loses:", "", *lost]) if lost else "It loses in no layer."
    table = markdown(["dB over INT8 with zero point", *(f"layer {n}" for n in range(len(margins))), "mean"], rows)
    return f"{table}\n\n{verdict}"


PAPER = (
    ("paper", "quamba-se8:alpha=0.9995"), ("paper", "quamba-se8"), ("x", "se8:L=8"), ("x", "se8"), ("x", "se8-silu")
)  # fmt: skip
LADDERS = {
    "sign bit dropped first": {
        "int8": "INT8",
        "int8-asym": "no sign bit",
        "tuned:segments=2,sign=0": "a second step",
        "tuned:segments=3,sign=0": "a third step",
        "tuned:segments=4": "a fourth",
        "tuned:segments=5": "a fifth",
        "tuned:segments=6": "a sixth",
    },
    "sign bit dropped last": {
        "int8": "INT8",
        "tuned:segments=2,sign=1": "a second step",
        "tuned:segments=3,sign=1": "a third step",
        "tuned:segments=3,sign=0": "no sign bit",
    },
}


def ladder() -> str:
    """Mean SQNR after each change, and what the change adds."""
    rows = []
    for title, steps in LADDERS.items():
        before: list[float] = []
        for spec, words in steps.items():
            means = [statistics.mean(sqnr(load(f"x-{model}"), spec)) for model in MODELS]
            cells = [f"{mean:.1f}" for mean in means]
            added = [f"{mean - old:+.1f}" for mean, old in zip(means, before, strict=True)] if before else ["", ""]
            pairs = zip(cells, added, strict=True)
            rows.append([title if not before else "", words, *(cell for pair in pairs for cell in pair)])
            before = means
    return markdown(["order", "change", *(cell for name in MODELS.values() for cell in (f"{name} dB", "adds"))], rows)


KINDS = {
    "x": "free per layer",
    "runtime": "one set of steps; counts, zero point, scale per layer",
    "shared": "one format; scale per layer",
    "output": "free per layer, least error at the layer's output",
}


def sharing() -> str:
    """Modes and objectives."""
    rows = []
    for model, name in MODELS.items():
        for spec in CLAIM:
            for kind, words in KINDS.items():
                document = load(f"{kind}-{model}")
                losses, values = document["formats"][spec], sqnr(document, spec)
                bits = difference(losses["bits_per_byte_difference"])
                rows.append(
                    [f"{name}, {NAMES[spec]}", words, f"{statistics.mean(values):.2f}", f"{min(values):.2f}",
                     interval(losses["kl"]), bits]
                )  # fmt: skip
    columns = ["format", "tuned", "mean SQNR", "worst layer", "KL (mnat/token)", "bits per byte (thousandths)"]
    return markdown(columns, rows)


def whole(kind: str, model: str) -> str:
    """KL and bits per byte by format."""
    document = load(f"{kind}-{model}")
    plain = document["unquantised"]["bits_per_byte"]["mean"]
    rows = []
    for spec, losses in document["formats"].items():
        against = "reference" if spec == document["reference"] else difference(losses["kl_difference"])
        rows.append([NAMES[spec], interval(losses["kl"]), against, difference(losses["bits_per_byte_difference"])])
    table = markdown(["x", "KL (mnat/token)", "KL minus Quamba INT8's", "bits per byte (thousandths)"], rows)
    return f"{document['windows']} windows; unquantized: {plain:.4f} bits per byte.\n\n{table}"


def readings() -> str:
    """x_proj reads the code, or a plain INT8."""
    inner, outer = load("int8-in-mamba-bytes")["formats"], load("quamba-mamba-bytes")["formats"]
    both = [spec for spec in inner if spec in outer and spec != "quamba"]  # whose x is INT8 already
    rows = [[NAMES[spec], interval(outer[spec]["kl"]), interval(inner[spec]["kl"])] for spec in both]
    return markdown(["x", "x_proj reads the code", "x_proj reads INT8"], rows)


def large() -> str:
    """Time and memory of large shapes."""
    names = [name for name in RUNS if name.startswith("calibrate-")]
    rows = []
    for name in names:
        report = load(name)
        rows.append([
            name.removeprefix("calibrate-"), str(report["layers"]), str(report["channels"]), f"{report['tokens']:,}",
            f"{report['seconds']:.0f} s", f"{report['peak_memory_gib']:.1f} GiB",
        ])  # fmt: skip
    machine = load(names[0])["machine"]
    table = markdown(["shape", "layers", "channels", "tokens", "time", "peak memory"], rows)
    return f"{table}\n\nOn {machine['cores']} cores, {machine['processor']}."


def interval(estimate: dict[str, Any]) -> str:
    """Mean and 95 % interval in thousandths."""
    return f"{1e3 * estimate['mean']:.3g} ({1e3 * estimate['low']:.3g} to {1e3 * estimate['high']:.3g})"


def difference(estimate: dict[str, Any]) -> str:
    """As :func:`interval`; = where the interval holds 0."""
    if estimate["within_noise"]:
        return "="
    return f"{1e3 * estimate['mean']:+.3g} ({1e3 * estimate['low']:.3g} to {1e3 * estimate['high']:.3g})"


def made() -> str:
    """What the figures were made with: all that any report names."""
    document = load("x-mamba-bytes")
    versions = {tool: [one["versions"][tool] for one in LOADED.values()] for tool in ("numpy", "torch")}
    versions["Python"] = [one["python"] for one in LOADED.values()]
    versions["commit"] = [(one["commit"] or "none")[:7] for one in LOADED.values()]
    words = [f"{name} {'/'.join(dict.fromkeys(values))}" for name, values in versions.items()]
    return f"Made with {', '.join(words)}, seed {document['seed']}."


def commands(*kinds: str) -> str:
    """The commands of runs, as a code block."""
    names = [name for name in RUNS if name.startswith(kinds)]
    return "\n".join(f"    python -m qse_hw {RUNS[name]}" for name in names)


def blocks(now: age.Digests) -> dict[str, str]:
    """Everything computed, by name; what is older than the code, by :func:`age.digests`."""
    parts = {
        "claims": claims(), "ratios": ratios(), "asymmetric": asymmetric(), "ladder": ladder(), "sharing": sharing(),
        "readings": readings(), "large": large(), "made": made(),
        "headroom": headroom_tables.headroom(load), "rare": headroom_tables.rare(load),
        "public": public_tables.public(load), "integer-claims": integer_tables.claims(load),
        "integer-models": integer_tables.models(load), "integer-parts": integer_tables.parts(load),
        "integer-shared": integer_tables.shared(load), "integer-bits": integer_tables.bits(load),
        "integer-objectives": integer_tables.objectives(load),
        "commands-integer": commands("integer-"),
        "commands-x": commands("x-", "paper-"), "commands-sharing": commands("output-", "runtime-", "shared-"),
        "commands-whole": commands("quamba-", "int8-in-"), "commands-large": commands("calibrate-"),
    }  # fmt: skip
    for model in MODELS:
        parts |= {
            f"quality-{model}": quality(model),
            f"integer-tensors-{model}": integer_tables.tensors(load(f"integer-{model}")),
        } | {
            f"{kind}-{model}": whole(kind, model) for kind in ("x", "quamba")
        }
    older = age.block({name: (document, age.MODELS) for name, document in LOADED.items()}, now)
    return parts | {"made": f"{made()}\n\n{older}"}


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    check = "--check" in sys.argv[1:]
    filled = fill(text, blocks(age.digests(text, check=check)))
    if check:
        sys.exit(0 if filled == text else "accuracy.md is not what docs/accuracy.py makes")
    PAGE.write_text(filled, encoding="utf-8")
    accuracy_pictures.draw_all(load)
