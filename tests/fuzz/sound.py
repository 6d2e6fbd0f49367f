"""Small sound files of every kind that a command reads: what is damaged, and what stands beside it."""

import io
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from qse_hw.golden.calibration.calibrate import Layer, calibrate
from qse_hw.golden.calibration.calibration import write_calibration
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import format_to_json, load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.io.activations import write_activations
from qse_hw.golden.models.integer.calibrate import calibrate_integer
from qse_hw.golden.models.integer.document import write_formats
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.mamba.checkpoint import load_model, save_model
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Mamba, MambaConfig
from qse_hw.golden.models.quamba.calibrate import calibrate_quamba
from qse_hw.golden.models.quamba.calibration import write_quamba
from qse_hw.golden.reference.vectors import encoder_vectors, from_patterns
from qse_hw.rtl_gen.emit.emit import write
from qse_hw.rtl_gen.units.encoder import EncoderConfig

TESTS = Path(__file__).parents[1]
SEED = 20261
TOKENS = 16


def npy(array: np.ndarray) -> bytes:
    """The content of a .npy file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


@cache
def files() -> dict[str, bytes]:
    """Path to content: arrays, calibrations, a format, a library, a SPEC, a ``unit``, checkpoints ``ck``, ``m2``,
    ``bin``.
    """
    rng = np.random.default_rng(SEED)
    z = rng.standard_normal((2, TOKENS, 8), np.float32) * np.float32(2)
    tensors = {f"layers.{i}.x": x for i, x in enumerate(z / (1 + np.exp(-z)))}
    vectors = encoder_vectors(load_format("se8"), input_type("s8"), Scale.from_step(3))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "x.npy").write_bytes(npy(z[0]))
        (folder / "v.npy").write_bytes(npy(from_patterns(vectors.input_bits, input_type("s8"))))
        (folder / "codes.npy").write_bytes(npy(vectors.codes.astype(np.uint8)))
        unit = EncoderConfig(format=load_format("se8"), input=input_type("s8"), scale=Scale.from_step(3))
        write(unit, folder / "unit")
        (folder / "f.json").write_text(json.dumps(format_to_json(load_format("se9-paper"))))
        shutil.copy(TESTS / "synth" / "assets" / "small.lib", folder / "cells.lib")
        shutil.copy(TESTS.parent / "docs/sweeps/small.toml", folder / "sweep.toml")
        (folder / "text.txt").write_text("Call me Ishmael. Some years ago, never mind how long precisely.\n" * 10)
        write_activations(folder / "a.safetensors", tensors, {"model": "5eed" * 16})
        write_activations(folder / "b.safetensors", {name: -x for name, x in tensors.items()})
        layers = [Layer(x=x) for x in tensors.values()]
        write_calibration(folder / "c.json", calibrate(layers, "se8:L=12", model="5eed" * 16))
        torch.manual_seed(SEED)
        config = MambaConfig(d_model=8, n_layer=1, vocab_size=256)
        save_model(Mamba(config), folder / "ck", torch.float32)
        save_model(Mamba(config), folder / "bin", torch.float32)
        weights = load_file(folder / "bin" / "model.safetensors")
        (folder / "bin" / "model.safetensors").unlink()
        torch.save(weights, folder / "bin" / "pytorch_model.bin")
        save_model(
            Mamba(Mamba2Config(d_model=8, n_layer=1, vocab_size=256, d_state=8, headdim=8)), folder / "m2",
            torch.float32,
        )  # fmt: skip
        ids = torch.arange(512) % 256
        write_quamba(folder / "q.json", calibrate_quamba(load_model(folder / "ck"), ids, tokens=512))
        options = Options(spec="int8", mode="shared")
        integer = calibrate_integer(load_model(folder / "ck"), ids, tokens=512, options=options)
        write_formats(folder / "i.json", integer)
        return {
            str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
        }


def some(*prefixes: str) -> dict[str, bytes]:
    """The files whose paths begin so."""
    return {path: content for path, content in files().items() if path.startswith(prefixes)}
