"""The C++ kernels of training against plain PyTorch: values and every gradient."""

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from qse_hw.golden.models.mamba import scan
from qse_hw.golden.models.mamba.model import PLAIN
from qse_hw.golden.models.mamba.scan import FAST


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(6)


def results(function: Callable[..., Tensor], inputs: list[Tensor], weights: Tensor) -> list[Tensor]:
    leaves = [t.detach().requires_grad_() for t in inputs]
    y = function(*leaves)
    (y * weights).sum().backward()
    return [y.detach(), *(t.grad for t in leaves)]


def compare(
    fast: Callable[..., Tensor], plain: Callable[..., Tensor], inputs: list[Tensor], shape: tuple[int, ...]
) -> None:
    weights = torch.randn(shape)
    for ours, expected in zip(results(fast, inputs, weights), results(plain, inputs, weights), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.full
@pytest.mark.parametrize("length", [1, 3, 16, 37])
def test_conv_silu(length: int) -> None:
    x = torch.randn(3, length, 64)[..., :32]  # strided rows, as from in_proj
    compare(FAST.conv_silu, PLAIN.conv_silu, [x, torch.randn(32, 1, 4), torch.randn(32)], (3, length, 32))


@pytest.mark.full
@pytest.mark.parametrize("length", [1, 16, 17, 70])
def test_selective_scan(length: int) -> None:
    batch, channels = 3, 32
    xz = torch.randn(batch, length, 2 * channels)
    bc = torch.randn(batch, length, 40)
    A = -torch.exp(torch.log(torch.arange(1.0, 17)).repeat(channels, 1) + 0.1 * torch.randn(channels, 16))
    inputs = [
        xz[..., :channels],
        3 * torch.randn(batch, length, channels) - 3,
        A,
        bc[..., 8:24],
        bc[..., 24:],
        torch.randn(channels),
        xz[..., channels:],
        torch.randn(channels),
    ]
    compare(FAST.selective_scan, PLAIN.selective_scan, inputs, (batch, length, channels))


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="Channels must be a multiple of 16, not 24"):
        FAST.conv_silu(torch.zeros(1, 2, 24), torch.zeros(24, 1, 4), torch.zeros(24))
    rows, state = torch.zeros(1, 2, 16), torch.zeros(1, 2, 8)
    vector = torch.zeros(16)
    with pytest.raises(ValueError, match="State size must be 16, not 8"):
        FAST.selective_scan(rows, rows, torch.zeros(16, 8), state, state, vector, rows, vector)


def test_an_extension_is_named_by_all_that_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch keeps it under its name alone."""
    names = [scan._name()]
    assert scan._name() == names[0]
    assert names[0].isidentifier()
    edited = tmp_path / scan.SOURCE.name
    edited.write_bytes(scan.SOURCE.read_bytes() + b"\n")
    for owner, name, value in (
        (scan, "SOURCE", edited),
        (scan, "FLAGS", (*scan.FLAGS, "-g")),
        (scan, "processor", lambda: "another"),
        (scan.torch, "__version__", "0"),
    ):
        monkeypatch.setattr(owner, name, value)
        names.append(scan._name())
    assert len(set(names)) == 5


def test_a_process_that_was_killed_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock is gone when PyTorch builds; others that build now wait for the system's lock."""
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    folder = tmp_path / scan._name()
    folder.mkdir()
    (folder / "lock").touch()

    def load(**how: object) -> object:
        assert how["build_directory"] == str(folder)
        assert not (folder / "lock").exists()
        with (folder / "builder").open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return "built"

    monkeypatch.setattr("torch.utils.cpp_extension.load", load)
    assert scan._extension.__wrapped__() == "built"
