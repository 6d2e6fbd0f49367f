"""The kernels on a GPU if there is one, else in Triton's interpreter (see the topmost conftest.py)."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

import qse_hw.golden.quantize.triton  # noqa: E402


@pytest.fixture(scope="session")
def device():
    return "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(scope="session")
def kernels():
    return qse_hw.golden.quantize.triton
