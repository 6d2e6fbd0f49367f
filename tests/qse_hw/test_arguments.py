"""What shared arguments stand for."""

import argparse
import os

import pytest

from golden.errors import InputError
from golden.inputs import input_type
from golden.presets import int8, se8
from golden.scale import Scale
from qse_hw.arguments import add_unit_arguments, check_output, integer, step, unit_config
from rtl_gen.units.decoder import DecoderConfig
from rtl_gen.units.encoder import EncoderConfig


def config(*words):
    parser = argparse.ArgumentParser()
    add_unit_arguments(parser)
    return unit_config(parser.parse_args([str(word) for word in words]))


def test_defaults():
    want = EncoderConfig(format=se8(), input=input_type("fp32"), scale=Scale.from_step(0.5))
    assert config("encoder", "--scale", "0.5") == want
    assert config("decoder") == DecoderConfig(format=se8())


def test_everything_is_passed_on():
    words = ("--format", "int8", "--input", "s12e-4", "--lanes", 5, "--scale", 0.3, "--scale-bits", 9)
    want = EncoderConfig(
        format=int8(), input=input_type("s12e-4"), lanes=5, scale=Scale.from_step(0.3, 9), scale_bits=9,
        counter_width=7,
    )  # fmt: skip
    assert config("encoder", *words, "--counter-width", 7) == want


def test_a_scale_at_run_time():
    got = config("encoder", "--scale", "runtime", "--scale-bits", "7")
    assert (got.scale, got.scale_bits, got.runtime_scale) == (None, 7, True)


@pytest.mark.parametrize("unit", ["encoder", "decoder"])
@pytest.mark.parametrize("format", [(), ("--format", "se8"), ("--format", "se8:L=12")])
def test_a_calibration(calibration, unit, format):
    from golden.calibration import read_calibration

    choice = read_calibration(calibration).layer(1)
    got = config(unit, "--calibration", calibration, "--layer", "1", *format)
    assert (got.format, got.scale) == (choice.format, choice.scale)
    assert got.format == se8(12)
    assert got.scale != read_calibration(calibration).layer(0).scale


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
