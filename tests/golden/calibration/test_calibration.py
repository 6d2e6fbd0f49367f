"""Calibration files: what is written is what is read, and anything else is refused in one sentence."""

import copy
import json
import math
import os
import re
from dataclasses import replace

import pytest

from qse_hw.golden.calibration.calibrate import Layer, calibrate
from qse_hw.golden.calibration.calibration import (
    METHODS,
    Calibration,
    LayerCalibration,
    read_calibration,
    write_calibration,
)
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import int8, se8, se9_paper
from qse_hw.golden.formats.scale import Scale

MODEL = "0123456789abcdef" * 4


def layers_of(tensors):
    return [Layer(x=x) for x in tensors.values()]


@pytest.fixture
def document(calibration, tmp_path):
    write_calibration(tmp_path / "c.json", calibration)
    return json.loads((tmp_path / "c.json").read_text())


@pytest.mark.every(6)
@pytest.mark.parametrize(
    ("spec", "mode"),
    [(spec, "free") for spec in ("se8", "se8-silu", "int8", "int8-asym", "se9-paper", "tuned:bits=4,segments=3")]
    + [(spec, mode) for spec in ("se8", "tuned:bits=4,segments=3") for mode in ("runtime", "shared")],
)
def test_round_trip(tensors, tmp_path, spec, mode):
    calibration = calibrate(layers_of(tensors), spec, model=MODEL, mode=mode)
    path = tmp_path / "new" / "c.json"
    write_calibration(path, calibration)
    got = read_calibration(path)
    assert [{m: (c.format, c.scale) for m, c in layer.items()} for layer in got.layers] == [
        {m: (c.format, c.scale) for m, c in layer.items()} for layer in calibration.layers
    ]
    for layer, original in zip(got.layers, calibration.layers, strict=True):
        assert all(abs(layer[method].sqnr_db - original[method].sqnr_db) <= 5e-5 for method in METHODS)
    for name in ("model", "format", "mode", "objective", "alpha", "tokens", "channels"):
        assert getattr(got, name) == getattr(calibration, name)
    content = path.read_bytes()
    write_calibration(path, got)
    assert path.read_bytes() == content  # nothing is lost by a second trip
    assert os.listdir(path.parent) == ["c.json"]


def calibration(choice):
    layers = (dict.fromkeys(METHODS, choice),)
    return Calibration(
        model="", format="x", mode="free", objective="x", alpha=1.0, tokens=1, channels=1, layers=layers
    )


@pytest.mark.parametrize(("sqnr", "written"), [(math.inf, None), (-0.00001, 0.0), (12.34567, 12.3457), (0.0, 0.0)])
def test_sqnr_in_the_file(tmp_path, sqnr, written):
    choice = LayerCalibration(format=int8(), scale=Scale.from_step(1.0), sqnr_db=sqnr)
    one = calibration(choice)
    write_calibration(tmp_path / "c.json", one)
    stored = json.loads((tmp_path / "c.json").read_text())["layers"][0]["least_squares"]["sqnr_db"]
    assert stored == written
    assert (stored is None) == math.isinf(sqnr)
    assert read_calibration(tmp_path / "c.json").layer(0).sqnr_db == (math.inf if written is None else written)


@pytest.mark.parametrize("number", [3, -1, 10**30])
def test_no_such_layer(calibration, number):
    with pytest.raises(InputError, match=rf"^Layer must be from 0 to 2 \(the calibration's layers\), not {number}$"):
        calibration.layer(number)


def test_belongs_to_its_activations(calibration):
    calibration.check(layers=3, channels=24, model=MODEL)
    calibration.check(layers=3, channels=24, model="")  # of an unknown model: shapes must do
    Calibration(**vars(calibration) | {"model": ""}).check(layers=3, channels=24, model=MODEL)


@pytest.mark.parametrize("whose", ["activations'", "checkpoint's"])
def test_of_another_model(calibration, whose):
    text = f"^Calibration must be for the {whose} model ffffffffffff, but is for 0123456789ab; calibrate again$"
    with pytest.raises(InputError, match=text):
        calibration.check(layers=3, channels=24, model="f" * 64, whose=whose)


@pytest.mark.parametrize(
    ("layers", "channels", "text"),
    [(2, 24, "2 layers of 24 channels, but is for 3 of 24"), (3, 23, "3 layers of 23 channels, but is for 3 of 24")],
)
def test_of_other_shapes(calibration, layers, channels, text):
    with pytest.raises(InputError, match=rf"^Calibration must be for the activations' {text}; calibrate again$"):
        calibration.check(layers=layers, channels=channels, model=MODEL)


def test_format_asked_for(tensors, calibration, tmp_path):
    L = calibration.layer(0).format.segments[0].codes // 4
    calibration.check_format(0, parse_format("se8"))  # leaves L open
    calibration.check_format(0, parse_format(f"se8:L={L}"))
    (tmp_path / "mine.json").write_text(json.dumps({"name": "se8", "bits": 8, "kind": "offset", "segments": [
        {"codes": 256, "log2_step": 0}]}))  # fmt: skip
    for other in ("int8", "se8-silu", "se8:L=1", f"se8:L={L - 1}", str(tmp_path / "mine.json")):
        text = rf"^Format must be the calibration's, se8 of {4 * L} \+ 64 \+ {64 - 4 * L} codes in layer 0, not "
        with pytest.raises(InputError, match=text + re.escape(other)):
            calibration.check_format(0, parse_format(other))
    with pytest.raises(InputError, match=r"^Format tuned must be searched for first"):
        calibration.check_format(0, parse_format("tuned"))
    Calibration(**vars(calibration) | {"format": "tuned"}).check_format(0, parse_format("tuned"))


def set_(*path, to):
    def change(document):
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = to

    return change


def drop(*path):
    def change(document):
        for key in path[:-1]:
            document = document[key]
        del document[path[-1]]

    return change


CHOICE = ("layers", 1, "least_squares")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (set_("schema", to="qse-hw/calibration/1"), "schema: 'qse-hw/calibration/2' was expected"),
        (drop("mode"), "document: 'mode' is a required property"),
        (set_("mode", to="none"), r"mode: 'none' is not one of \['free', 'runtime', 'shared'\]"),
        (set_("objective", to="y"), r"objective: 'y' is not one of \['x', 'output'\]"),
        (set_(*CHOICE, "output_sqnr_db", to=None), "layers/1/least_squares/output_sqnr_db: None is not"),
        (drop("schema"), "must be a calibration, and is another JSON document; give the file that calibrate wrote"),
        (drop("layers"), "document: 'layers' is a required property"),
        (set_("layers", to=[]), r"layers: \[\] should be non-empty"),
        (set_("extra", to=1), r"document: Additional properties are not allowed \('extra' was unexpected\)"),
        (set_("layers", to={}), "layers: {} is not of type 'array'"),
        (drop("layers", 2, "percentile"), "layers/2: 'percentile' is a required property"),
        (set_("tokens", to=0), "tokens: 0 is less than the minimum of 1"),
        (set_("channels", to=1.5), "channels: 1.5 is not of type 'integer'"),
        (set_("alpha", to=2), "alpha: 2 is greater than the maximum of 1"),
        (set_("alpha", to=float("nan")), "must be JSON: NaN is not a JSON number"),
        (set_(*CHOICE, "sqnr_db", to=float("inf")), "must be JSON: Infinity is not a JSON number"),
        (set_(*CHOICE, "sqnr_db", to="x"), "layers/1/least_squares/sqnr_db: 'x' is not of type 'number', 'null'"),
        (set_(*CHOICE, "scale", "M", to=True), "layers/1/least_squares/scale/M: True is not of type 'integer'"),
        (set_(*CHOICE, "scale", "M", to=3), "layer 1: Scale M must be from 32768 to 65535"),
        (set_(*CHOICE, "scale", "M", to=65536), "layer 1: Scale M must be from 32768 to 65535"),
        (set_(*CHOICE, "scale", "k", to=10**30), "layer 1: Scale k must be from -100 to 120"),
        (set_(*CHOICE, "scale", "bits", to=10**9), "layer 1: Scale bits must be from 1 to 20"),
        (set_(*CHOICE, "scale", "k", to=1.5), "layers/1/least_squares/scale/k: 1.5 is not of type 'integer'"),
        (set_(*CHOICE, "scale", "bits", to=1.5), "layers/1/least_squares/scale/bits: 1.5 is not of type 'integer'"),
        (set_("layers", 1, "third", to={}), r"layers/1: Additional properties are not allowed \('third' was"),
        (drop(*CHOICE, "scale", "k"), r"layers/1/least_squares/scale: .*'k' is a required property"),
        (set_(*CHOICE, "format", to={}), "layer 1: Format: document: 'name' is a required property"),
        (set_(*CHOICE, "format", to="se8"), "layers/1/least_squares/format: 'se8' is not of type 'object'"),
        (set_(*CHOICE, "format", "bits", to=7), "layer 1: Format 'se8': too many codes: 128 do not fit into 64"),
        (set_(*CHOICE, "format", "segments", 1, "start", to=99), "layer 1: Format: .* gap before segment 1"),
    ],
)
def test_what_breaks_a_rule(document, tmp_path, change, text):
    path = tmp_path / "bad.json"
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=rf"^Calibration {path}:? {text}") as caught:
        read_calibration(path)
    assert len(str(caught.value)) < 350 + len(str(path))


def test_the_other_method_is_checked_too(document, tmp_path):
    document["layers"][0]["percentile"]["scale"]["M"] = 1
    (tmp_path / "bad.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"layer 0: Scale M must be"):
        read_calibration(tmp_path / "bad.json")


def test_integers_that_json_wrote_as_floats(document, calibration, tmp_path):
    floating = copy.deepcopy(document)
    for layer in floating["layers"]:
        for choice in layer.values():
            choice["scale"] = {name: float(value) for name, value in choice["scale"].items()}
    floating |= {"tokens": 40.0, "channels": 24.0}
    for name, content in (("a.json", document), ("b.json", floating)):
        (tmp_path / name).write_text(json.dumps(content))
    got = read_calibration(tmp_path / "b.json")
    assert got == read_calibration(tmp_path / "a.json")
    assert type(got.tokens) is int
    assert got.layer(0).scale == calibration.layer(0).scale


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "must be JSON: Expecting value"),
        (b"{", "must be JSON: Expecting property name"),
        (b"\xff\xfe", "must be JSON: 'utf-8' codec can't decode"),
        (b"[" * 100_000, "must be JSON: maximum recursion depth"),
        (b"9" * 5000, "must be JSON: Exceeds the limit"),
        (b"1", "must be a calibration, and is another JSON document; give the file that calibrate wrote$"),
        (b"[" + b"1," * 999 + b"1]", "must be a calibration, and is another JSON document; give"),
        (b'{"schema": ' + b"[" * 900 + b"]" * 900 + b"}", ""),
        (b'{"layers": ' + b"[" * 5000 + b"]" * 5000 + b"}", ""),
    ],
    ids=["empty", "brace", "bytes", "deep", "digits", "number", "list", "nested", "nested deeply"],
)
def test_what_is_no_calibration(tmp_path, content, text):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"^Calibration {path}:? {text}"):
        read_calibration(path)


@pytest.mark.parametrize("kept", [1, 100, 0.5, -3])
def test_truncated(document, tmp_path, kept):
    content = (tmp_path / "c.json").read_bytes()
    kept = int(kept * len(content)) if isinstance(kept, float) else kept
    (tmp_path / "c.json").write_bytes(content[:kept])
    with pytest.raises(InputError, match="must be JSON"):
        read_calibration(tmp_path / "c.json")


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"^Calibration .*nowhere cannot be read: No such file or directory$"):
        read_calibration(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"^Calibration .* cannot be read: Is a directory$"):
        read_calibration(tmp_path)


def test_aliases_survive(tmp_path):
    choice = LayerCalibration(format=se9_paper(), scale=Scale(M=1, k=-3, bits=1), sqnr_db=40.0)
    one = calibration(choice)
    write_calibration(tmp_path / "c.json", one)
    assert read_calibration(tmp_path / "c.json") == one


@pytest.mark.parametrize("output", [None, 33.3333])
def test_round_trip_of_every_field(tmp_path, output):
    choice = LayerCalibration(format=se8(3), scale=Scale.from_step(0.1, 8), sqnr_db=12.25, output_sqnr_db=output)
    one = Calibration(**vars(calibration(choice)) | {"mode": "runtime", "objective": "output", "model": MODEL})
    write_calibration(tmp_path / "c.json", one)
    assert read_calibration(tmp_path / "c.json") == one
    stored = json.loads((tmp_path / "c.json").read_text())
    assert ("output_sqnr_db" in stored["layers"][0]["percentile"]) == (output is not None)


def test_a_percentile_that_was_not_had(calibration, tmp_path):
    layers = [dict(layer) for layer in calibration.layers]
    layers[1]["percentile"] = None
    path = tmp_path / "c.json"
    write_calibration(path, replace(calibration, layers=tuple(layers)))
    assert json.loads(path.read_text())["layers"][1]["percentile"] is None
    got = read_calibration(path)
    assert [layer["percentile"] is None for layer in got.layers] == [False, True, False]
    assert got.layer(1).format == calibration.layer(1).format
    with pytest.raises(InputError, match=r"^Method must be least_squares for layer 1, .*, not 'percentile'$"):
        got.layer(1, "percentile")


def test_the_best_must_be_there(document, tmp_path):
    document["layers"][1]["least_squares"] = None
    (tmp_path / "bad.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"layers/1/least_squares: None is not of type 'object'$"):
        read_calibration(tmp_path / "bad.json")


def test_layers_that_differ_in_shape(calibration, tmp_path):
    path = tmp_path / "c.json"
    write_calibration(path, replace(calibration, tokens=(40, 40, 20), channels=(24, 24, 48)))
    assert json.loads(path.read_text())["channels"] == [24, 24, 48]
    got = read_calibration(path)
    assert (got.tokens, got.channels) == ((40, 40, 20), (24, 24, 48))
    got.check(layers=3, channels=(24, 24, 48), model="")
    replace(got, channels=(24, 24, 24)).check(layers=3, channels=24, model="")
    for channels, words in ((24, "24"), ((24, 48, 24), "24 to 48")):
        with pytest.raises(InputError, match=rf"3 layers of {words} channels, but is for 3 of 24 to 48; calibrate"):
            got.check(layers=3, channels=channels, model="")


@pytest.mark.parametrize("name", ["tokens", "channels"])
def test_as_many_shapes_as_layers(calibration, document, tmp_path, name):
    text = rf"Calibration's {name} must be one number, or one for each of 3 layers, not 2 numbers$"
    with pytest.raises(InputError, match=f"^{text}"):
        replace(calibration, **{name: (1, 2)})
    (tmp_path / "bad.json").write_text(json.dumps(document | {name: [1, 2]}))
    with pytest.raises(InputError, match=rf"^Calibration .*bad.json: {text}"):
        read_calibration(tmp_path / "bad.json")
    (tmp_path / "bad.json").write_text(json.dumps(document | {name: [1, 2, 0]}))
    with pytest.raises(InputError, match=rf"{name}/2: 0 is less than the minimum of 1$"):
        read_calibration(tmp_path / "bad.json")


def test_no_layers(calibration):
    with pytest.raises(InputError, match=r"^Calibration must have at least one layer, not none$"):
        replace(calibration, layers=())
