"""gen: files of a unit, the same ones for the same arguments, without loading what it does not need."""

import hashlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from qse_hw.cli import main
from qse_hw.golden.calibration.calibration import read_calibration
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import format_to_json, load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.vectors import expected
from qse_hw.study.written_unit import read_generated

RUNTIME = ("encoder", "--format", "se9-paper", "--input", "bf16", "--lanes", "3", "--scale", "runtime")


def gen(out, *words):
    assert main(["gen", *map(str, words), "-o", str(out)]) == 0
    return json.loads((out / "manifest.json").read_text()), dict(np.load(out / "vectors.npz"))


@pytest.mark.every(2)
@pytest.mark.parametrize(
    ("words", "top"),
    [(("encoder", "--scale", "0.02", "--input", "fp16", "--lanes", "2"), "qse_encoder"), (("decoder",), "qse_decoder")],
)
def test_files(out, capsys, words, top):
    manifest, vectors = gen(out / "new", *words)
    bench = [f"tb_{top}.v", f"tb_{top}_i.hex", f"tb_{top}_o.hex"]
    names = [f"{top}.v", "vectors.npz", *bench, f"{top}.vlt", f"{top}.core", "manifest.json"]
    assert sorted(os.listdir(out / "new")) == sorted(names)
    said = capsys.readouterr().out.splitlines()
    assert said[: len(names)] == [str(out / "new" / name) for name in names]
    verilog = (out / "new" / f"{top}.v").read_bytes()
    assert f"module {top}".encode() in verilog
    assert manifest["verilog"] == {"file": f"{top}.v", "sha256": hashlib.sha256(verilog).hexdigest()}
    assert manifest["parameters"]["format"] == format_to_json(load_format("se8"))
    if top == "qse_encoder":
        assert said[len(names) :] == ["scale: s = 0.02 (1/s = M * 2**-k, M = 51200, k = 10, 16 bits)"]
        assert manifest["scale"] == {"M": 51200, "k": 10, "bits": 16, "step": 0.02}
        want = expected(vectors["input_bits"], load_format("se8"), input_type("fp16"), Scale.from_step(0.02))
        assert len(vectors["input_bits"]) == 1 << 16
        for name, array in want._asdict().items():
            assert np.array_equal(vectors[name], array)
    else:
        assert said[len(names) :] == []
        assert vectors["codes"].tolist() == list(range(256))


def test_format_and_scale_of_a_layer(out, calibration):
    choice = read_calibration(calibration).layer(1)
    layer = ("--calibration", calibration, "--layer", 1)
    manifest, vectors = gen(out / "encoder", "encoder", "--input", "s9e-5", *layer)
    assert manifest["parameters"]["format"] == format_to_json(choice.format)
    assert (manifest["scale"]["M"], manifest["scale"]["k"]) == (choice.scale.M, choice.scale.k)
    want = expected(vectors["input_bits"], choice.format, input_type("s9e-5"), choice.scale)
    assert np.array_equal(vectors["codes"], want.codes)
    assert gen(out / "decoder", "decoder", *layer)[0]["parameters"]["format"] == format_to_json(choice.format)


def test_the_models_of_a_targets_cells(out):
    manifest, _ = gen(out, "encoder", "--scale", 1, "--input", "s8", "--target", "ecp5")
    assert manifest["simulation_models"] == ["MULT18X18D.v"]
    assert (out / "MULT18X18D.v").read_text().count("module MULT18X18D") == 1


def test_a_scale_at_run_time(out, capsys):
    manifest, vectors = gen(out, *RUNTIME)
    assert "scale:" not in capsys.readouterr().out
    assert (manifest["scale"], manifest["parameters"]["scale"]) == (None, "runtime")
    assert {"scale_m", "scale_k"} <= {port["name"] for port in manifest["ports"]}
    assert len(vectors["input_bits"]) % 3 == 0
    used = Scale(M=int(vectors["scale_m"]), k=int(vectors["scale_k"]))
    want = expected(vectors["input_bits"], load_format("se9-paper"), input_type("bf16"), used)
    assert np.array_equal(vectors["codes"], want.codes)


def contents(folder):
    return {name: (folder / name).read_bytes() for name in os.listdir(folder)}


def test_the_same_unit_is_written_again(out):
    gen(out, "decoder", "--format", "int8")
    before = contents(out)
    (out / "qse_decoder.v").write_text("old")
    gen(out, "decoder", "--format", "int8")
    assert contents(out) == before


@pytest.mark.parametrize("other", [("decoder", "--format", "se8"), ("encoder", "--scale", "0.5")], ids=lambda x: x[0])
def test_another_unit_is_refused(out, other, capsys):
    gen(out, "decoder", "--format", "int8")
    before = contents(out)
    what = {"decoder": "another decoder", "encoder": "the unit decoder"}[other[0]]
    assert main(["gen", *other, "-o", str(out)]) == 2
    assert capsys.readouterr().err == (
        f"error: Folder {out} must be empty or of this unit, but manifest.json there is of {what}; choose another "
        "folder, or give one of the units a name\n"
    )
    assert contents(out) == before


def test_named_units_of_one_folder(out):
    """They are of one design: no module and no file has the name of another's."""
    for name, format in (("enc_0", "int8"), ("enc_1", "se8")):
        words = ["--format", format, "--input", "s8", "--scale", "0.5", "--lanes", "2", "--name", name]
        assert main(["gen", "encoder", *words, "-o", str(out)]) == 0
    names = sorted(os.listdir(out))
    assert all(name.removeprefix("tb_").startswith(("enc_0", "enc_1")) for name in names)
    assert {"enc_1.v", "enc_1.core", "enc_1_manifest.json", "enc_1_vectors.npz", "tb_enc_1.v"} <= set(names)
    modules = [re.findall(r"^module (\w+)", (out / f"enc_{n}.v").read_text(), re.M) for n in (0, 1)]
    assert {"enc_0", "enc_0_lane"} <= set(modules[0])
    assert not set(modules[0]) & set(modules[1])
    assert json.loads((out / "enc_1_manifest.json").read_text())["top"] == "enc_1"
    with pytest.raises(InputError, match=r"one unit to be compared, not 2: enc_0_manifest\.json, enc_1_manifest\.json"):
        read_generated(out)
    for path in out.glob("*enc_0*"):
        path.unlink()
    assert read_generated(out).config.top == "enc_1"


def test_refused_names(refused, out):
    for name, sentence in (
        ("1a", "Name must begin with a letter and have letters, digits and underscores, 64 at most, not be '1a'"),
        ("logic", "Name must be no keyword of SystemVerilog, and 'logic' is one; choose another"),
    ):
        assert refused("gen", "decoder", "--name", name, "-o", str(out)) == sentence


def process(code, *words, seed="0"):
    """Run Python code that prints JSON; returns what it printed."""
    command, environment = [sys.executable, "-c", code, *map(str, words)], os.environ | {"PYTHONHASHSEED": seed}
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.full
def test_the_same_bytes_in_every_process(out):
    files = []
    for seed in ("1", "271828"):
        folder = out / seed
        code = "import sys; from qse_hw.cli import main; sys.exit(main())"
        process(code, "gen", *RUNTIME, "-o", folder, seed=seed)
        files.append({name: (folder / name).read_bytes() for name in sorted(os.listdir(folder))})
    assert len(files[0]) == 7
    assert files[0] == files[1]


def test_what_is_loaded(out, calibration):
    loaded = "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    assert not {"torch", "amaranth", "transformers", "cocotb", "matplotlib"} & {
        *process(f"import sys; import qse_hw; {loaded}").split()
    }
    code = f"import sys; from qse_hw.cli import main; assert main(sys.argv[1:]) == 0; {loaded}"
    unit = ("encoder", "--calibration", calibration, "--layer", 0, "--input", "s8")
    loaded = process(code, "gen", *unit, "-o", out).split()
    assert "amaranth" in loaded
    assert not {"torch", "safetensors", "transformers", "cocotb", "matplotlib"} & {*loaded}


def test_public_names():
    import qse_hw

    assert all(hasattr(qse_hw, name) for name in qse_hw.__all__)
    format, scale = qse_hw.load_format("se8"), qse_hw.Scale.from_step(0.5)
    assert qse_hw.dequantize(qse_hw.quantize(np.ones(1), format, scale), format, scale).tolist() == [1.0]


@pytest.mark.every(6)
@pytest.mark.parametrize(
    ("unit", "input", "scale", "warned"),
    [("encoder", "s8", 511, False), ("encoder", "s8", 514, True), ("quantizer", "s8e-7", 16, True),
     ("encoder", "fp16", 2.0**100, True), ("encoder", "bf16", 2.0**100, False), ("encoder", "fp16", 1, False)],
)  # fmt: skip
def test_a_scale_at_which_every_code_is_that_of_0(tmp_path, capsys, unit, input, scale, warned):
    """At s = 512, -128 is s/4; the first code of se8 that is not 0 begins at s/8, half a fine step."""
    factor = 2 if input == "s8" else 1
    words = ["gen", unit, "--format", "se8", "--input", input, "--scale", str(factor * scale), "-o", str(tmp_path)]
    assert main(words) == 0
    said = capsys.readouterr().err
    begin = f"warning: Scale {factor * scale:.6g} is so large that every value of input {input} has the code of 0; "
    assert said.startswith(begin) == bool(said) == warned
