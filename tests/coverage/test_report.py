"""The report from coverage.py's figures, and the bins of one unit, collected from its Verilog."""

import os
import subprocess
import sys

import pytest
from coverage import CoverageData

from tests.coverage.__main__ import figures, words
from tests.coverage.functional import collect, name_of, units
from tests.coverage.python import LEAST, PACKAGES, ROOT, packages
from tests.coverage.units import RUNS


def file(statements, lines, branches, taken):
    keys = ("num_statements", "covered_lines", "num_branches", "covered_branches", "percent_covered")
    percent = 100 * (lines + taken) / (statements + branches)
    return {"summary": dict(zip(keys, (statements, lines, branches, taken, percent), strict=True))}


def test_packages():
    items = packages(
        {
            "files": {
                "golden/a.py": file(90, 90, 10, 9),
                "golden/deep/b.py": file(110, 106, 10, 10),
                "sim/c.py": file(100, 100, 100, 94),
                "rtl_gen/d.py": file(100, 94, 10, 10),
                "qse_hw/e.py": file(10, 1, 0, 0),
            }
        }
    )
    by_name = {item["name"].rpartition(" ")[2]: item for item in items}
    assert list(by_name) == list(PACKAGES)
    assert (by_name["golden"]["line_percent"], by_name["golden"]["branch_percent"]) == (98.0, 95.0)
    assert {name: item["passed"] for name, item in by_name.items()} == {
        "golden": True, "rtl_gen": False, "sim": False, "synth": False, "qse_hw": False,
    }  # fmt: skip
    assert set(LEAST) == set(PACKAGES)
    assert min(LEAST.values()) > 90, "every package has a share to fall short of"
    assert list(by_name["golden"]["least_covered"]) == ["golden/deep/b.py", "golden/a.py"]
    assert figures(items)["sim_branch_percent"] == 94.0
    assert words(by_name["sim"]) == "line 100.0 %, branch 94.0 %"


def test_every_module_is_measured(tmp_path):
    """By the settings in pyproject.toml: those that are never imported count, too, and paths begin with a package."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-m", "coverage", "run", f"--data-file={tmp_path}/data", "-m", "qse_hw", "--help"]
    subprocess.run(command, cwd=ROOT, env=clean, check=True, capture_output=True)
    (written,) = tmp_path.iterdir()
    data = CoverageData(str(written))
    data.read()
    assert data.measured_files() == {str(path) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert len(data.arcs(str(ROOT / "golden" / "formats" / "scale.py"))) > 20, "imported as qse_hw.golden.formats.scale"


def test_the_units_are_those_of_the_claim():
    assert {label.split()[0] for label in RUNS} == {"encoder", "decoder", "quantizer"}
    names = [name_of(unit) for unit in units()]
    assert len(set(names)) == len(names) == 6 + 6 + 3
    assert [name for name in names if name.startswith("quantizer")] == [
        f"quantizer {format} fp16" for format in ("int8-asym", "se8", "se8-silu")
    ]


@pytest.mark.full
@pytest.mark.parametrize("unit", units(), ids=name_of)
def test_every_bin_is_hit_in_the_verilog(unit, tmp_path):
    collected = collect(unit, tmp_path)
    assert collected["empty"] == []
    assert collected["hit"] == collected["bins"] >= 8
    assert figures([collected])["bins_hit"] == collected["hit"]
