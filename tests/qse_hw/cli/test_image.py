"""The command image: what it writes and says, and what it refuses."""

from dataclasses import replace

import pytest
import torch

from qse_hw.cli import main
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.models.integer.document import read_formats, write_formats
from qse_hw.golden.models.integer.image.image import read_image
from qse_hw.golden.models.integer.parameters import model_parameters
from qse_hw.golden.models.mamba.checkpoint import load_model, save_model
from qse_hw.rtl_gen.units.accelerator import AcceleratorConfig
from tests.golden.models.integer import small

TILE = ("--rows", "4", "--columns", "8")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save_model(small.model(), folder, dtype=torch.float32)
    return folder


@pytest.fixture(scope="module")
def formats(tmp_path_factory):
    path = tmp_path_factory.mktemp("formats") / "i.json"
    write_formats(path, small.formats(mode="shared", local_bits=16))
    return path


def test_writes_the_image_and_says_where_it_has_what(model, formats, out, capsys):
    words = ("--model", model, "--calibration", formats, *TILE, "-o", out / "new" / "m.img")
    assert main(["image", *map(str, words)]) == 0
    read = read_image(out / "new" / "m.img")
    own = model_parameters(load_model(model), read_formats(formats))
    assert (read.header.sizes.rows, read.header.sizes.columns) == (4, 8)
    assert (read.array("embedding") == own.embedding.weights).all()
    said = capsys.readouterr().out
    assert f"{read.header.size:,} bytes in all" in said
    assert f"{read.header.crcs[0]:08x}" in said
    assert said.endswith(f"written: {out / 'new' / 'm.img'}\n")


def test_with_what_an_accelerator_takes(model, formats, out):
    words = ("--model", model, "--calibration", formats, *TILE, "--scan-lanes", "2", "-o", out / "m.img")
    assert main(["image", *map(str, words)]) == 0
    unit = AcceleratorConfig(
        model=str(model), calibration=str(formats), rows=4, columns=8, scan_lanes=2, hadamard_lanes=4
    )
    header = read_image(out / "m.img").header
    assert header.size == unit.image.size
    assert header.hardware == unit.facts()["image"]["hardware"]
    assert header.sizes == unit.image.sizes


def test_refusals(refused, model, formats, tmp_path, out):
    target = ("-o", out / "m.img")
    said = refused("image", "--calibration", formats, *TILE, *target)
    assert said.startswith("Formats must be of this checkpoint, ")
    said = refused("image", "--model", model, "--calibration", formats, "--rows", "0", "--columns", "8", *target)
    assert said == "Image's rows must be from 1 to 4294967295, not 0"
    free = tmp_path / "free.json"
    first, second = small.formats(mode="shared", local_bits=16).layers
    layers = first, replace(second, norm=replace(second.norm, format=load_format("int8")))
    write_formats(free, replace(small.formats(local_bits=16), layers=layers))
    said = refused("image", "--model", model, "--calibration", free, *TILE, *target)
    assert said.endswith("norm is another in layer 1 than in layer 0; calibrate with --mode shared")
    assert refused("image", "--model", model, "--calibration", formats, *TILE, "-o", formats).startswith("Output ")
    said = refused("image", "--model", model, "--calibration", formats, *TILE, "-o", model / "model.safetensors")
    assert "must be another file than model.safetensors of the model, which it would replace" in said
    said = refused("image", "--model", model, "--calibration", formats, *TILE, "--scan-lanes", "3", *target)
    assert said == "Scan lanes must divide the 4 states, not be 3"
