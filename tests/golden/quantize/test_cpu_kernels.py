"""The compiled loops against PyTorch's plain operations (which test_tensor.py holds against NumPy)."""

import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from qse_hw.golden.errors import InputError  # noqa: E402
from qse_hw.golden.formats.presets import int8, se8  # noqa: E402
from qse_hw.golden.formats.scale import Scale  # noqa: E402
from qse_hw.golden.quantize import cpu_kernels, operators, tensor  # noqa: E402
from tests.golden.formats import oracles  # noqa: E402
from tests.golden.quantize import backends  # noqa: E402

NAMES = [*oracles.SHIPPED, *oracles.DOCUMENTS]
BITS = (1, 8, 16, 20)

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


@pytest.mark.every(9)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", backends.FLOATS)
def test_floats(name, dtype, rng):
    for bits in (8, 20):
        backends.check_floats(cpu_kernels, name, dtype, oracles.scale_for("fp32", bits), rng, device="cpu", count=5000)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32])
def test_integers(name, dtype, rng):
    backends.check_integers(cpu_kernels, name, dtype, rng, device="cpu", count=50_000)


@pytest.mark.parametrize("name", list(oracles.ORACLES))
def test_decoding(name):
    for bits in BITS:
        backends.check_decoding(cpu_kernels, name, oracles.scale_for("fp32", bits), device="cpu")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(1, 768, 80), (3, 70, 9), (40, 33, 65), (2, 0, 3), (0, 5, 3)])
def test_linear(name, rows, inputs, outputs):
    backends.check_linear(cpu_kernels, name, rows, inputs, outputs, device="cpu")


def test_sums_wrap():
    weight = torch.full((1, 1 << 18), -128, dtype=torch.int8)
    codes = torch.full((1 << 18,), -128, dtype=torch.int8)
    assert cpu_kernels.linear(codes, weight, int8()).tolist() == [(1 << 32) % (1 << 32)]


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_threads_share_without_gap_or_overlap(threads, rng, monkeypatch):
    format, scale = se8(), Scale.from_step(0.02)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    x = torch.from_numpy(rng.standard_normal((1 << 19) + 12_345, np.float32))
    codes = tensor.quantize(x, format, scale)
    assert backends.equal(cpu_kernels.quantize(x, format, scale), codes)
    assert backends.equal(cpu_kernels.dequantize(codes, format, scale), tensor.dequantize(codes, format, scale))
    counts = tensor.quantize_histogram(x, format, scale)[1]
    assert backends.equal(cpu_kernels.quantize_histogram(x, format, scale)[1], counts)
    weight = torch.from_numpy(rng.integers(-127, 128, (101, 5000), np.int8))
    rows = codes[:15_000].view(3, 5000)
    assert backends.equal(cpu_kernels.linear(rows, weight, format), tensor.linear(rows, weight, format))


@pytest.mark.parametrize("name", ["se9-paper", "sticky-offset", "int5", "int12"])
@pytest.mark.parametrize("place", [0, 77, 400_000])
def test_codes_that_the_format_does_not_assign(name, place):
    format, scale = oracles.make(name), Scale.from_step(0.02)
    assigned = backends.assigned_codes(name)
    info = torch.iinfo(assigned.dtype)
    known = set(assigned.tolist())
    for bad in {next(code for code in range(*ends) if code not in known) for ends in (
        (info.min, info.max), (info.max, info.min, -1)
    )}:  # fmt: skip
        codes = torch.full((500_000,), int(assigned[0]), dtype=assigned.dtype)
        codes[place] = bad
        codes[place + 9] = bad  # the first is told of, and once
        with pytest.raises(InputError, match=f"Codes must be ones that format {name} assigns, not {bad}$"):
            cpu_kernels.dequantize(codes, format, scale)


@pytest.fixture
def _no_compiler(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    cpu_kernels._library.cache_clear()
    yield
    cpu_kernels._library.cache_clear()


@pytest.mark.usefixtures("_no_compiler")
def test_without_a_compiler_plain_operations_serve(rng):
    assert not cpu_kernels.available()
    format, scale = se8(), Scale.from_step(0.02)
    x = torch.from_numpy(rng.standard_normal(1000, np.float32))
    assert operators._backend(x) is tensor
    assert backends.equal(operators.quantize(x, format, scale), tensor.quantize(x, format, scale))
    with pytest.raises(InputError, match=r"^Program g\+\+ was not found; install a C\+\+ compiler"):
        cpu_kernels.quantize(x, format, scale)


def test_a_compiler_that_fails_is_as_none(monkeypatch, tmp_path):
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(broken))
    cpu_kernels._library.cache_clear()
    assert not cpu_kernels.available()
    cpu_kernels._library.cache_clear()
