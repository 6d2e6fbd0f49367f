"""x of two published models that nobody here trained, for docs/headroom.py: not part of the package, nor of any test.

Both are installed from the Python Package Index, pinned and without what they depend on, into a temporary folder:

* typeseg 0.2.7 (Apache-2.0): six bidirectional Mamba blocks over bytes, 256 channels, which tell what kind of content a
  text is. It reads the two books that come with this package;
* opensr-mamba 0.0.1 (MIT): eight blocks of a vision model, 90 channels, which enlarge satellite images. It reads tiles
  of a photograph that ships with Matplotlib, grace_hopper.jpg: calibration from its left half, the rest from its right.
"""

import subprocess
import sys
import tempfile
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from qse_hw import golden

REQUIREMENTS = ("typeseg==0.2.7", "opensr-mamba==0.0.1", "einops==0.8.1")
TEXTS = Path(golden.__file__).parent / "assets" / "text"
SEQUENCE = 2048  # bytes that typeseg sees at once
SIDE = 64  # pixels of a tile that opensr-mamba sees at once
SEED = 0  # of the tiles' order

X = npt.NDArray[np.float32]
Texts = dict[str, list[X]]  # "calibration", "held_out": x (tokens, channels) by layer


@contextmanager
def installed() -> Iterator[None]:
    """The packages can be imported."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, *REQUIREMENTS]
        subprocess.run(pip, check=True)
        sys.path.insert(0, folder)
        try:
            yield
        finally:
            sys.path.remove(folder)


def typeseg(tokens: dict[str, int]) -> Texts:
    """On so many bytes of the texts that ``eval`` uses."""
    files = {"calibration": "calibration.txt", "held_out": "held-out.txt"}
    return {name: _typeseg((TEXTS / file).read_bytes()[: tokens[name]]) for name, file in files.items()}


def _typeseg(text: bytes) -> list[X]:
    from typeseg import _mamba_kernel as kernel

    with np.load(Path(kernel.__file__).parent / "data" / "mamba_al.npz") as file:
        weights = {name.replace("__", "/"): file[name] for name in file.files}
    layers: list[list[X]] = []
    for begin in range(0, len(text), SEQUENCE):
        seen: list[X] = []

        def scan(xp: Any, x: X, *rest: Any, seen: list[X] = seen) -> Any:
            seen.append(np.ascontiguousarray(x))
            return kernel._selective_scan_seq(xp, x, *rest)

        ids = np.frombuffer(text[begin : begin + SEQUENCE], np.uint8)
        kernel.mamba_forward(np, weights, ids, scan=scan)
        layers.append(seen[::2])  # every other scan is that of the reversed sequence
    return [np.concatenate(parts) for parts in zip(*layers, strict=True)]


def opensr(tokens: dict[str, int]) -> Texts:
    """On so many pixels (a multiple of 64 x 64) of the left and of the right half of a photograph."""
    from matplotlib import cbook, image

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        photograph = image.imread(file)
    model = _opensr_model()
    middle = photograph.shape[1] // 2
    halves = {"calibration": photograph[:, :middle], "held_out": photograph[:, middle:]}
    return {name: _opensr(model, _tiles(half, tokens[name] // SIDE**2)) for name, half in halves.items()}


def _tiles(pixels: npt.NDArray[np.uint8], count: int) -> Tensor:
    """(count, 3, side, side), from 0 to 1, in an order that spreads the first of them over the image."""
    rows, columns = pixels.shape[0] // SIDE, pixels.shape[1] // SIDE
    order = np.random.default_rng(SEED).permutation(rows * columns)
    if count > len(order):
        raise ValueError(f"{count} tiles are more than the {len(order)} that half the photograph has")
    places = [divmod(int(place), columns) for place in order[:count]]
    tiles = [pixels[SIDE * r : SIDE * (r + 1), SIDE * c : SIDE * (c + 1)] for r, c in places]
    return torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).float() / 255


@torch.no_grad()
def _opensr(model: torch.nn.Module, tiles: Tensor) -> list[X]:
    layers: dict[str, list[X]] = {}

    def keep(name: str, x: Tensor) -> None:
        layers.setdefault(name, []).append(x.flatten(2).transpose(1, 2).flatten(0, 1).numpy())

    hooks = [
        part.register_forward_hook(lambda _, __, x, name=name: keep(name, x))
        for name, part in model.named_modules()
        if name.endswith("self_attention.act")
    ]
    for tile in tiles:
        model(tile[None], save_attention_maps=True)
    for hook in hooks:
        hook.remove()
    return [np.concatenate(parts) for parts in layers.values()]


def _opensr_model() -> torch.nn.Module:
    """Its first model, in evaluation mode; what it imports of timm and mamba-ssm is stood in for."""
    layers: Any = types.ModuleType("timm.models.layers")
    layers.trunc_normal_, layers.to_2tuple = torch.nn.init.trunc_normal_, lambda n: (n, n)
    layers.DropPath = torch.nn.Identity  # of a model that is not trained
    scans: Any = types.ModuleType("mamba_ssm.ops.selective_scan_interface")
    scans.selective_scan_fn = _selective_scan
    timm: Any = types.ModuleType("timm")
    timm.layers = layers
    stubs = {"timm": timm, "timm.models": timm, "timm.models.layers": layers}
    stubs |= {"mamba_ssm": scans, "mamba_ssm.ops": scans, "mamba_ssm.ops.selective_scan_interface": scans}
    sys.modules.update(stubs)
    from opensr_mamba.mamba.main import MambaSR

    model: torch.nn.Module = MambaSR(
        img_size=SIDE, in_chans=3, embed_dim=60, depths=[2, 2, 2, 2], d_state=16, mlp_ratio=1.5, upscale=4,
        attention_type="sigmoid_02", upsampler="pixelshuffledirect", resi_connection="1conv",
        operation_attention="sum",
    )  # fmt: skip
    import opensr_mamba

    weights = Path(opensr_mamba.__file__).parent / "mamba" / "weights" / "srmodel.pth"
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return model.eval()


def _selective_scan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, *, z: None, delta_bias: Tensor, **_: bool
) -> Tensor:
    """mamba-ssm's selective_scan_fn with softplus and without a gate.

    Shapes: u, delta (b, g h, l); A (g h, n); B, C (b, g, n, l); D, delta_bias (g h,).
    """
    dt = F.softplus(delta + delta_bias[:, None])
    each = u.shape[1] // B.shape[1]
    state, outputs = u.new_zeros(*u.shape[:2], A.shape[1]), []
    for t in range(u.shape[2]):
        b, c = (part[..., t].repeat_interleave(each, dim=1) for part in (B, C))
        step = dt[..., t, None]
        state = torch.exp(step * A) * state + step * b * u[..., t, None]
        outputs.append((state * c).sum(-1))
    return torch.stack(outputs, -1) + u * D[:, None]
