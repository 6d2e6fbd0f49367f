"""Outputs that cannot be written are refused before the long part of a command."""

import os
import re

import numpy as np
import pytest


def long_ones(activations):
    return {
        "capture": ("capture", "-o"),
        "calibrate": ("calibrate", "--activations", activations, "-o"),
        "replay": ("replay", "--activations", activations, "--json"),
        "compare": ("compare", "--activations", activations, "--json"),
        "bench": ("bench", "--json"),
    }


@pytest.mark.every(2)
@pytest.mark.parametrize("command", long_ones(None))
def test_where_nothing_can_be_written_is_said_before_the_long_part(
    refused, out, tmp_path, monkeypatch, activations, command
):
    for name in ("from_model", "from_file_or_default", "stream_model", "quantize"):
        monkeypatch.setattr(f"qse_hw.cli.{command}.{name}", lambda *args: pytest.fail("too late"), raising=False)
    (tmp_path / "file").touch()
    words = long_ones(activations)[command]
    for place in (tmp_path / "file" / "f", tmp_path / "file" / "new" / "f", out, "/proc/f", "/dev/null", "/dev/null/f"):
        said = refused(*words, place)
        assert said.startswith(f"Output {place} ")
        assert said.endswith("; choose another place")
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.every(2)
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


FILES = [  # every option that names a file to write, and what else its command needs
    "quantize x.npy --format se8 --scale 1 -o",
    "dequantize codes.npy --format se8 --scale 1 -o",
    "capture -o",
    "calibrate --activations A -o",
    "calibrate --activations A -o out/c.json --json",
    "replay --activations A --json",
    "replay --activations A --wave",
    "compare --activations A --json",
    "exhaust encoder --input s8 --scale 1 --format se8 --json",
    "prove decoder --format se8 --json",
    "mutate decoder --format se8 --json",
    "synth decoder --format se8 --on cells --json",
    "synth decoder --format se8 --on cells --markdown",
    "synth decoder --format se8 --on cells --png",
    "plan --model mamba-130m --json",
    "eval --json",
    "eval --recipe quamba --scales",
    "bench --parts quantize --json",
]
FOLDERS = [  # and a folder
    "gen decoder --format se8 -o",
    "report decoder --format se8 -o",
    "sweep spec.toml -o",
    "demo -o",
    "prove decoder --format se8 --keep",
]


@pytest.fixture
def inputs(tmp_path, monkeypatch, activations):
    """What the commands above read, in the folder where they are called."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.zeros(3, np.float32))
    np.save("codes.npy", np.zeros(3, np.uint8))
    (tmp_path / "spec.toml").write_text(
        'unit = "decoder"\ntargets = ["cells"]\n[options]\nformat = "se8"\n[objectives]\nminimise = ["comb"]\n'
    )
    (tmp_path / "file").touch()
    return lambda words: [str(activations) if word == "A" else word for word in words.split()]


@pytest.mark.every(9)
@pytest.mark.parametrize("words", FILES)
def test_a_folder_where_a_file_must_be(refused, tmp_path, inputs, words):
    (tmp_path / "folder.vcd").mkdir()
    said = refused(*inputs(words), "folder.vcd")
    if "--scales" in words:
        assert said == "Calibration folder.vcd cannot be read: Is a directory"
    else:
        assert said == "Output folder.vcd must be a file, not a folder; choose another place"
    assert os.listdir(tmp_path / "folder.vcd") == []


@pytest.mark.every(2)
@pytest.mark.parametrize("words", FOLDERS)
def test_a_file_where_a_folder_must_be(refused, tmp_path, inputs, words):
    said = refused(*inputs(words), "file")
    assert re.fullmatch(
        r"(Output|Folder) file(/\S+)? (cannot be written: file )?must be a folder, (not a file|and is none); "
        "choose another place",
        said,
    )
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize(
    ("words", "output", "option"),
    [
        ("quantize x.npy --format se8 --scale 1 -o x.npy", "x.npy", "array"),
        ("quantize x.npy --format se8 --scale 1 -o ./link.npy", "./link.npy", "array"),
        ("quantize x.npy --format own.json --scale 1 -o own.json", "own.json", "format"),
        ("dequantize codes.npy --format se8 --scale 1 -o codes.npy", "codes.npy", "codes"),
        ("capture --text text -o text", "text", "text"),
        ("calibrate --activations A.safetensors -o A.safetensors", "A.safetensors", "activations"),
        ("calibrate --activations A.safetensors -o c.json --json c.json", "c.json", "output"),
        ("replay --activations A.safetensors --calibration c.json --json c.json", "c.json", "calibration"),
        ("replay --activations A.safetensors --json wave.vcd --wave wave.vcd", "wave.vcd", "json"),
        ("compare --activations A.safetensors --json A.safetensors", "A.safetensors", "activations"),
        ("eval --calibration-text text --json text", "text", "calibration text"),
        ("eval --recipe quamba --scales s.json --json s.json", "s.json", "json"),
        ("synth decoder --format se8 own.json --on cells --json own.json", "own.json", "format"),
        ("synth decoder --format se8 --on cells --liberty text --png text", "text", "liberty"),
        ("synth decoder --format se8 --on cells --markdown a --png a", "a", "markdown"),
    ],
)
def test_a_file_that_would_be_both_read_and_written_or_written_twice(refused, tmp_path, inputs, words, output, option):
    for name in ("A.safetensors", "c.json", "own.json", "text"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link.npy").symlink_to("x.npy")
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    said = refused(*words.split())
    assert re.fullmatch(
        rf"Output \S+ must be another file than \S+, given as {option}, which it would replace; choose another place",
        said,
    )
    assert said.startswith(f"Output {output} ")
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
