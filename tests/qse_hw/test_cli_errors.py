"""Bad input: one sentence, exit status 2, nothing written. What each check says in full is tested where it lives."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from golden.activations import write_activations
from golden.mamba.checkpoint import BUNDLED
from qse_hw import commands
from qse_hw.commands import COMMANDS, main, run_command

ENCODER = ("gen", "encoder", "--scale", "0.1")

UNITS = [
    (("gen", "multiplier"), "Unit must be one of encoder, decoder, not 'multiplier'"),
    ((*ENCODER, "--format", "int9"), "Format must be one of int8, int8-asym, se8, se8-silu, se9-paper, or a .json"),
    ((*ENCODER, "--format", "se8:L=0"), "Format se8: L must be from 1 to 15, not 0"),
    ((*ENCODER, "--format", "se8:M=1"), "Format se8 takes L, not 'M=1'"),
    ((*ENCODER, "--input", "fp8"), "Input type must be fp32, fp16, bf16, sW or sWeE (as in s16 or s16e-8), not 'fp8'"),
    ((*ENCODER, "--input", "s33"), "Input type sW must have a width from 2 to 32, not 's33'"),
    ((*ENCODER, "--input", "s8e99"), "Input type sWeE must have an exponent from -64 to 64, not 's8e99'"),
    ((*ENCODER, "--lanes", "0"), "Lanes must be from 1 to 1024, not 0"),
    ((*ENCODER, "--lanes", "-3"), "Lanes must be from 1 to 1024, not -3"),
    ((*ENCODER, "--lanes", "99999999999999999999"), "Lanes must be from 1 to 1024, not 99999999999999999999"),
    ((*ENCODER, "--lanes", "1.5"), "argument --lanes: must be an integer, not '1.5'; see python -m qse_hw gen --help"),
    ((*ENCODER, "--counter-width", "65"), "Counter width must be from 0 (no counter) to 64, not 65"),
    ((*ENCODER, "--scale-bits", "0"), "Scale bits must be from 1 to 20, not 0"),
    ((*ENCODER, "--scale-bits", "21"), "Scale bits must be from 1 to 20, not 21"),
    (("gen", "encoder", "--scale", "runtime", "--scale-bits", "21"), "Scale bits must be from 1 to 20, not 21"),
    (("gen", "encoder"), "Scale must be given: --scale S, --scale runtime or --calibration FILE --layer K"),
    ((*ENCODER, "--layer", "0"), "Layer 0 needs a calibration: give --calibration FILE"),
    # a decoder has no use for these, but they are wrong all the same
    (("gen", "decoder", "--input", "fp8"), "Input type must be"),
    (("gen", "decoder", "--scale-bits", "0"), "Scale bits must be"),
    (("gen", "decoder", "--counter-width", "-1"), "Counter width must be"),
    (("gen", "decoder", "--scale", "x"), "Scale must be a number, not 'x'"),
    (("gen", "decoder", "--lanes", "0"), "Lanes must be from 1 to 1024, not 0"),
]


@pytest.mark.parametrize(("arguments", "sentence"), UNITS, ids=lambda value: " ".join(value[1:])[:40])
def test_units(refused, out, arguments, sentence):
    assert refused(*arguments, "-o", out).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0", "Scale must be finite and positive, not 0.0"),
        ("-0.5", "Scale must be finite and positive, not -0.5"),
        ("nan", "Scale must be finite and positive, not nan"),
        ("inf", "Scale must be finite and positive, not inf"),
        ("1e999", "Scale must be finite and positive, not inf"),
        ("1e40", "Scale must be from 2**-100 to 2**100, not 1e+40"),
        ("1e-40", "Scale must be from 2**-100 to 2**100, not 1e-40"),
        ("", "Scale must be a number, not ''"),
        ("0x1p-3", "Scale must be a number, not '0x1p-3'"),
        ("half", "Scale must be a number, not 'half'"),
    ],
)
def test_scales(refused, out, tmp_path, text, sentence):
    np.save(tmp_path / "x.npy", np.zeros(3, np.float32))
    numerics = ("--format", "se8", "--scale", text)
    assert refused("gen", "encoder", *numerics, "-o", out) == sentence
    assert refused("quantize", tmp_path / "x.npy", *numerics, "-o", out / "codes.npy") == sentence
    assert refused("dequantize", tmp_path / "x.npy", *numerics, "-o", out / "values.npy") == sentence


SOUND = {
    "name": "mine",
    "bits": 4,
    "kind": "offset",
    "segments": [
        {"start": 0, "codes": 8, "log2_step": -1},
        {"start": 4, "codes": 8, "log2_step": 0},
    ],
    "zero_point": 3,
}


def segments(*changes):
    return SOUND | {"segments": [old | new for old, new in zip(SOUND["segments"], changes, strict=True)]}


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (segments({}, {"start": 5}), "gap before segment 1: it starts at 5 s, the one before ends at 4 s"),
        (segments({}, {"start": 3}), "overlap before segment 1: it starts at 3 s, the one before ends at 4 s"),
        (segments({}, {"codes": 9}), "too many codes: 17 do not fit into 16 (4 bits, offset)"),
        (segments({}, {"first_code": 7}), "codes must not overlap, but 7 is in segments 0 and 1"),
        (SOUND | {"zero_point": 8}, "zero_point must lie in a segment of the finest step so that 0 is exact, not 8"),
        (SOUND | {"zero_point": -1}, "zero_point must lie in a segment of the finest step so that 0 is exact, not -1"),
        (SOUND | {"bits": 99}, "bits must be from 2 to 12, not 99"),
        (SOUND | {"kind": "gray"}, "kind: 'gray' is not one of"),
        (SOUND | {"segments": []}, "segments: [] should be non-empty"),
        (SOUND | {"colour": 1}, "'colour' was unexpected"),
        ([], "document: [] is not of type 'object'"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_formats(refused, out, tmp_path, document, sentence):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(document))
    assert sentence in refused(*ENCODER, "--format", path, "-o", out)


def test_that_format_is_sound_otherwise(out, tmp_path, capsys):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(SOUND))
    assert main([*ENCODER, "--format", str(path), "--input", "s8", "-o", str(out)]) == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "cannot be read: No such file"), (b"{", "must be JSON: "), (b"\xff", "must be JSON: 'utf-8' codec")],
)
def test_format_files(refused, out, tmp_path, content, sentence):
    path = tmp_path / "mine.json"
    if content is not None:
        path.write_bytes(content)
    assert refused(*ENCODER, "--format", path, "-o", out).startswith(f"Format file {path} {sentence}")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--layer", "2"), "Layer must be from 0 to 1 (the calibration's layers), not 2"),
        (("--layer", "-1"), "Layer must be from 0 to 1 (the calibration's layers), not -1"),
        ((), "Layer must be given with a calibration, e.g. --layer 0"),
        (("--layer", "0", "--scale", "1"), "Scale must come from the calibration or from --scale 1, not from both"),
        (("--layer", "0", "--format", "int8"), "Format must be the calibration's, se8 of 48 + 64 + 16 codes in"),
        (("--layer", "1", "--format", "se8:L=11"), "Format must be the calibration's, se8 of 48 + 64 + 16 codes in"),
        (("--layer", "x"), "argument --layer: must be an integer, not 'x'"),
    ],
)  # fmt: skip
def test_layers(refused, out, calibration, arguments, sentence):
    assert refused("gen", "encoder", "--calibration", calibration, *arguments, "-o", out).startswith(sentence)


def damaged(calibration, path, content):
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, int):
        path.write_bytes(calibration.read_bytes()[:content])
    elif content is not None:
        path.write_text(json.dumps(json.loads(calibration.read_text()) | content))
    return path


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, " cannot be read: No such file or directory"),
        (b"no JSON", " must be JSON: "),
        (700, " must be JSON: "),
        ({"schema": "qse-hw/calibration/1"}, ": schema: 'qse-hw/calibration/2' was expected"),
        ({"layers": []}, ": layers: [] should be non-empty"),
    ],
)
def test_calibration_files(refused, out, tmp_path, calibration, activations, content, sentence):
    path = damaged(calibration, tmp_path / "c.json", content)
    for command in (("gen", "encoder", "--layer", "0", "-o", out), ("replay", "--json", out / "r.json")):
        assert refused(*command, "--calibration", path).startswith(f"Calibration {path}{sentence}")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model": "f" * 64}, "Calibration must be for the activations' model 5eed5eed5eed, but is for ffffffffffff"),
        ({"channels": 31}, "Calibration must be for the activations' 2 layers of 32 channels, but is for 2 of 31"),
    ],
)
def test_calibration_for_something_else(refused, out, tmp_path, calibration, activations, change, sentence):
    path = damaged(calibration, tmp_path / "c.json", change)
    said = refused("replay", "--activations", activations, "--calibration", path, "--json", out / "r.json")
    assert said == f"{sentence}; calibrate again"


def test_calibration_for_another_format(refused, out, calibration, activations):
    replay = ("replay", "--activations", activations, "--calibration", calibration, "--json", out / "r.json")
    for other in ("int8", "se8:L=11"):
        said = refused(*replay, "--format", other)
        assert said.endswith(f"the calibration's, se8 of 48 + 64 + 16 codes in layer 0, not {other}; calibrate again")


ARRAYS = {
    "complex": (np.zeros(3, np.complex64), "dtype"),
    "int64": (np.zeros(3, np.int64), "dtype"),
    "bool": (np.zeros(3, np.bool_), "dtype"),
    "text": (np.array(["a"]), "dtype"),
    "records": (np.zeros(3, [("a", "f4")]), "dtype"),
    "objects": (np.array([1, {}], object), "Array file"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_the_wrong_dtype(refused, out, tmp_path, name):
    array, reason = ARRAYS[name]
    path = tmp_path / "x.npy"
    np.save(path, array, allow_pickle=True)
    numerics = (path, "--format", "se8", "--scale", "1", "-o", out / "y.npy")
    sentence = refused("quantize", *numerics)
    if reason == "dtype":
        floats = "float16, bfloat16, float32, float64, int8, int16, int32"
        assert sentence.startswith(f"Array dtype must be one of {floats}, not ")
        assert refused("dequantize", *numerics).startswith("Codes of format se8 must have dtype uint8, not ")
    else:
        assert sentence.startswith(f"Array file {path} must be a complete .npy file of plain numbers, and is not")
        assert refused("dequantize", *numerics) == sentence


def test_codes_that_a_format_does_not_have(refused, out, tmp_path):
    np.save(tmp_path / "x.npy", np.array([0, 600], np.uint16))
    arguments = (tmp_path / "x.npy", "--format", "se9-paper", "--scale", "1", "-o", out / "y.npy")
    assert refused("dequantize", *arguments) == "Codes must be ones that format se9-paper assigns, not 600"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--exponent", "1"), "Exponent must be 0 for floating-point inputs, not 1"),
        (("--exponent", "x"), "argument --exponent: must be an integer, not 'x'"),
        (("--scale-bits", "0"), "Scale bits must be from 1 to 20, not 0"),
    ],
)
def test_quantize_options(refused, out, tmp_path, arguments, sentence):
    np.save(tmp_path / "x.npy", np.zeros(3, np.float32))
    command = ("quantize", tmp_path / "x.npy", "--format", "se8", "--scale", "1", "-o", out / "y.npy")
    assert refused(*command, *arguments).startswith(sentence)


@pytest.mark.parametrize("content", [None, b"", b"x", 128, 140])
def test_array_files(refused, out, tmp_path, content):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(30, np.float32))
    whole = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(whole[:content] if isinstance(content, int) else content)
    for command in ("quantize", "dequantize"):
        arguments = (path, "--format", "se8", "--scale", "1", "-o", out / "y.npy")
        assert refused(command, *arguments).startswith(f"Array file {path} ")


def edited(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


CHECKPOINTS = {
    "no config": (lambda d: (d / "config.json").unlink(), "must hold config.json, and does not"),
    "no weights": (
        lambda d: (d / "model.safetensors").unlink(),
        "must hold model.safetensors or pytorch_model.bin, and does not",
    ),
    "truncated": (lambda d: os.truncate(d / "model.safetensors", 9999), "model.safetensors cannot be read: "),
    "empty": (lambda d: os.truncate(d / "model.safetensors", 0), "model.safetensors cannot be read: "),
    "garbage": (
        lambda d: ((d / "model.safetensors").unlink(), (d / "pytorch_model.bin").write_bytes(b"garbage")),
        "must be a complete PyTorch file of plain tensors",
    ),
    "config truncated": (lambda d: os.truncate(d / "config.json", 30), "cannot be read as JSON"),
    "another architecture": (
        lambda d: edited(d, model_type="bert"),
        'model_type must be "mamba" or "mamba2", not \'bert\'',
    ),
    "Mamba-2": (lambda d: edited(d, ssm_cfg={"layer": "Mamba2"}), "must have a Mamba-2's tensors, but lacks "),
    "Mamba-3": (lambda d: edited(d, ssm_cfg={"layer": "Mamba3"}), "ssm_cfg.layer must be "),
    "another size": (lambda d: edited(d, d_model=10**12), "must have shape"),
    "another depth": (lambda d: edited(d, n_layer=10**9), "must have the 1000000000 layers of config.json, not 6"),
    "no tokenizer": (lambda d: edited(d, vocab_size=512), "must have shape (512, 256), not (256, 256)"),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints(refused, out, tmp_path, name):
    spoil, sentence = CHECKPOINTS[name]
    folder = shutil.copytree(BUNDLED, tmp_path / "checkpoint")
    spoil(folder)
    assert sentence in refused("capture", "--model", folder, "--tokens", "8", "-o", out / "new" / "a.safetensors")


def test_no_checkpoint(refused, out, tmp_path):
    for path in (tmp_path / "nowhere", __file__):
        said = refused("capture", "--model", path, "-o", out / "a.safetensors")
        assert said == f"Checkpoint {path} must be a folder with config.json and weights; it does not exist"


@pytest.mark.parametrize(
    ("tokens", "sentence"),
    [
        ("0", "Tokens must be at least 1, not 0"),
        ("-5", "Tokens must be at least 1, not -5"),
        ("6", "tokens must be at most the text's 5, not 6; give a longer text"),
        ("9" * 30, f"tokens must be at most the text's 5, not {'9' * 30}; give a longer text"),
        ("1e3", "argument --tokens: must be an integer, not '1e3'; see python -m qse_hw capture --help"),
    ],
)
def test_tokens(refused, out, tmp_path, tokens, sentence):
    text = tmp_path / "text"
    text.write_text("hello")
    assert refused("capture", "--text", text, "--tokens", tokens, "-o", out / "a.safetensors") == sentence


def test_texts(refused, out, tmp_path):
    capture = ("capture", "--tokens", "8", "-o", out / "a.safetensors", "--text")
    (tmp_path / "empty").touch()
    assert refused(*capture, tmp_path / "nowhere").endswith("nowhere cannot be read: No such file or directory")
    assert refused(*capture, tmp_path / "empty").endswith("empty must not be empty")
    assert refused(*capture, tmp_path).endswith(" cannot be read: Is a directory")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--alpha", "0"), "Alpha must be above 0 and at most 1, not 0.0"),
        (("--alpha", "nan"), "Alpha must be above 0 and at most 1, not nan"),
        (("--alpha", "99.95"), "Alpha must be above 0 and at most 1, not 99.95"),
        (("--alpha", "x"), "argument --alpha: invalid float value: 'x'"),
        (("--scale-bits", "0"), "Scale bits must be from 1 to 20, not 0"),
        (("--format", "int9"), "Format must be one of"),
        (("--format", "tuned:segments=9"), "Segments must be from 1 to 8, not 9"),
        (("--format", "tuned:L=1"), "Format tuned takes segments, bits, sign, not 'L=1'"),
        (("--mode", "mine"), "Mode must be one of free, runtime, shared, not 'mine'"),
        (("--objective", "y"), "Objective must be one of x, output, not 'y'"),
        (("--objective", "output"), "Objective output needs the model: give --model and --text instead of"),
        (("--model", "m"), "Activations must come from a file or from a model and text: give either, not both"),
        (("--text", "t"), "Activations must come from a file or from a model and text: give either, not both"),
    ],
)
def test_calibrate_options(refused, out, monkeypatch, arguments, sentence):
    for name in ("from_file_or_default", "stream_model"):
        monkeypatch.setattr(f"qse_hw.commands.calibrate.{name}", lambda *args: pytest.fail("too late"))
    said = refused("calibrate", "--activations", "a", *arguments, "-o", out / "new" / "c.json")
    assert said.startswith(sentence)


ACTIVATIONS = {
    "missing": (None, "cannot be read"),
    "garbage": (b"garbage", "cannot be read"),
    "truncated": (300, "cannot be read"),
    "NaN": ({"layers.0.x": np.full((4, 4), np.nan, np.float32)}, "must be finite, but layers.0.x has NaN or infinity"),
    "integers": ({"layers.0.x": np.ones((4, 4), np.int32)}, "must be float32 or float16, but layers.0.x is I32"),
    "names": ({"x": np.ones((4, 4), np.float32)}, "must be named layers.0.x, layers.1.x and so on, not ['x']"),
    "zeros": ({"layers.0.x": np.zeros((4, 4), np.float32)}, "Activations must not all be zero"),
    "huge": ({"layers.0.x": np.full((4, 4), 3e38, np.float32)}, "Activations must have a peak from 2**-70 to 2**90"),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_files(refused, out, tmp_path, activations, name):
    from safetensors.numpy import save_file

    content, sentence = ACTIVATIONS[name]
    path = tmp_path / "a.safetensors"
    if isinstance(content, dict):
        save_file(content, path)
    elif content is not None:
        path.write_bytes(activations.read_bytes()[:content] if isinstance(content, int) else content)
    for command in (("calibrate", "-o"), ("compare", "--json"), ("replay", "--lanes", "4", "--json")):
        assert sentence in refused(*command, out / "new" / "f", "--activations", path)


def test_activations_below_a_formats_floor(refused, out, tmp_path):
    path = tmp_path / "a.safetensors"
    write_activations(path, {"layers.0.x": np.array([[-3, 1]], np.float32)})
    said = refused("calibrate", "--activations", path, "--format", "se8-silu", "-o", out / "c.json")
    assert said.startswith("Layer 0: Format se8-silu does not fit these activations: no zero point lets it reach")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--simulator", "vcs"), "Simulator must be one of verilator, icarus, not 'vcs'"),
        (("--lanes", "0"), "Lanes must be from 1 to 1024, not 0"),
        (("--lanes", "1025"), "Lanes must be from 1 to 1024, not 1025"),
        (("--input", "fp8"), "Input type must be"),
        (("--format", "int9"), "Format must be one of"),
        (("--calibration", "nowhere"), "Calibration nowhere cannot be read"),
    ],
)
def test_replay_options(refused, out, monkeypatch, arguments, sentence):
    monkeypatch.setattr("qse_hw.commands.replay.from_file_or_default", lambda path: pytest.fail("too late"))
    assert refused("replay", "--json", out / "new" / "r.json", *arguments).startswith(sentence)


@pytest.mark.parametrize("program", ["verilator", "g++", "make", "perl"])
def test_a_missing_program(refused, out, monkeypatch, program):
    from sim import tools

    found = tools.find
    monkeypatch.setattr(tools, "find", lambda name: None if name == program else found(name))
    sentence = f"Program {program} was not found; install "
    assert refused("replay", "--json", out / "r.json").startswith(sentence)
    assert refused("bench", "--json", out / "b.json").startswith(sentence)


def test_icarus_is_missing(refused, out, monkeypatch):
    from sim import tools

    monkeypatch.setattr(tools, "find", lambda name: None)
    said = refused("replay", "--simulator", "icarus", "--json", out / "r.json")
    assert said.startswith("Program iverilog was not found; install Icarus Verilog (Debian: apt-get install iverilog)")


def long_ones(activations):
    return {
        "capture": ("capture", "-o"),
        "calibrate": ("calibrate", "--activations", activations, "-o"),
        "replay": ("replay", "--activations", activations, "--json"),
        "compare": ("compare", "--activations", activations, "--json"),
        "bench": ("bench", "--json"),
    }


@pytest.mark.parametrize("command", long_ones(None))
def test_where_nothing_can_be_written_is_said_before_the_long_part(
    refused, out, tmp_path, monkeypatch, activations, command
):
    for name in ("from_model", "from_file_or_default", "stream_model", "quantise"):
        monkeypatch.setattr(f"qse_hw.commands.{command}.{name}", lambda *args: pytest.fail("too late"), raising=False)
    (tmp_path / "file").touch()
    words = long_ones(activations)[command]
    for place in (tmp_path / "file" / "f", tmp_path / "file" / "new" / "f", out, "/proc/f", "/dev/null", "/dev/null/f"):
        said = refused(*words, place)
        assert said.startswith(f"Output {place} ")
        assert said.endswith("; choose another place")
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize("place", ["file", "file/new", "/proc/new", "/dev/null"])
def test_folders_that_cannot_be_written(refused, out, tmp_path, monkeypatch, place):
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.zeros(3, np.float32))
    np.save("codes.npy", np.zeros(3, np.uint8))
    sentence = re.compile(rf"Output {place}/\S+ cannot be written: .*; choose another place")
    assert sentence.fullmatch(refused("gen", "decoder", "-o", place))
    numerics = ("--format", "se8", "--scale", "1", "-o", f"{place}/y.npy")
    assert sentence.fullmatch(refused("quantize", "x.npy", *numerics))
    assert sentence.fullmatch(refused("dequantize", "codes.npy", *numerics))
    assert sorted(os.listdir()) == ["codes.npy", "file", "out", "x.npy"]


@pytest.mark.parametrize("command", COMMANDS)
def test_usage(refused, capsys, command):
    assert "unrecognized arguments: --nonsense" in refused(command, *required(command), "--nonsense")
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert f"usage: python -m qse_hw {command}" in capsys.readouterr().out


def required(command):
    if command in ("quantize", "dequantize"):
        return ("x.npy", "--format", "se8", "--scale", "1", "-o", "y.npy")
    return {
        "gen": ("decoder", "-o", "x"), "synth": ("decoder",), "capture": ("-o", "x"), "calibrate": ("-o", "x"),
    }.get(command, ())  # fmt: skip


def test_which_command(refused, capsys):
    known = ", ".join(repr(name) for name in COMMANDS)
    said = refused("quantise")
    assert said == f"argument COMMAND: invalid choice: 'quantise' (choose from {known}); see python -m qse_hw --help"
    assert refused() == "the following arguments are required: COMMAND; see python -m qse_hw --help"
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said and text in said for name, text in COMMANDS.items())


@pytest.fixture
def failing(monkeypatch):
    """Make the doctor fail with an exception."""

    def fail(error):
        def run(args):
            raise error

        monkeypatch.setattr("qse_hw.commands.doctor.run", run)

    return fail


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(28, "No space left on device", "f"), "The system refused: [Errno 28] No space left on device: 'f'"),
        (BrokenPipeError(32, "Broken pipe"), "The system refused: [Errno 32] Broken pipe"),
        (MemoryError("Unable to allocate 9 TiB"), "Memory does not suffice: Unable to allocate 9 TiB"),
        (
            ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"),
            'Package torch.nn is not installed; get it with: pip install "qse-hw[model]"',
        ),
    ],
)
def test_what_the_machine_refuses(refused, failing, error, sentence):
    failing(error)
    assert refused("doctor") == sentence


@pytest.mark.parametrize("error", [RuntimeError("a"), ValueError(), ModuleNotFoundError("no numpy", name="numpy")])
def test_defects_are_not_hidden(failing, error):
    failing(error)
    with pytest.raises(type(error)):
        main(["doctor"])


def test_interrupted(failing, capsys):
    failing(KeyboardInterrupt())
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_program_name(capsys):
    assert run_command("gen", [], program="python -m qse_hw.gen") == 2
    assert capsys.readouterr().err.endswith("; see python -m qse_hw.gen --help\n")


def process(*words, **how):
    return subprocess.run([sys.executable, "-m", *map(str, words)], capture_output=True, timeout=120, **how)


@pytest.mark.parametrize(
    "words",
    [
        ("qse_hw.gen", "encoder", "--scale", "nan", "-o"),
        ("qse_hw", "gen", "decoder", "--lanes", "0", "-o"),
        ("qse_hw", "calibrate", "--activations", __file__, "-o"),
    ],
)
def test_as_a_process(out, words):
    done = process(*words, out / "f")
    assert done.returncode == 2
    assert done.stdout == b""
    assert re.fullmatch(rb"error: [A-Z][^\n]+\n", done.stderr)
    assert os.listdir(out) == []


def test_help_as_a_process():
    done = process("qse_hw.gen", "--help")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"usage: python -m qse_hw.gen [-h] ")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_that_a_terminal_cannot_show(tmp_path, encoding):
    np.save(tmp_path / "x.npy", np.zeros(3, np.float32))
    name = os.fsdecode(b"caf\xc3\xa9\xff.npy")
    words = ("qse_hw", "quantize", "x.npy", "--format", "se8", "--scale", "1", "-o", name)
    done = process(*words, cwd=tmp_path, env=os.environ | {"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\udcff.npy: 3 codes" in done.stdout
    assert sorted(os.listdir(tmp_path)) == [name, "x.npy"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk(tmp_path):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-u", "-m", "qse_hw", "gen", "decoder", "-o", str(tmp_path)],
            stdout=full, stderr=subprocess.PIPE, timeout=120,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == b"error: The system refused: [Errno 28] No space left on device\n"


WITHOUT = {
    "torch": ("capture", "-o", "f"),
    "safetensors": ("compare", "--json", "f"),
    "ml_dtypes": ("bench", "--json", "f"),
    "cocotb": ("replay", "--json", "f"),
}


@pytest.mark.parametrize("package", WITHOUT)
def test_a_missing_package(tmp_path, package):
    code = f"import sys; sys.modules[{package!r}] = None; from qse_hw.commands import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *WITHOUT[package]], capture_output=True, cwd=tmp_path, encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    extra = commands._EXTRAS[package]
    assert done.stderr == f'error: Package {package} is not installed; get it with: pip install "qse-hw[{extra}]"\n'
    assert os.listdir(tmp_path) == []


ROOT = BUNDLED.parents[2]
