"""Formats of a model as a file: read back equal, or refused in one sentence."""

import json
from dataclasses import replace

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.models.integer.document import read_formats, write_formats
from qse_hw.golden.models.integer.formats import State
from qse_hw.golden.models.mamba.checkpoint import BUNDLED
from tests.golden.models.integer import small


def with_state_format():
    formats = small.formats(local_bits=16)
    first = formats.layers[0]
    state = State(format=load_format("se8:L=4"), exponents=first.state.exponents, rounding="stochastic")
    return replace(formats, layers=(replace(first, state=state), formats.layers[1]))


@pytest.mark.parametrize("make", [
    lambda: small.formats(local_bits=8), lambda: small.formats(local_bits=16, state="s24"), with_state_format,
    lambda: small.formats("mamba2", local_bits=8), lambda: small.formats("mamba2", local_bits=16),
    lambda: small.formats(local_bits=8, mode="shared"),
], ids=["local 8", "local 16", "state in a format", "mamba2, local 8", "mamba2, local 16", "shared"])  # fmt: skip
def test_read_back_equal(make, tmp_path):
    write_formats(tmp_path / "formats.json", make())
    assert read_formats(tmp_path / "formats.json") == make()


def set_at(document, path, value):
    *folders, last = path
    for name in folders:
        document = document[name]
    if value is None:
        del document[last]
    else:
        document[last] = value


def test_files_from_before_modes(tmp_path):
    file = tmp_path / "formats.json"
    write_formats(file, small.formats(local_bits=8))
    document = json.loads(file.read_text())
    assert document.pop("mode") == "free"
    file.write_text(json.dumps(document))
    assert read_formats(file) == small.formats(local_bits=8)


def test_layers_that_do_not_share_what_the_file_says_are_refused(tmp_path):
    file = tmp_path / "formats.json"
    formats = small.formats(local_bits=8, mode="shared")
    first, second = formats.layers
    layers = first, replace(second, y=replace(second.y, format=load_format("int8")))
    write_formats(file, replace(formats, layers=layers))
    with pytest.raises(InputError) as caught:
        read_formats(file)
    assert str(caught.value) == (
        f"Formats {file}: Formats must be the same in all layers, as one piece of hardware serves them, but y is "
        "another in layer 1 than in layer 0; calibrate with --mode shared"
    )


DAMAGES = {
    "a mode": (["mode"], "runtime", "mode: 'runtime' is not one of"),
    "no layers": (["layers"], [], "layers: .* non-empty"),
    "no scale": (["layers", 0, "x", "scale"], None, "layers/0/x: 'scale' is a required property"),
    "a scale of no bits": (["layers", 1, "y", "scale", "M"], 7, "layer 1, y: Scale M must be from 32768"),
    "a surplus": (["more"], 1, "'more' was unexpected"),
    "another model's name": (["model"], "bundled", "model: 'bundled' does not match"),
    "another version": (["schema"], "qse-hw/integer/2", "schema: 'qse-hw/integer/1' was expected"),
    "a format that is none": (["layers", 0, "norm", "format", "bits"], 99, "layer 0, norm: .* bits"),
    "a local tensor's step": (["layers", 0, "gate", "scale", "M"], 3, "layer 0, gate: Scale M must be from 1 to 1"),
    "a width": (["layers", 0, "scan", "bits"], 12, "layer 0: scan must have 16 bits, not 12"),
    "an exponent": (["residual", "exponent"], 99, "exponent must be from -64 to 64, not 99"),
    "a state": (["layers", 0, "state", "format"], 17, "layers/0/state/format: 17 is not one of"),
    "a rounding": (["layers", 0, "state", "rounding"], "up", "layers/0/state/rounding: 'up' is not one of"),
    "exponents of other channels": (["layers", 0, "inflow"], [1, 2, 3], "layer 0: inflow must have one exponent"),
    "a huge base of A": (["layers", 0, "A", "base", 0], 10**30, "layer 0: A's bases must be from -1099511627776 to"),
    "shifts of A": (["layers", 0, "A", "shifts"], [0, 0], "layer 0: A must have as many shifts as bases"),
    "norms left alone": (["transformations", "rotate_y"], False, "Transformations must fold the norms and rotate y"),
    "a rotation without": (["transformations", "fold_norms"], False, "rotate_residual must be False"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_refused(damage, tmp_path):
    path, value, words = DAMAGES[damage]
    file = tmp_path / "formats.json"
    write_formats(file, small.formats(local_bits=8))
    document = json.loads(file.read_text())
    set_at(document, path, value)
    file.write_text(json.dumps(document))
    with pytest.raises(InputError, match=words) as caught:
        read_formats(file)
    assert str(caught.value).startswith(f"Formats {file}: ")
    assert "\n" not in str(caught.value)


def test_layers_of_another_kind_are_refused(tmp_path):
    file = tmp_path / "formats.json"
    write_formats(file, small.formats("mamba2", local_bits=8))
    document = json.loads(file.read_text())
    file.write_text(json.dumps(document | {"architecture": "mamba1"}))
    with pytest.raises(InputError, match=r"layers/[01]: 'dt_low' is a required property"):
        read_formats(file)
    file.write_text(json.dumps(document | {"architecture": "mamba3"}))
    with pytest.raises(InputError, match="architecture: 'mamba3' is not one of"):
        read_formats(file)


def test_other_documents_are_called_by_their_names(tmp_path):
    (tmp_path / "quamba.json").write_text('{"schema": "qse-hw/quamba/1"}')
    with pytest.raises(InputError, match="must be the formats of an integer model, and is the scales of a Mamba-1's"):
        read_formats(tmp_path / "quamba.json")


@pytest.mark.parametrize(("content", "words"), [
    ((BUNDLED / "config.json").read_text(), "the config.json of a checkpoint"),
    ('{"model_type": "mamba"}', "the config.json of a checkpoint"), ("{}", "another JSON document"),
    ('"text"', "another JSON document"), ("[]", "another JSON document"),
])  # fmt: skip
def test_other_json_is_called_so(tmp_path, content, words):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_formats(path)
    assert str(caught.value) == (
        f"Formats {path} must be the formats of an integer model, and is {words}; give the file that calibrate "
        "--recipe integer wrote"
    )


def test_only_formats_are_written(tmp_path):
    with pytest.raises(InputError, match="Formats must be a ModelFormats"):
        write_formats(tmp_path / "formats.json", {})
