"""x of two published models in the formats of docs/accuracy.md: python docs/public_study.py.

Makes docs/results/public-x.json. The models are downloaded (docs/public_models.py); formats are fitted to their longer
calibration and judged on held-out values, as in docs/headroom.py.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from qse_hw.golden.calibration.candidates import Sample
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.lloyd import lloyd_max
from qse_hw.golden.calibration.spec import parse_candidate
from qse_hw.golden.evaluate.layers import finite
from qse_hw.golden.io.environment import cores, environment
from qse_hw.golden.io.files import write_json

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS)]

import public_models  # noqa: E402 - scripts of one folder
from headroom import HELD_OUT, PUBLIC, X, public  # noqa: E402

SPECS = ("int8", "quamba", "int8-asym", "se8", "se8-silu", "se9-paper", "tuned:segments=4", "tuned:segments=6")


def judge(seen: X, later: X) -> dict[str, Any]:
    """One layer: SQNR of every format on held-out values, and that of the best 256 levels for them."""
    sample, held_out = Sample(seen), Histogram(later)
    return {
        "limit_sqnr_db": finite(held_out.sqnr_db(lloyd_max(held_out))),
        "sqnr_db": {spec: finite(held_out.sqnr_db(sample.fit(parse_candidate(spec)).quantizer)) for spec in SPECS},
    }


def study() -> dict[str, Any]:
    """The report."""
    models = {}
    with ProcessPoolExecutor(cores()) as pool:
        for model, texts in public().items():
            tokens = max(PUBLIC[model])
            pairs = zip(texts["calibration"], texts["held_out"], strict=True)
            jobs = [pool.submit(judge, seen[:tokens], later) for seen, later in pairs]
            models[model] = {"tokens": tokens, "layers": [job.result() for job in jobs]}
            print(model, flush=True)
    return {
        "schema": "qse-hw/public-x/1",
        "command": "python docs/public_study.py",
        **environment(),
        "held_out_tokens": HELD_OUT,
        "packages": list(public_models.REQUIREMENTS),
        "seed": public_models.SEED,
        "models": models,
    }


if __name__ == "__main__":
    write_json(DOCS / "results" / "public-x.json", study())
