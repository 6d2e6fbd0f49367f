"""The kernels compiled for GPUs that are not here: what the interpreter cannot show."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FLOOR = "cvt.rmi.ftz.f32.f32"  # see golden/quantize/triton/codes.py, and what the floor does in test_kernels.py
SCRIPT = Path(__file__).with_name("compile_for.py")


@pytest.mark.full
@pytest.mark.parametrize("capability", [80, 90])
def test_compiled_for_a_gpu(capability, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(capability)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert len(document) == 3 * 9
    for name, kernel in document.items():
        assert not kernel["spilled"], name
        assert set(kernel["flushing"]) <= {FLOOR}, name  # subnormal numbers are numbers
        assert kernel["float64"] == 0, name  # slow on most GPUs
        assert kernel["wide_loads"] > 0 or name.startswith("gemm"), name  # those go to shared memory by themselves
        if "quantize" in name:
            assert kernel["wide_stores"] > 0, name
            assert 100 < kernel["instructions"] < 1500, name  # of a thread, for 16 values
        assert (kernel["matrix"] > 0) == name.startswith("gemm"), name
