"""The errors that calibration compares are the same on every processor: no BLAS, which may reorder sums, adds them.

OpenBLAS uses the kernels of the processor that OPENBLAS_CORETYPE names, so one machine stands in for several.
"""

import os
import subprocess
import sys

import pytest

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
    command = [sys.executable, "-c", ERRORS]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.every(2)
@pytest.mark.parametrize("core", ["Prescott", "Haswell", "SkylakeX"])
def test_errors_do_not_depend_on_the_blas_kernel(core):
    squares = errors(OPENBLAS_CORETYPE=core)
    assert len(squares) == 12
    assert squares == errors(OPENBLAS_CORETYPE="Nehalem")
