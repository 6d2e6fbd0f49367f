"""What shared arguments stand for."""

import argparse
import os

import pytest

from qse_hw.cli.arguments import (
    add_format_arguments,
    add_lanes_argument,
    check_output,
    command_without,
    format_and_scale,
    step,
)
from qse_hw.golden.calibration.calibration import read_calibration
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import int8, se8
from qse_hw.golden.formats.scale import Scale
from qse_hw.study.sources import integer


def found(*words):
    parser = argparse.ArgumentParser()
    add_format_arguments(parser)
    add_lanes_argument(parser)
    args = parser.parse_args([str(word) for word in words])
    return (*format_and_scale(args), args.lanes)


def test_defaults():
    assert found() == (se8(), None, 1)


def test_given():
    assert found("--format", "int8", "--lanes", 5) == (int8(), None, 5)


@pytest.mark.parametrize("format", [(), ("--format", "se8"), ("--format", "se8:L=12")])
def test_a_calibration(calibration, format):
    layers = [read_calibration(calibration).layer(number) for number in range(2)]
    format, scale, _ = found("--calibration", calibration, "--layer", "1", *format)
    assert (format, scale) == (layers[1].format, layers[1].scale)
    assert format == se8(12)
    assert scale != layers[0].scale


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--layer", 0), "Layer 0 needs a calibration: give --calibration FILE"),
        (("--calibration", "c"), "Layer must be given with a calibration, e.g. --layer 0"),
        (("--calibration", "nowhere", "--layer", 0), "Calibration nowhere cannot be read"),
        (("--format", "int9"), "Format must be one of "),
    ],
)
def test_what_does_not_fit(words, sentence):
    with pytest.raises(InputError, match=f"^{sentence}"):
        found(*words)


def test_step():
    assert step("0.25", 8) == Scale(M=128, k=5, bits=8)
    assert step("1e-3").bits == 16
    with pytest.raises(InputError, match=r"^Scale must be a number, not 'a'$"):
        step("a")


def test_integer():
    assert integer("-12") == -12
    with pytest.raises(argparse.ArgumentTypeError, match=r"^must be an integer, not '1\.0'$"):
        integer("1.0")


@pytest.mark.parametrize("name", ["f", "new/f", "new/newer/f", "old/f", "old/new/f", "taken"])
def test_an_output_that_can_be_written_is_not_touched(tmp_path, name):
    (tmp_path / "old").mkdir()
    (tmp_path / "taken").write_text("content")
    check_output(str(tmp_path / name))
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["old", "taken"]
    assert (tmp_path / "taken").read_text() == "content"


def test_a_relative_output(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("f", "new/f", "./f", "../f"):
        check_output(name)
    assert os.listdir(tmp_path) == []


def test_an_output_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    for name in ("file/f", "file/new/f", ".", "new/" + "x" * 300):
        with pytest.raises(InputError, match=r"^Output .*; choose another place$"):
            check_output(str(tmp_path / name))
    assert os.listdir(tmp_path) == ["file"]


def test_a_command_without_what_does_not_make_its_figures():
    command = "python -m qse_hw x 'a b' --json r.json --seeds 3 --png=p.png --fast"
    assert command_without(command, "json", "png", flags=("fast",)) == "python -m qse_hw x 'a b' --seeds 3"
    assert command_without(command) == command
