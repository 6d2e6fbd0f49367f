"""compare --verilog: activations through PyTorch, golden and the Verilog of a folder; and Verilog that is wrong."""

import copy
import json
import re

import numpy as np
import pytest
import torch

from qse_hw.cli import main
from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.formats import scalar
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.quantize import array, operators
from qse_hw.golden.reference.vectors import expected, to_patterns
from qse_hw.sim.exhaust.bulk import Bulk
from qse_hw.study import round_trip
from qse_hw.study.written_unit import read_generated
from qse_hw.synth.cache import digest

full = pytest.mark.full
DEVICES = operators.devices()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Like Bulk; every text is compiled once, however many manifests describe it."""
    made = {}

    def build(config, folder, *, build):
        unit = build(config)
        if unit.text not in made:
            made[unit.text] = Bulk(config, tmp_path_factory.mktemp("compiled"), build=build)
        dut = copy.copy(made[unit.text])
        dut.config = config
        return dut

    return build


@pytest.fixture
def unit(tmp_path, compiled, monkeypatch, capsys):
    """Generate a unit; returns its folder. What is compiled is kept."""
    monkeypatch.setattr(round_trip, "Bulk", compiled)

    def generate(*words, name="unit"):
        assert main(["gen", *map(str, words), "-o", str(tmp_path / name)]) == 0
        capsys.readouterr()
        return tmp_path / name

    return generate


@pytest.fixture
def compared(activations, out):
    """Compare the unit in a folder; the report."""

    def run(folder, *words):
        command = ["compare", "--verilog", folder, "--activations", activations, "--json", out / "r.json", *words]
        assert main([str(word) for word in command]) == 0
        return json.loads((out / "r.json").read_text())

    return run


CONSTANT = ("encoder", "--input", "bf16", "--scale", 0.0147)


@pytest.mark.full
def test_an_encoder(unit, compared, tensors, capsys):
    folder = unit(*CONSTANT)
    document = compared(folder)
    said = capsys.readouterr().out
    sha256 = digest((folder / "qse_encoder.v").read_text())
    assert document["schema"] == "qse-hw/round-trip/1"
    assert {"versions", "machine", "commit"} <= set(document)
    assert document["unit"] == "encoder se8 bf16"
    assert document["verilog"] == {"file": "qse_encoder.v", "sha256": sha256}
    scale = Scale.from_step(0.0147)
    assert document["scale"] == {"M": scale.M, "k": scale.k, "bits": 16}
    assert (document["codes"], document["codes_reached"]) == (255, 255)
    everything = (1 << 16) + sum(x.size for x in tensors.values())
    assert [(row["what"], row["by"], row["values"], row["differences"], row["first"]) for row in document["rows"]] == [
        ("codes", "qse_hw.golden.formats.scalar, a sample", 2000 + sum(x.size for x in tensors.values()), 0, ""),
        *(("codes", f"PyTorch on {device}", everything, 0, "") for device in DEVICES),
        ("codes", "qse_encoder.v", everything, 0, ""),
        *(("values of the Verilog's codes", f"PyTorch on {device}", everything, 0, "") for device in DEVICES),
        ("saturated, per beat", "qse_encoder.v", everything, 0, ""),
        ("nan, per beat", "qse_encoder.v", everything, 0, ""),
        ("saturation_count, per beat", "qse_encoder.v", everything, 0, ""),
    ]
    assert f"qse_encoder.v, SHA-256 {sha256[:12]}, is the manifest's; {scale}; 255 of 255 codes occur" in said
    assert sum(f" {everything:,} " in line and " 0 " in line for line in said.splitlines()) == 4 + 2 * len(DEVICES)


def replace_verilog(folder, text):
    """Put other Verilog into the folder, and its hash into the manifest."""
    document = json.loads((folder / "manifest.json").read_text())
    (folder / document["verilog"]["file"]).write_text(text)
    document["verilog"]["sha256"] = digest(text)
    (folder / "manifest.json").write_text(json.dumps(document))


@pytest.mark.full
def test_verilog_of_another_scale(unit, activations, tensors, out):
    """The manifest of one unit, the Verilog of another, and a hash that fits."""
    folder = unit(*CONSTANT[:-1], 0.02)
    replace_verilog(folder, (unit(*CONSTANT, name="other") / "qse_encoder.v").read_text())
    with pytest.raises(SystemExit) as caught:
        main(["compare", "--verilog", str(folder), "--activations", str(activations), "--json", str(out / "r.json")])
    type, format = input_type("bf16"), read_generated(folder).config.format
    scales = Scale.from_step(0.02), Scale.from_step(0.0147)
    right, wrong = (expected(np.arange(1 << 16, dtype=np.uint32), format, type, scale).codes for scale in scales)
    unlike = right != wrong
    place = int(unlike.argmax())
    assert [scalar.quantize(place, type, format, scale).code for scale in scales] == [right[place], wrong[place]]
    rows = {(row["what"], row["by"]): row for row in json.loads((out / "r.json").read_text())["rows"]}
    row = rows["codes", "qse_encoder.v"]
    assert row["first"] == (
        f"vectors[{place}], input {place:#x}, code: qse_encoder.v says {wrong[place]:#x}, not {right[place]:#x}"
    )
    patterns = np.concatenate([to_patterns(x, type).reshape(-1) for x in tensors.values()])
    assert row["differences"] == unlike.sum() + unlike[patterns].sum()
    assert rows["values of the Verilog's codes", "PyTorch on cpu"]["differences"] == row["differences"]
    assert rows["saturated, per beat", "qse_encoder.v"]["differences"] > 0
    assert rows["nan, per beat", "qse_encoder.v"]["differences"] == 0
    assert rows["codes", "PyTorch on cpu"]["differences"] == 0
    total = sum(row["differences"] for row in rows.values())
    assert caught.value.code == f"{total:,} differences from golden; the first: {row['first']}"  # exit status 1


@pytest.mark.full
def test_a_decoder(unit, compared, tensors):
    document = compared(unit("decoder", "--format", "se9-paper", "--lanes", 3))
    everything = sum(x.size for x in tensors.values())
    beats = 171 + sum(-(-x.size // 3) for x in tensors.values())
    assert [(row["what"], row["by"], row["values"]) for row in document["rows"]] == [
        ("integers of all codes", "qse_decoder.v", 512),
        ("invalid, per beat", "qse_decoder.v", beats),
        ("integers of all codes", "qse_hw.golden.formats.scalar", 512),
        *(("values of all codes", f"PyTorch on {device}", 512) for device in DEVICES),
        ("integers", "qse_decoder.v", everything),
        *(("values", f"PyTorch on {device}", everything) for device in DEVICES),
    ]
    assert not any(row["differences"] for row in document["rows"])
    values = np.concatenate([x.reshape(-1) for x in tensors.values()])
    format = load_format("se9-paper")
    best = Fitter(Histogram(values)).scale_for(format).scale
    assert document["scale"] == {"M": best.M, "k": best.k, "bits": 16}
    assert document["codes_reached"] == len(np.unique(array.quantize(values, format, best)))


@pytest.mark.full
def test_a_scale_at_run_time(unit, compared):
    folder = unit("encoder", "--input", "s12e-7", "--scale", "runtime", "--scale-bits", 8, "--lanes", 3,
                  "--counter-width", 1)  # fmt: skip
    document = compared(folder, "--scale", 0.05)
    scale = Scale.from_step(0.05, 8)
    assert document["scale"] == {"M": scale.M, "k": scale.k, "bits": 8}
    assert not any(row["differences"] for row in document["rows"])
    again = compared(folder)
    assert again["scale"]["bits"] == 8
    assert again["scale"] != document["scale"]
    assert not any(row["differences"] for row in again["rows"])


@pytest.mark.full
@pytest.mark.every(2)
@pytest.mark.parametrize("which", ["quantize", "dequantize"])
def test_pytorch_that_is_wrong(unit, activations, monkeypatch, which, out):
    sound = getattr(operators, which)

    def wrong(x, format, scale, **options):
        result = sound(x, format, scale, **options)
        one = result.reshape(-1)[7:8]
        one[:] = torch.where(one == 0, 1, 0)
        return result

    folder = unit(*CONSTANT)
    monkeypatch.setattr(operators, which, wrong)
    with pytest.raises(SystemExit) as caught:
        main(["compare", "--verilog", str(folder), "--activations", str(activations), "--json", str(out / "r.json")])
    what, row = {
        "quantize": ("code: PyTorch on cpu says 0x0, not 0x40", "codes"),
        "dequantize": ("value: PyTorch on cpu says 1.0, not 0.0", "values of the Verilog's codes"),
    }[which]
    total = 3 * len(DEVICES)
    assert caught.value.code == f"{total} differences from golden; the first: vectors[7], input 0x7, {what}"
    rows = json.loads((out / "r.json").read_text())["rows"]
    differences = {(row["what"], row["by"]): row["differences"] for row in rows}
    assert differences.pop((row, "PyTorch on cpu")) == 3
    assert sum(differences.values()) == total - 3


def test_verilog_that_does_not_compile(unit, activations):
    folder = unit(*CONSTANT)
    replace_verilog(folder, "module qse_encoder;\n")
    with pytest.raises(SystemExit) as caught:
        main(["compare", "--verilog", str(folder), "--activations", str(activations)])
    assert caught.value.code.startswith("error: verilator failed")


def test_refused(unit, refused, out, tmp_path):
    encoder = unit(*CONSTANT)
    words = ("compare", "--json", out / "r.json", "--verilog")
    scale = Scale.from_step(0.0147)
    assert refused(*words, encoder, "--scale", 0.1) == (
        f"Scale must be the one that the unit was generated with, {scale}, not given by --scale"
    )
    decoder = unit("decoder", name="decoder")
    assert refused(*words, decoder, "--scale", "wide") == "Scale must be a number, not 'wide'"
    assert refused(*words, decoder, "--scale", -1) == "Scale must be finite and positive, not -1.0"
    assert refused(*words, tmp_path / "none") == (
        f"Manifest {tmp_path / 'none' / 'manifest.json'} cannot be read: No such file or directory"
    )
    with (encoder / "qse_encoder.v").open("a") as file:
        file.write("// mine\n")
    assert re.fullmatch(
        rf"Verilog {encoder}/qse_encoder.v must be as it was generated, SHA-256 \w+, but was changed to \w+; "
        "generate the unit again", refused(*words, encoder)
    )  # fmt: skip


@full
def test_a_decoder_of_another_format(unit, activations, out):
    folder = unit("decoder", "--format", "se8:L=12", "--lanes", 2)
    replace_verilog(folder, (unit("decoder", "--lanes", 2, name="other") / "qse_decoder.v").read_text())
    with pytest.raises(SystemExit) as caught:
        main(["compare", "--verilog", str(folder), "--activations", str(activations), "--json", str(out / "r.json")])
    right, wrong = load_format("se8:L=12").decoded, load_format("se8").decoded
    differ = [code for code in range(256) if right[code] != wrong[code]]
    rows = {(row["what"], row["by"]): row for row in json.loads((out / "r.json").read_text())["rows"]}
    row = rows["integers of all codes", "qse_decoder.v"]
    assert row["differences"] == len(differ)
    code = differ[0]
    assert row["first"] == (
        f"code {code:#x}, integer: qse_decoder.v says {wrong[code] % 2048:#x}, not {right[code] % 2048:#x}"
    )
    assert rows["integers", "qse_decoder.v"]["differences"] > 0
    assert caught.value.code.endswith(f"the first: {row['first']}")


@full
@pytest.mark.parametrize(
    "words",
    [
        ("encoder", "--input", "fp32", "--scale", 0.0147),
        ("encoder", "--input", "fp32", "--scale", "runtime", "--lanes", 5),
        ("encoder", "--input", "fp16", "--scale", "runtime", "--format", "se8-silu"),
        ("encoder", "--input", "s16", "--scale", 120.4),
        ("encoder", "--input", "s16e-10", "--scale", 0.0147, "--format", "int8", "--counter-width", 0),
        ("encoder", "--input", "s32e-20", "--scale", "runtime", "--format", "int8-asym"),
        ("encoder", "--input", "s7e-3", "--scale", 0.3, "--arch", "parallel", "--format", "se9-paper"),
        ("encoder", "--input", "bf16", "--scale", "runtime", "--target", "ecp5", "--lanes", 2),
        ("encoder", "--input", "fp32", "--scale", 0.0147, "--target", "ecp5", "--pipeline", 0),
        ("decoder", "--format", "int8:narrow_range=1", "--lanes", 7),
        ("decoder", "--format", "int8-asym"),
        ("decoder", "--format", "se8-silu", "--lanes", 16),
    ],
    ids=lambda words: " ".join(map(str, words)),
)
def test_many_units(unit, compared, words):
    document = compared(unit(*words))
    assert not any(row["differences"] for row in document["rows"])
    assert document["codes_reached"] > 50
