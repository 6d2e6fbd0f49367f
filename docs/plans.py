"""Makes docs/results/plans.json and docs/accelerator-130m.png, in a few minutes: python docs/plans.py."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from qse_hw.golden.io.environment import environment
from qse_hw.golden.io.files import write_json

DOCS = Path(__file__).parent
DRAWN = ("mamba-130m", (16, 16, 8, 4, 8))
MODELS = ("mamba-130m", "mamba-370m", "mamba-790m", "mamba-1.4b", "mamba-2.8b")
SIZES = (  # rows, columns, lanes of scan, norm and Hadamard transform
    (4, 4, 1, 1, 1), (8, 8, 1, 1, 1), (8, 8, 4, 2, 4), (16, 16, 4, 2, 4), (16, 16, 8, 4, 8), (32, 16, 16, 8, 16),
)  # fmt: skip
OPTIONS = ("rows", "columns", "scan-lanes", "norm-lanes", "hadamard-lanes")


def planned(model: str, sizes: tuple[int, ...]) -> dict[str, Any]:
    """What ``plan`` says of a model and hardware of these sizes, without where it was run."""
    words = [word for name, size in zip(OPTIONS, sizes, strict=True) for word in (f"--{name}", str(size))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.json"
        command = [sys.executable, "-m", "qse_hw", "plan", "--model", model, *words, "--json", str(path)]
        if (model, sizes) == DRAWN:
            command += ["--png", str(DOCS / "accelerator-130m.png")]
        subprocess.run(command, check=True)
        plan: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {name: value for name, value in plan.items() if name not in environment()}


if __name__ == "__main__":
    plans = [planned(model, sizes) for model in MODELS for sizes in SIZES]
    report = {"schema": "qse-hw/plans/1", "command": "python docs/plans.py", **environment(), "plans": plans}
    write_json(DOCS / "results" / "plans.json", report)
