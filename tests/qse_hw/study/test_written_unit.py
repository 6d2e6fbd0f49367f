"""The files of gen are read back, and refused in one sentence if they have been changed."""

import json
import shutil

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.emit import emit, write
from qse_hw.rtl_gen.emit.heading import headed
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.hadamard import HadamardConfig
from qse_hw.study.written_unit import read_generated
from qse_hw.synth.cache import digest

SCALE = Scale.from_step(0.25)
CONFIGS = {
    "run-time scale": EncoderConfig(
        format=load_format("se8-silu"), input=input_type("s12e-3"), scale_bits=8, lanes=3, counter_width=0
    ),
    "ecp5": EncoderConfig(format=load_format("se8"), input=input_type("s16"), scale=SCALE, target="ecp5"),
    "decoder": DecoderConfig(format=load_format("int8"), scale=SCALE),
}


@pytest.fixture(scope="module", params=CONFIGS)
def written(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unit")
    write(CONFIGS[request.param], folder)
    return CONFIGS[request.param], folder


@pytest.mark.every(4)
def test_read_back(written):
    config, folder = written
    unit = read_generated(folder)
    assert unit == headed(emit(config))
    assert bool(unit.models) == (getattr(config, "target", "generic") == "ecp5")
    assert digest(unit.text) == json.loads((folder / "manifest.json").read_text())["verilog"]["sha256"]


@pytest.fixture(scope="module")
def ecp5(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ecp5")
    write(CONFIGS["ecp5"], folder)
    return folder


@pytest.fixture
def folder(ecp5, tmp_path):
    return shutil.copytree(ecp5, tmp_path / "unit")


def changed(folder, change):
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def refusal(folder):
    with pytest.raises(InputError) as caught:
        read_generated(folder)
    return str(caught.value).replace(str(folder), "DIR")


def put(*path_and_value):
    *path, last, value = path_and_value

    def change(document):
        for key in path:
            document = document[key]
        document[last] = value

    return change


def drop(*path):
    *path, last = path

    def change(document):
        for key in path:
            document = document[key]
        del document[last]

    return change


AGAIN = "generate the unit again"
NOT_THOSE = f"ports and latency must be those of encoder se8 s16 ecp5{{}}; {AGAIN}".format


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("schema", "qse-hw/manifest/1"), "schema: 'qse-hw/manifest/2' was expected"),
        (drop("verilog"), "document: 'verilog' is a required property"),
        (drop("parameters", "unit"), "parameters: 'unit' is a required property"),
        (drop("parameters", "arch"), "parameters: 'arch' is a required property"),
        (drop("scale"), "document: 'scale' is a required property"),
        (put("verilog", "sha256", "0" * 63), f"verilog/sha256: '{'0' * 63}' does not match '^[0-9a-f]{{64}}$'"),
        (put("verilog", "file", "../qse_encoder.v"), "verilog/file must be qse_encoder.v, not '../qse_encoder.v'"),
        (put("parameters", "unit", "linear"), "unit must be one of encoder, decoder to be compared, not 'linear'"),
        (put("parameters", "input", "fp8"),
         "Input type must be fp32, fp16, bf16, sW or sWeE (as in s16 or s16e-8), not 'fp8'"),
        (put("parameters", "lanes", 0), "Lanes must be from 1 to 1024, not 0"),
        (put("parameters", "lanes", 2), NOT_THOSE(" x2")),
        (put("parameters", "pipeline", 0), NOT_THOSE(" pipeline=0")),
        (put("latency", 3), NOT_THOSE("")),
        (put("ports", 2, "name", "i"), NOT_THOSE("")),
        (put("ports", 2, "width", 15), NOT_THOSE("")),
        (put("parameters", "scale", "M", 32769), f"scale must be what the parameters say; {AGAIN}"),
        (put("parameters", "scale", "M", 1),
         "scale: Scale M must be from 32768 to 65535 (16 bits, top bit set), not 1"),
        (put("format", "zero_code", 1), f"format must be what the parameters say; {AGAIN}"),
        (put("format", "values", "0", 1), f"format must be what the parameters say; {AGAIN}"),
        (put("parameters", "format", "bits", 99), "Format 'se8': bits must be from 2 to 12, not 99"),
        (put("simulation_models", ["../x.v"]),
         "simulation_models must be of DP16KD.v, MULT18X18D.v, not '../x.v'"),
    ],
)  # fmt: skip
def test_refused_manifest(folder, change, said):
    changed(folder, change)
    assert refusal(folder) == f"Manifest DIR/manifest.json: {said}"


def test_integers_that_json_writes_with_a_point(folder):
    before = repr(read_generated(folder))
    changed(folder, put("ports", 2, "width", 16.0))
    changed(folder, put("parameters", "lanes", 1.0))
    changed(folder, put("parameters", "scale_bits", 16.0))
    assert repr(read_generated(folder)) == before


def test_no_manifest(tmp_path):
    assert refusal(tmp_path) == "Manifest DIR/manifest.json cannot be read: No such file or directory"


@pytest.mark.parametrize("text", ["", "{", "[1]", "NaN", "\xff"])
def test_no_json(folder, text):
    (folder / "manifest.json").write_text(text, encoding="latin-1")
    assert refusal(folder).startswith("Manifest DIR/manifest.json")


@pytest.mark.parametrize("name", ["qse_encoder.v", "MULT18X18D.v"])
def test_changed_or_missing_verilog(folder, name):
    path = folder / name
    before = digest(path.read_text())
    path.write_text(path.read_text() + " ")
    after = digest(path.read_text())
    assert refusal(folder) == (
        f"Verilog DIR/{name} must be as it was generated, SHA-256 {before[:12]}, but was changed to {after[:12]}; "
        + AGAIN
    )
    path.write_bytes(b"\xff")
    assert refusal(folder) == f"Verilog DIR/{name} cannot be read: it is not UTF-8; {AGAIN}"
    path.unlink()
    assert refusal(folder) == f"Verilog DIR/{name} cannot be read: No such file or directory; {AGAIN}"


def test_another_unit(tmp_path):
    write(HadamardConfig(size=8, width=4, lanes=2), tmp_path)
    assert refusal(tmp_path) == (
        "Manifest DIR/manifest.json: unit must be one of encoder, decoder to be compared, not 'hadamard'"
    )
