"""Measurements of integer models: python docs/integer_runs.py [NAME ...], all if none is named.

Each makes docs/results/integer-NAME.json: KL divergence from the unquantized bundled Mamba-1 (shared: and Mamba-2), in
mnat per token.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from qse_hw.golden.evaluate.bootstrap import Bootstrap
from qse_hw.golden.evaluate.score import cut, score
from qse_hw.golden.io.environment import environment
from qse_hw.golden.models.integer.calibrate import SEQUENCE, calibrate_integer
from qse_hw.golden.models.integer.effects import disagreements, effects
from qse_hw.golden.models.integer.formats import MODES, ModelFormats
from qse_hw.golden.models.integer.mamba1.formats import Mamba1Formats
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.options import OBJECTIVES, STATES, Options
from qse_hw.golden.models.mamba.checkpoint import load_model
from qse_hw.golden.models.mamba.text import read_text
from qse_hw.study.evaluation.report import scaled

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
TEXTS = {name: ROOT / "golden" / "assets" / "text" / f"{name}.txt" for name in ("calibration", "held-out")}
SCHEMA = "qse-hw/integer-runs/1"
MODEL, TOKENS = "mamba-bytes", 8192
MODELS = (MODEL, "mamba2-bytes")
WIDER = 10  # bits
EFFECTS_TOKENS = 2048

Row = dict[str, Any]


class Bench:
    """A model with its texts, and what was measured on them."""

    def __init__(self, model: str = MODEL) -> None:
        self.model = load_model(model)
        self.ids = {name: read_text(path).ids for name, path in TEXTS.items()}

    def calibrate(self, **options: Any) -> ModelFormats:
        """The formats by the calibration text."""
        return calibrate_integer(self.model, self.ids["calibration"], tokens=TOKENS, options=Options(**options))

    def divergence(self, formats: ModelFormats, texts: tuple[str, ...] = ("held-out",)) -> Row:
        """KL by text; how often values saturated on the last one, by tensor."""
        row: Row = {}
        for name in texts:
            quantized = IntegerMamba.of(self.model, formats)
            windows = cut(self.ids[name], TOKENS)
            scores = score(self.model, {"integer": quantized}, windows, vocab_size=self.model.config.vocab_size)
            row[name] = 1e3 * float(scores.kl["integer"].mean()) / scores.predictions
        saturated: dict[str, int] = {}
        for (_, tensor), count in quantized.saturated.items():
            saturated[tensor] = saturated.get(tensor, 0) + count
        return row | {"saturated": {tensor: count for tensor, count in sorted(saturated.items()) if count}}


def states(bench: Bench) -> Iterator[Row]:
    """Formats and rounding of the SSM state; local tensors of 16 bits."""
    for state in STATES:
        nearest = bench.calibrate(state=state, local_bits=16)
        for rounding in ("nearest", "stochastic"):
            layers = [replace(layer, state=replace(layer.state, rounding=rounding)) for layer in nearest.layers]
            formats = replace(nearest, layers=tuple(layers))
            yield {"state": state, "rounding": rounding, "local_bits": 16} | bench.divergence(formats)


def objectives(bench: Bench, local_bits: int) -> Iterator[Row]:
    """What the formats make least; seconds to find them."""
    for objective in OBJECTIVES:
        began = time.process_time()
        formats = bench.calibrate(objective=objective, local_bits=local_bits)
        row = {"objective": objective, "local_bits": local_bits, "cpu_seconds": time.process_time() - began}
        yield row | bench.divergence(formats, tuple(TEXTS))


def bits(bench: Bench) -> Iterator[Row]:
    """8 bits everywhere, and one tensor in all layers wider: how many more bits a token then has, and the loss."""
    plain, wide = bench.calibrate(), bench.calibrate(bits=WIDER)
    yield {"tensor": None, "bits": 8, "more_bits": 0} | bench.divergence(plain)
    config: Any = bench.model.config
    inner, states = config.d_inner, config.d_state
    channels = {"norm": config.d_model, "dt_low": config.dt_rank, "B": states, "C": states}
    for name in (*Mamba1Formats.OPERANDS, *Mamba1Formats.LOCALS):
        layers = tuple(_exchanged(*pair, name) for pair in zip(plain.layers, wide.layers, strict=True))
        more = (WIDER - 8) * channels.get(name, inner) * len(layers)
        row = {"tensor": name, "bits": WIDER, "more_bits": more}
        yield row | bench.divergence(replace(plain, layers=layers))
    row = {"tensor": "norm_f", "bits": WIDER, "more_bits": (WIDER - 8) * config.d_model}
    yield row | bench.divergence(replace(plain, norm_f=wide.norm_f))


def _exchanged(layer: Any, wide: Any, name: str) -> Any:
    """The layer with one tensor of the other; a finer B may need a coarser inflow."""
    inflow = tuple(map(max, layer.inflow, wide.inflow)) if name == "B" else layer.inflow
    return replace(layer, inflow=inflow, **{name: getattr(wide, name)})


def tensors(bench: Bench) -> Iterator[Row]:
    """Each tensor of each layer rounded alone on 2,048 held-out tokens, by two objectives; first those where the SQNR's
    winner loses most.
    """
    found = effects(
        bench.model,
        {name: bench.calibrate(objective=name) for name in ("x", "loss")},
        bench.ids["held-out"][:EFFECTS_TOKENS].view(-1, SEQUENCE),
    )
    disputed = disagreements(found)
    for key in [*disputed, *sorted(found.keys() - set(disputed))]:
        named = {name: {"kl": 1e3 * one.kl, "sqnr_db": one.sqnr_db} for name, one in found[key].items()}
        yield {"layer": key[0], "tensor": key[1], "disagree": key in disputed, **named}


def shared(bench: Bench) -> Iterator[Row]:
    """What it costs that all layers have the same formats; KL with its interval, over that of each layer's own."""
    for model in MODELS:
        own = bench if model == MODEL else Bench(model)
        windows = cut(own.ids["held-out"], TOKENS)
        draws = Bootstrap(len(windows))
        for local_bits in (16, 8):
            formats = {mode: own.calibrate(mode=mode, local_bits=local_bits) for mode in MODES}
            models = {mode: IntegerMamba.of(own.model, one) for mode, one in formats.items()}
            scores = score(own.model, models, windows, vocab_size=own.model.config.vocab_size)
            for mode in MODES:
                ratio = draws.ratio(scores.kl[mode], scores.kl["free"])
                assert ratio is not None  # a rounded model loses something
                kl = scaled(draws.estimate(scores.kl[mode] / scores.predictions), 1e3)
                row = {"model": model, "local_bits": local_bits, "mode": mode, "kl": kl, "kl_ratio": scaled(ratio)}
                yield row | {"different": _different(formats[mode])}


def _different(formats: ModelFormats) -> list[str]:
    """Tensors whose formats differ between layers."""
    layers: list[Any] = list(formats.layers)
    coded = [*layers[0].OPERANDS, *layers[0].LOCALS]
    coded += ["A"] if isinstance(layers[0], Mamba1Formats) else []
    return [
        name for name in coded if len({getattr(getattr(layer, name), "format", None) for layer in layers}) > 1
    ]


RUNS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "state": states, "bits": bits, "tensors": tensors, "shared": shared,
    "objectives-8": lambda bench: objectives(bench, 8), "objectives-16": lambda bench: objectives(bench, 16),
}  # fmt: skip


def main(names: list[str]) -> None:
    """Measure what is named."""
    unknown = set(names) - RUNS.keys()
    if unknown:
        sys.exit(f"Run must be one of {', '.join(RUNS)}, not {min(unknown)}")
    bench = Bench()
    for name in names or RUNS:
        rows = []
        for row in RUNS[name](bench):
            print(name, row, flush=True)
            rows.append(row)
        document = {
            "schema": SCHEMA,
            "command": f"python docs/integer_runs.py {name}",
            "model": list(MODELS) if name == "shared" else MODEL,
            "tokens": TOKENS,
            "defaults": asdict(Options()) | {"spec": str(Options().spec)},
            **environment(),
            "results": rows,
        }
        path = RESULTS / f"integer-{name}.json"
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(path, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
