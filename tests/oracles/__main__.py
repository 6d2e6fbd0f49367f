"""Every comparison with independent arithmetic, as evidence: python -m tests.oracles.

Writes docs/results/verify-oracles.json. Buses and models are compared by tests of their own, which are run as well.
Static timing is compared where OpenSTA and real libraries are installed (Debian: apt-get install opensta
qflow-tech-osu018 qflow-tech-osu035 qflow-tech-osu050).
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from qse_hw.golden.io.evidence import evidence
from qse_hw.golden.io.files import write_json
from qse_hw.study.console import console, progress, table
from tests.oracles import decoding, hadamard, int8, requantize, soft_edge, timing
from tests.oracles.comparison import Comparison

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "docs" / "results" / "verify-oracles.json"
COMMAND = "make oracles"
CHECKS: Mapping[str, Callable[[], Comparison]] = {
    **soft_edge.CHECKS, **int8.CHECKS, **hadamard.CHECKS, **decoding.CHECKS, **requantize.CHECKS, **timing.CHECKS
}  # fmt: skip
AXI = "tests/sim/test_quantizer_axi.py"
EXISTING = {  # what: by which package, in which tests
    "AXI4-Lite and AXI4-Stream of the quantizer, emitted Verilog: every address and strobe, stalls on all channels, "
    "reads and writes at once, errors": ("cocotbext-axi", (AXI,)),
    "logits of Mamba and Mamba-2, within 1e-4": (
        "transformers",
        tuple(
            f"tests/golden/models/mamba/{file}::{test}"
            for file in ("test_model.py", "test_mamba2.py")
            for test in ("test_logits_equal_transformers", "test_logits_survive_saving_in_the_original_layout")
        ),
    ),
}
PACKAGES = ("torch", "onnxruntime", "scipy", "sympy", "ml-dtypes", "cocotbext-axi", "transformers")


def main() -> int:
    """See the module; the exit status is 1 if a comparison fails."""
    begun, items = time.perf_counter(), []
    with progress() as bar:
        for number, (name, check) in enumerate(CHECKS.items()):
            bar(name, number / (len(CHECKS) + 2))
            items.append(check().item(name))
        for number, (name, (package, tests)) in enumerate(EXISTING.items(), len(CHECKS)):
            bar(f"tests with {package}", number / (len(CHECKS) + 2))
            items.append(existing(name, package, tests))
    compared = items[: len(CHECKS)]
    document = evidence(
        claim=(
            "Arithmetic, buses, models and static timing agree with what others wrote; where a tie rule differs, "
            "only ties differ"
        ),
        command=COMMAND,
        seconds=time.perf_counter() - begun,
        passed=all(item["passed"] for item in items),
        figures={
            "comparisons": len(compared),
            "values": sum(item["values"] for item in compared),
            "differences": sum(item["differences"] for item in compared),
            "of_them_ties": sum(item["ties"] for item in compared),
            "of_them_float32_rounding_of_the_oracle": sum(item["rounding"] for item in compared),
            "unexplained": sum(item["unexplained"] for item in compared),
            "oracles": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        },
        items=items,
    )
    write_json(RESULT, document)
    columns = ["values", "differences", "ties", "rounding", "unexplained"]
    rows = [[item["comparison"], *(f"{item[name]:,}" for name in columns)] for item in items]
    table("Compared with independent arithmetic", ["what", *columns], rows)
    console.print(f"written: {RESULT.relative_to(ROOT)}")
    return 0 if document["passed"] else 1


def existing(name: str, package: str, tests: tuple[str, ...]) -> dict[str, Any]:
    """Run tests; an entry whose values are tests that ran."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--full", "--all-cases", f"--junitxml={report}", *tests]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        ran, failed = counted(report) if report.exists() else (0, 1)
    if done.returncode:
        console.print(done.stdout[-3000:])
    return Comparison(
        oracle=package, values=ran, differences=failed, unexplained=failed + (done.returncode != 0 and not failed),
        note="values are tests",
    ).item(name)  # fmt: skip


def counted(report: Path) -> tuple[int, int]:
    """Tests that ran, and those that failed, of a JUnit report."""
    suite = next(ElementTree.parse(report).iter("testsuite"))
    tests, failures, errors, skipped = (int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped"))
    return tests - skipped, failures + errors


if __name__ == "__main__":
    sys.exit(main())
