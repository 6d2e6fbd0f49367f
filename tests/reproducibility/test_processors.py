"""What calibration compares is the same number on every processor: no sum is left to a BLAS, which orders it freely.

OpenBLAS takes the kernels of the processor that this variable names, so one machine can stand in for several.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qse_hw import golden

ERRORS = """
from qse_hw.golden.io.activations import read_activations
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.formats.scale import Scale
from qse_hw.study.sources import BUNDLED_ACTIVATIONS

tensors, _ = read_activations(BUNDLED_ACTIVATIONS)
for number, x in enumerate(tensors.values()):
    histogram = Histogram(x, abs(x) + 1 if number % 2 else None)
    quantizer = SegmentedQuantizer(format=load_format("int8"), scale=Scale.from_step(histogram.peak / 127))
    print(histogram.power.hex(), histogram.squared_error(quantizer).hex())
"""


def errors(**environment):
    changed = os.environ | {"PYTHONPATH": str(Path(golden.__file__).parents[1])} | environment
    done = subprocess.run([sys.executable, "-c", ERRORS], env=changed, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("core", ["Prescott", "Haswell", "SkylakeX"])
def test_errors_do_not_depend_on_the_blas_kernel(core):
    found = errors(OPENBLAS_CORETYPE=core)
    assert len(found) == 12
    assert found == errors(OPENBLAS_CORETYPE="Nehalem")
