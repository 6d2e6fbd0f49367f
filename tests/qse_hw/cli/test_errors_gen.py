"""Bad units, formats, scales: one sentence, exit status 2, nothing written."""

import json

import numpy as np
import pytest

from qse_hw.cli import main
from qse_hw.rtl_gen.emit.unit import UNITS as NAMES
from qse_hw.rtl_gen.emit.unit import WHOLE

ENCODER = ("gen", "encoder", "--scale", "0.1")
HELP = "see python -m qse_hw gen encoder --help"

UNITS = [
    (("gen", "multiplier"), f"Unit must be one of {', '.join((*NAMES, *WHOLE))}, not 'multiplier'"),
    ((*ENCODER, "--format", "int9"), "Format must be one of int8, int8-asym, se8, se8-silu, se9-paper, or a .json"),
    ((*ENCODER, "--format", "se8:L=0"), "Format se8: L must be from 1 to 15, not 0"),
    ((*ENCODER, "--format", "se8:M=1"), "Format se8 takes L, not 'M=1'"),
    ((*ENCODER, "--input", "fp8"), "Input type must be fp32, fp16, bf16, sW or sWeE (as in s16 or s16e-8), not 'fp8'"),
    ((*ENCODER, "--input", "s33"), "Input type sW must have a width from 2 to 32, not 's33'"),
    ((*ENCODER, "--input", "s8e99"), "Input type sWeE must have an exponent from -64 to 64, not 's8e99'"),
    ((*ENCODER, "--lanes", "0"), "Lanes must be from 1 to 1024, not 0"),
    ((*ENCODER, "--lanes", "-3"), "Lanes must be from 1 to 1024, not -3"),
    ((*ENCODER, "--lanes", "99999999999999999999"), "Lanes must be from 1 to 1024, not 99999999999999999999"),
    ((*ENCODER, "--lanes", "1.5"), f"argument --lanes: must be an integer, not '1.5'; {HELP}"),
    ((*ENCODER, "--lanes=--"), f"argument --lanes: expected a value, not '--'; {HELP}"),
    ((*ENCODER, "--format=--"), f"argument --format: expected a value, not '--'; {HELP}"),
    ((*ENCODER, "-o--"), f"argument -o: expected a value, not '--'; {HELP}"),
    ((*ENCODER, "--counter-width", "65"), "Counter width must be from 0 (no counter) to 64, not 65"),
    ((*ENCODER, "--scale-bits", "0"), "Scale bits must be from 1 to 20, not 0"),
    ((*ENCODER, "--scale-bits", "21"), "Scale bits must be from 1 to 20, not 21"),
    (("gen", "encoder", "--scale", "runtime", "--scale-bits", "21"), "Scale bits must be from 1 to 20, not 21"),
    ((*ENCODER, "--arch", "wide"), "Arch must be one of fused, parallel, not 'wide'"),
    ((*ENCODER, "--target", "ice40"), "Target must be one of generic, ecp5, not 'ice40'"),
    ((*ENCODER, "--pipeline", "-1"), "Pipeline must be from 0 to "),
    (("gen", "encoder", "--scale", "runtime", "--arch", "parallel"), "Scale must be a constant for arch parallel"),
    (("gen", "encoder"), "Scale must be given: --scale S, --scale runtime or --calibration FILE --layer K"),
    ((*ENCODER, "--layer", "0"), "Layer 0 needs a calibration: give --calibration FILE"),
    (
        ("gen", "decoder", "--input", "fp16"),
        "unrecognized arguments: --input fp16; see python -m qse_hw gen decoder --help",
    ),
    (("gen", "decoder", "--format", "int9"), "Format must be one of int8, int8-asym, se8, se8-silu, se9-paper, or a"),
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
        (SOUND | {"color": 1}, "'color' was unexpected"),
        ([], "must be a JSON object, not []"),
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
