"""Files of captured activations."""

import json
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as torch_save_file

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.activations import read_activations, write_activations


def sound(dtype: type = np.float32) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(11)
    return {f"layers.{i}.x": draw.standard_normal((5, 4)).astype(dtype) for i in range(12)}


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_round_trip_in_the_order_of_the_layers(tmp_path: Path, dtype: type) -> None:
    path, tensors = tmp_path / "a.safetensors", sound(dtype)
    tensors["layers.3.x"] = np.asfortranarray(tensors["layers.3.x"])
    write_activations(path, tensors, {"model": "abc", "tokens": "5"})
    got, metadata = read_activations(path)
    assert list(got) == list(tensors)
    assert all(got[n].dtype == dtype and np.array_equal(got[n], tensors[n]) for n in tensors)
    assert metadata == {"model": "abc", "tokens": "5"}


def test_bfloat16_is_read_as_float32(tmp_path: Path) -> None:
    """Every pattern that is finite, beside tensors of other types; without ml_dtypes, which a base install lacks."""
    patterns = np.arange(1 << 16, dtype=np.uint16)
    values = patterns.view(ml_dtypes.bfloat16)
    values = values[np.isfinite(values.astype(np.float32))].reshape(-1, 8)
    tensors = {"layers.0.x": np.ones((len(values), 3), np.float16), "layers.1.x": values, "layers.2.x": -values[::-1]}
    write_activations(tmp_path / "a.safetensors", tensors, {"model": "abc"})
    reading = (
        "import numpy as np, sys; from qse_hw.golden.io.activations import read_activations; "
        f"np.savez('{tmp_path}/read.npz', **read_activations('{tmp_path}/a.safetensors')[0]); "
        "assert not {'torch', 'ml_dtypes'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", reading], check=True, cwd=Path(__file__).parents[3])
    read = np.load(tmp_path / "read.npz")
    assert [read[name].dtype for name in tensors] == [np.float16, np.float32, np.float32]
    for name, expected in tensors.items():
        wide = expected.astype(np.float32)
        assert np.array_equal(read[name].astype(np.float32).view(np.uint32), wide.view(np.uint32))


def test_float8_is_refused_with_what_to_do(tmp_path: Path) -> None:
    tensors = {"layers.0.x": torch.ones(5, 4).to(torch.float8_e4m3fn)}
    torch_save_file(tensors, tmp_path / "a.safetensors")
    said = r"must be float32, float16 or bfloat16, but layers.0.x is F8_E4M3; multiply it by its scale, and save float"
    with pytest.raises(InputError, match=said):
        read_activations(tmp_path / "a.safetensors")


def test_without_torch(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_activations(path, sound())
    reading = f"from qse_hw.golden.io import activations as a; a.read_activations({str(path)!r})"
    code = f"import sys; {reading}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"layers.13.x": np.zeros((5, 4), np.float32)}, "named layers.0.x, layers.1.x and so on"),
        ({"other": np.zeros((5, 4), np.float32)}, "named layers.0.x, layers.1.x and so on"),
        ({"layers.2.x": np.zeros((5, 4, 1), np.float32)}, r"\(tokens, channels\), but layers.2.x has \(5, 4, 1\)"),
        ({"layers.2.x": np.zeros((6, 4), np.float32)}, r"tokens as layers.0.x, 5, but layers.2.x has \(6, 4\)"),
        ({"layers.2.x": np.zeros((5, 0), np.float32)}, r"every tensor, but layers.2.x has shape \(5, 0\)"),
        ({"layers.0.x": np.zeros((0, 4), np.float32)}, r"every tensor, but layers.0.x has shape \(0, 4\)"),
        ({"layers.0.x": np.zeros(0, np.float32)}, r"every tensor, but layers.0.x has shape \(0,\)"),
        ({"layers.2.x": np.zeros((5, 4), np.int8)}, "must be float32, float16 or bfloat16, but .*2.x is (int8|I8)$"),
        ({"layers.2.x": np.full((5, 4), np.inf, np.float32)}, "layers.2.x has NaN or infinity"),
    ],
)
def test_bad_contents(tmp_path: Path, changes: dict[str, np.ndarray], text: str) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(InputError, match=f"^Activations .*{text}"):
        write_activations(path, sound() | changes)
    assert not path.exists()
    save_file(sound() | changes, path)
    with pytest.raises(InputError, match=text):
        read_activations(path)


def test_empty_and_missing(tmp_path: Path) -> None:
    none = r"must have at least one tensor, named layers\.0\.x, not none$"
    with pytest.raises(InputError, match=f"^Activations {none}"):
        write_activations(tmp_path / "a.safetensors", {})
    save_file({}, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=rf"^Activations .*a\.safetensors {none}"):
        read_activations(tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="cannot be read"):
        read_activations(tmp_path / "nowhere")


def test_a_npy_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((5, 4), np.float32))
    said = (
        r"^Activations .*a\.npy must be a \.safetensors file, as capture writes it, not a \.npy file; save the array "
        r"with safetensors\.numpy\.save_file\({'layers\.0\.x': array}, FILE\)$"
    )
    with pytest.raises(InputError, match=said):
        read_activations(tmp_path / "a.npy")


@pytest.mark.parametrize("kept", [0, 7, 60, -1])
def test_truncated(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.safetensors"
    write_activations(path, sound())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="cannot be read"):
        read_activations(path)


@pytest.mark.parametrize("lie", [{"shape": [50, 4]}, {"dtype": "F99"}, {"data_offsets": [0, 10**9]}])
def test_lying_header(tmp_path: Path, lie: dict[str, object]) -> None:
    header = {"layers.0.x": {"dtype": "F32", "shape": [5, 4], "data_offsets": [0, 80]} | lie}
    raw = json.dumps(header).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(80))
    with pytest.raises(InputError, match="cannot be read"):
        read_activations(path)
