"""The measurements of docs/hardware.md: python docs/hardware_runs.py [NAME ...], all if none is named.

Each makes docs/results/hardware-NAME.json; together about an hour on two cores.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
FORMATS = ROOT / "docs" / "formats"  # layer 3 of the bundled activations: tuned:segments=4,headroom=1 and =6

EVERY = "--on ecp5 ice40:hx8k ice40:up5k gowin cells"
_ALL = "int8 int8-asym se8 se8-silu tuned-4.json tuned-6.json se9-paper"
_S16, _BF16, _FP32 = (f"--input {name} --scale {step}" for name, step in
                      (("s16", "120.4"), ("bf16", "0.0147"), ("fp32", "0.0147")))  # fmt: skip
RUNS = {
    "formats-s16": f"encoder --format {_ALL} {_S16} --counter-width 0 {EVERY} --energy",
    "formats-bf16": f"encoder --format {_ALL} {_BF16} --counter-width 0 {EVERY} --energy",
    "formats-fp32": f"encoder --format int8 se8 tuned-6.json {_FP32} --counter-width 0 {EVERY} --energy",
    "cast-bf16": f"encoder --format int8 se8 {_BF16} --counter-width 0 --baseline fp8-e4m3 {EVERY} --energy",
    "decoder": f"decoder --format {_ALL} --on ecp5 ice40:hx8k cells",
    "fused-s16": f"encoder --format se8 tuned-6.json {_S16} --counter-width 0 --arch fused parallel --baseline none "
    "--on ecp5 gowin cells --energy",
    "fused-bf16": f"encoder --format se8 tuned-6.json {_BF16} --counter-width 0 --arch fused parallel --baseline none "
    "--on ecp5 gowin cells --energy",
    "instantiated-s16": f"encoder --format int8 se8 se8-silu {_S16} --counter-width 0 --target generic ecp5 "
    "--on ecp5 ecp5:45k-8",
    "instantiated-bf16": f"encoder --format int8 se8 se8-silu {_BF16} --counter-width 0 --target generic ecp5 "
    "--on ecp5 ecp5:45k-8",
    "pipeline": f"encoder --format int8 se8 {_S16} --counter-width 0 --pipeline 0 1 2 3 4 5 --on ecp5 cells",
    "scale": "encoder --format int8 se8 --input s16 --scale 120.4 runtime --scale-bits 1 4 8 16 --counter-width 0 "
    "--on ecp5 cells",
    "lanes": f"encoder --format int8 se8 {_BF16} --counter-width 0 --lanes 1 4 16 64 --on ecp5:85k-6 cells",
}


def main(names: list[str]) -> None:
    """Measure what is named; a report comes into place when it is whole."""
    unknown = set(names) - RUNS.keys()
    if unknown:
        sys.exit(f"Run must be one of {', '.join(RUNS)}, not {min(unknown)}")
    with tempfile.TemporaryDirectory() as folder:
        for file in FORMATS.glob("*.json"):
            shutil.copy(file, folder)
        for name in names or RUNS:
            words = ["synth", *RUNS[name].split(), "--json", f"hardware-{name}.json"]
            print(f"python -m qse_hw {' '.join(words[:-2])}", flush=True)
            subprocess.run([sys.executable, "-m", "qse_hw", *words], check=True, cwd=folder)
            shutil.move(Path(folder) / f"hardware-{name}.json", RESULTS)


if __name__ == "__main__":
    main(sys.argv[1:])
