"""An accelerator's configuration: its hardware by the calibration, its vectors, what it refuses; its files."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from qse_hw.cli import main
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.integer.document import write_formats
from qse_hw.golden.models.integer.scalar import ScalarMamba
from qse_hw.golden.models.mamba.checkpoint import save_model
from qse_hw.golden.reference.product_schedule import WIDE_BITS
from qse_hw.rtl_gen.accelerator.image_words import hardware_crc
from qse_hw.rtl_gen.mixer.config import MixerConfig
from qse_hw.rtl_gen.units.model import ModelConfig
from tests.golden.models.integer import small
from tests.rtl_gen.emit.test_testbench import check_files
from tests.rtl_gen.verilog import off_by_one
from tests.simulators import icarus

FORMAT = load_format("se8:L=8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Small models as files; their formats are written by each test."""
    folder = tmp_path_factory.mktemp("models")
    for kind in ("mamba1", "mamba2"):
        save_model(small.model(kind), folder / kind, dtype=torch.float32)
    return folder


def config(folder, formats, kind="mamba1", **options):
    write_formats(folder / "formats.json", formats)
    return ModelConfig(calibration=str(folder / "formats.json"), model=str(folder / kind), **options)


def shared():
    return small.formats(local_bits=16, mode="shared")


def test_the_mixer(folder):
    unit = config(folder, shared(), rows=4, columns=4, scan_lanes=2)
    mixer = unit.mixer
    assert (mixer.d_model, mixer.d_inner, mixer.d_state, mixer.dt_rank, mixer.d_conv) == (24, 48, 4, 3, 4)
    assert (mixer.layers, mixer.vocabulary, mixer.state_bits) == (2, 37, 16)
    assert unit.label == "model se8 24,48,4,3 layers=2 4x4 scan=2"
    assert {*mixer.formats.values()} == {FORMAT}
    # tiles of 4 rows: in_proj 24, x_proj 1 + 1 + 1, dt_proj 12, out_proj 6; beats of 4 inputs: 6, 12, 1, 12; head 10
    assert mixer.product_cycles == 2 * (24 * 6 + 3 * 12 + 12 * 1 + 6 * 12) + 10 * 6


def test_vectors(folder):
    unit = config(folder, shared(), rows=4, columns=4)
    vectors = unit.vectors()
    truth = ScalarMamba(unit.integers)
    assert vectors["logits"].tolist() == [truth.step(token) for token in vectors["tokens"].tolist()]
    assert vectors["weights"].shape == (unit.mixer.product_cycles, 16)
    assert len(vectors["scale_m"]) == 2 * (3 * 48 + 3 + 8 + 24) + 37 == len(vectors["scale_k"])
    bits = 3 + max(unit.mixer.parameter_bits.values())
    assert vectors["parameters"].shape == (3 + 2 * 48 * 3 + 2 * 48 * 4, -(-bits // 8))


def test_several_sequences(folder):
    """Each token's logits are those of its own sequence; cycles and the image are as for one."""
    unit = config(folder, shared(), rows=4, columns=4, sequences=3)
    assert unit.label == "model se8 24,48,4,3 layers=2 4x4 scan=1 sequences=3"
    assert unit.parameters()["sequences"] == 3
    one = replace(unit, sequences=1)
    assert unit.mixer.product_cycles == one.mixer.product_cycles
    assert hardware_crc(unit.mixer) == hardware_crc(one.mixer)
    assert (unit.mixer.scan_config.sequences, unit.mixer.convolution_config.sequences) == (3, 3)
    vectors = unit.vectors()
    assert len(set(vectors["sequence"].tolist())) > 1
    truths = {}
    for n, number in enumerate(vectors["sequence"].tolist()):
        assert vectors["first"][n] == (number not in truths)
        truth = truths.setdefault(number, ScalarMamba(unit.integers))
        assert vectors["logits"][n].tolist() == truth.step(int(vectors["tokens"][n]))
    assert unit.meanings()["i__payload"].endswith(
        "above, a bit: first token of its sequence; top 2 bits: the sequence's number, below 3; beats per token: 24"
    )


@pytest.mark.full
@pytest.mark.parametrize("simulator", ["verilator", icarus])
@pytest.mark.parametrize("sequences", [1, 3])
def test_the_files_check_themselves(folder, sequences, simulator, tmp_path):
    unit = config(folder, shared(), rows=4, columns=4, scan_lanes=2, sequences=sequences)
    logits = unit.vectors()["logits"]
    last = int(logits[-1, -1]) % (1 << WIDE_BITS)
    check_files(unit, simulator, tmp_path, 2 * logits.size, lambda text: off_by_one(text, last))


def changed(change):
    """The shared formats with another layer 1."""
    formats = shared()
    return replace(formats, layers=(formats.layers[0], change(formats.layers[1])))


def all_changed(change):
    formats = shared()
    return replace(formats, layers=tuple(map(change, formats.layers)))


OTHER = SegmentedQuantizer(format=load_format("int8"), scale=Scale.from_step(1))
REFUSED = {
    "not shared": (lambda: changed(lambda layer: replace(layer, x=OTHER)), "calibrate with --mode shared"),
    "coded": (lambda: all_changed(lambda layer: replace(layer, B=OTHER)), "calibrate with --local-bits 16"),
    "stochastic": (
        lambda: all_changed(lambda layer: replace(layer, state=replace(layer.state, rounding="stochastic"))),
        "calibrate with --state s16 --rounding nearest",
    ),
    "a finer product than its factors": (
        lambda: all_changed(
            lambda layer: replace(
                layer, gated=replace(layer.gated, exponent=layer.scan.exponent + layer.silu_gate.exponent - 1)
            )
        ),
        "Layer 0: gated must be shifted by 0 to 63 places, not -1: its exponent does not suit those of scan and",
    ),
    "another model": (lambda: replace(shared(), model="0" * 64), "calibrate again"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(folder, case):
    formats, sentence = REFUSED[case]
    with pytest.raises(InputError, match=sentence):
        config(folder, formats())


def test_a_mamba2_is_refused(folder):
    with pytest.raises(InputError, match="Model must be a Mamba-1, not a Mamba-2"):
        config(folder, small.formats("mamba2", local_bits=16, mode="shared"), "mamba2")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"hadamard_lanes": 3}, "Hadamard lanes must divide the 4 columns of the engine, not be 3"),
        ({"norm_lanes": 3}, "Norm lanes must divide the 4 columns of the engine, not be 3"),
        ({"scan_lanes": 3}, "^Scan lanes must divide the 4 states, not be 3$"),
        ({"d_model": 26, "norm_lanes": 4}, "^Norm lanes must divide the 26 values of a token, not be 4$"),
        ({"d_inner": 24, "hadamard_lanes": 4}, r"^Hadamard lanes must divide 2 \(d_inner 24 is 12 \* 2\), not be 4$"),
        ({"layers": 48, "d_inner": 2048}, "^Layers times d_inner must be at most 65536, not 48 times 2048$"),
        ({"d_model": 4}, "^Residual stream: Size must be a multiple of the 1 lanes, and at least 5 times as many"),
        ({"d_inner": 4, "layers": 1, "scan_lanes": 4}, "^Scan: Channels must be at least 7, .* or take fewer lanes$"),
        ({"rows": 0}, "Rows must be from 1 to 256, not 0"),
        ({"d_inner": 26}, "Hadamard order must be"),
    ],
)
def test_a_refused_mixer(change, sentence):
    sizes = {"d_model": 24, "d_inner": 48, "d_state": 4, "dt_rank": 3, "eps": 1, "layers": 2, "rows": 4, "columns": 4}
    formats = dict.fromkeys(("norm_format", "x_format", "dt_low_format", "y_format"), FORMAT)
    MixerConfig(**sizes, **formats)
    with pytest.raises(InputError, match=sentence):
        MixerConfig(**(sizes | change), **formats)


@pytest.mark.full
def test_files(folder, tmp_path):
    unit = config(folder, shared())
    words = ["--calibration", unit.calibration, "--model", unit.model, "-o", str(tmp_path)]
    assert main(["gen", "model", *words]) == 0
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["top"] == "qse_model"
    assert manifest["fingerprint"] == unit.integers.formats.model
    assert manifest["shape"]["layers"] == 2
    assert manifest["weight_beats_per_token"] == unit.mixer.product_cycles
    ports = {port["name"] for port in manifest["ports"]}
    assert ports >= {"weights__payload", "scales__payload", "parameters__payload"}
    assert "module qse_model" in (tmp_path / "qse_model.v").read_text()
    with np.load(tmp_path / "vectors.npz") as vectors:
        np.testing.assert_array_equal(vectors["logits"], unit.vectors()["logits"])
