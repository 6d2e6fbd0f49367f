"""What headroom costs and what it saves, on text that formats were not fitted to: python docs/headroom.py [NAME ...].

Makes docs/results/headroom-NAME.json; NAME is bundled (the two models that come with the package) or public (two
published ones, which are downloaded: docs/public_models.py); if none is given, both. Of every layer, a tuned format is
fitted to short and to long calibrations, with several headrooms, and judged on held-out values.
"""

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw import golden
from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.lloyd import lloyd_max
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.io.environment import cores, environment
from qse_hw.golden.io.files import write_json

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS)]

TEXTS = Path(golden.__file__).parent / "assets" / "text"
SPEC = "tuned:segments=6,sign=0"  # of SiLU's outputs, none is better with a sign bit
HEADROOMS = (1.0, 1.25, 1.5)
HELD_OUT = 16384
BUNDLED = {"mamba-bytes": (2048, 8192), "mamba2-bytes": (2048, 8192)}
PUBLIC = {"typeseg": (2048, 8192), "opensr-mamba": (4096, 16384)}  # by model: tokens of the calibrations

X = npt.NDArray[np.float32]


def bundled() -> dict[str, dict[str, list[X]]]:
    """x of the bundled models by model, text and layer: fitted to Melville, judged on Doyle, as ``eval`` does."""
    from qse_hw.golden.models.mamba.checkpoint import load_model
    from qse_hw.golden.models.mamba.stream import activations, layers_of
    from qse_hw.golden.models.mamba.text import read_text

    models = {}
    for model, tokens in BUNDLED.items():
        layers = layers_of(load_model(model))
        models[model] = {
            text: [seen["x"] for _, seen, _, _ in activations(layers, read_text(TEXTS / file).ids, tokens=count)]
            for text, file, count in (
                ("calibration", "calibration.txt", max(tokens)), ("held_out", "held-out.txt", HELD_OUT)
            )
        }  # fmt: skip
    return models


def public() -> dict[str, dict[str, list[X]]]:
    """x of the public models."""
    import public_models

    with public_models.installed():
        return {
            "typeseg": public_models.typeseg({"calibration": max(PUBLIC["typeseg"]), "held_out": HELD_OUT}),
            "opensr-mamba": public_models.opensr({"calibration": max(PUBLIC["opensr-mamba"]), "held_out": HELD_OUT}),
        }


def judge(seen: X, later: X) -> dict[str, Any]:
    """One layer: the format of every headroom, fitted to ``seen`` and judged on both."""
    fitter, held_out = Fitter(Histogram(seen)), Histogram(later)
    specs = {f"{headroom:g}": parse_format(f"{SPEC},headroom={headroom:g}") for headroom in HEADROOMS}
    quantizers = {headroom: fitter.least_squares(spec) for headroom, spec in specs.items()}
    return {
        "peak": fitter.histogram.peak,
        "held_out_peak": held_out.peak,
        "held_out_beyond": int((np.abs(later) > fitter.histogram.peak).sum()),
        "held_out_limit_db": held_out.sqnr_db(lloyd_max(held_out)),
        "sqnr_db": {headroom: fitter.histogram.sqnr_db(one) for headroom, one in quantizers.items()},
        "held_out_sqnr_db": {headroom: held_out.sqnr_db(one) for headroom, one in quantizers.items()},
    }


def study(name: str) -> dict[str, Any]:
    """The report."""
    capture, lengths = {"bundled": (bundled, BUNDLED), "public": (public, PUBLIC)}[name]
    begun, models = time.perf_counter(), {}
    captured = capture()
    with ProcessPoolExecutor(cores()) as pool:
        for model, texts in captured.items():
            jobs = {
                tokens: [
                    pool.submit(judge, seen[:tokens], later)
                    for seen, later in zip(texts["calibration"], texts["held_out"], strict=True)
                ]
                for tokens in lengths[model]
            }
            models[model] = {str(tokens): [job.result() for job in layers] for tokens, layers in jobs.items()}
            print(f"{model}: {time.perf_counter() - begun:.0f} s", flush=True)
    document = {
        "schema": "qse-hw/headroom/1",
        "command": f"python docs/headroom.py {name}",
        **environment(),
        "format": SPEC,
        "held_out_tokens": HELD_OUT,
        "seconds": round(time.perf_counter() - begun),
        "models": models,
    }
    if name == "public":
        import public_models

        document |= {"packages": list(public_models.REQUIREMENTS), "seed": public_models.SEED}
    return document


if __name__ == "__main__":
    for name in sys.argv[1:] or ("bundled", "public"):
        if name not in ("bundled", "public"):
            sys.exit(f"Study must be bundled or public, not {name}")
        write_json(DOCS / "results" / f"headroom-{name}.json", study(name))
