"""Places where nothing can be written, said before the long part."""

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
