"""The runs behind docs/accuracy.md: python docs/studies.py [NAME ...] makes docs/results/NAME.json (default: all)."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
MODELS = {"mamba-bytes": "Mamba-1", "mamba2-bytes": "Mamba-2"}

_LADDER = ",".join(f"tuned:segments={n},sign={sign}" for sign in (1, 0) for n in (2, 3))
_ALL = (
    "int8,quamba,quamba-se,quamba2,int8-asym,se8:L=8,se8,se8-silu,se9-paper,fp8-e4m3,fp8-e3m4,"
    f"{_LADDER},tuned:segments=4,tuned:segments=5,tuned:segments=6,lloyd-max"
)
_FEW = "quamba,int8-asym,se8:L=8,se8,se8-silu,se9-paper,tuned:segments=4,tuned:segments=6,lloyd-max"
_TUNED = "quamba,tuned:segments=4,tuned:segments=6"
_PAPER = "int8-asym,quamba-se8,quamba-se8:alpha=0.9995,quamba-se:alpha=0.9995"
_TOKENS = "--tokens 16384 --calibration-tokens 16384"

RUNS: dict[str, str] = {}
for _model in MODELS:
    RUNS |= {
        f"x-{_model}": f"eval --model {_model} --formats {_ALL} {_TOKENS}",
        f"output-{_model}": f"eval --model {_model} --objective output --formats {_TUNED} {_TOKENS}",
        f"paper-{_model}": f"eval --model {_model} --formats {_PAPER} {_TOKENS}",
        f"runtime-{_model}": f"eval --model {_model} --mode runtime --formats {_TUNED} {_TOKENS}",
        f"shared-{_model}": f"eval --model {_model} --mode shared --formats {_TUNED} {_TOKENS}",
        f"quamba-{_model}": f"eval --model {_model} --recipe quamba --formats {_FEW} {_TOKENS}",
    }
    RUNS[f"integer-{_model}"] = f"eval --model {_model} --recipe integer --tokens 4096 --calibration-tokens 8192"
RUNS["int8-in-mamba-bytes"] = (
    f"eval --model mamba-bytes --recipe quamba --x-proj-input int8 --formats quamba,se8,se9-paper {_TOKENS}"
)
for _shape in ("mamba-130m", "mamba-790m", "mamba-2.8b"):
    RUNS[f"calibrate-{_shape}"] = f"calibrate --model random:{_shape} --format tuned --tokens 512 -o calibration.json"


def main(names: list[str]) -> None:
    """Run what is named."""
    unknown = set(names) - RUNS.keys()
    if unknown:
        sys.exit(f"Run must be one of {', '.join(RUNS)}, not {min(unknown)}")
    for name in names or RUNS:
        words = [*RUNS[name].split(), "--json", f"{name}.json"]
        print(f"python -m qse_hw {' '.join(words)}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "qse_hw", *words], check=True, cwd=folder)
            shutil.move(Path(folder) / f"{name}.json", RESULTS / f"{name}.json")


if __name__ == "__main__":
    main(sys.argv[1:])
