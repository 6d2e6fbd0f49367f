"""SPEC files: what they say, and how wrong ones are refused."""

from pathlib import Path

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.study.sweep.spec import read_spec

GOOD = """
unit = "encoder"
targets = ["ecp5"]
[options]
format = ["se8", "int8"]
scale = [0.02, "runtime"]
scale-bits = [4, 8]
[objectives]
minimise = ["comb"]
maximise = ["sqnr_db"]
"""


def read(folder, text):
    file = folder / "s.toml"
    file.write_text(text)
    return read_spec(file)


def test_a_good_one(tmp_path):
    spec = read(tmp_path, GOOD.replace("[options]", 'liberty = "a.lib"\n[options]'))
    assert spec.options == {"format": ["se8", "int8"], "scale": ["0.02", "runtime"], "scale-bits": [4, 8]}
    assert spec.objectives == ("comb", "sqnr_db")  # in the file's order
    assert (spec.seeds, spec.freq, spec.liberty) == (3, 400.0, tmp_path / "a.lib")
    assert [spec.place(one) for one in ("se8:L=8", "a.json")] == ["se8:L=8", str(tmp_path / "a.json")]
    assert read(tmp_path, GOOD.replace("[4, 8]", "4")).options["scale-bits"] == [4]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('unit = "encoder"', 'unit = "encoder', "must be TOML: .*line 2"),
        ('unit = "encoder"', "", "document: 'unit' is a required property"),
        ('targets = ["ecp5"]', "targets = []", "targets: .*non-empty"),
        ('unit = "encoder"', 'unit = "coder"', "unit: 'coder' is not one of .*'encoder'"),
        ('["ecp5"]', '["ecp5", "ecp5"]', "targets: .*non-unique"),
        ("[options]", "seed = 3\n[options]", "document: Additional properties .*'seed' was unexpected"),
        ("[options]", "seeds = 0\n[options]", "seeds: 0 is less than the minimum of 1"),
        ("[4, 8]", "[]", "options/scale-bits: "),
        ("[4, 8]", '["many"]', "Option scale-bits must be an integer, not 'many'"),
        ("[4, 8]", "[4.5]", "Option scale-bits must be an integer, not '4.5'"),
        ("[4, 8]", "true", "Option scale-bits must be a value, not True"),
        ("scale-bits", "scale_bits", "Option must be one of encoder's: arch, .*; not 'scale_bits'"),
        ("scale-bits", "calibration", "Option must be one of encoder's: .*; not 'calibration'"),
        ('"se8", ', '"se7", ', "Format must be one of .*'se7'"),
        ('format = ["se8", "int8"]', "", "Option format must be given for unit encoder"),
        ("0.02", '"fast"', "Option scale must be a number, runtime or fitted, not 'fast'"),
        ("scale = ", 'input = "s99"\nscale = ', "Input type sW must have a width"),
        ('"comb"', '"fmax"', "objectives/minimise/0: 'fmax' is not one of"),
    ],
)
def test_refused(tmp_path, old, new, sentence):
    assert old in GOOD
    with pytest.raises(InputError, match=rf"^Sweep .*s\.toml:? {sentence}"):
        read(tmp_path, GOOD.replace(old, new))


def test_a_unit_without_a_format(tmp_path):
    text = (
        GOOD[: GOOD.index("[options]")].replace("encoder", "hadamard")
        + "[options]\nsize = 64\ntranspose = [true, false]\n"
    )
    spec = read(tmp_path, text + '[objectives]\nminimise = ["comb"]')
    assert spec.options == {"size": [64], "transpose": [True, False]}
    with pytest.raises(InputError, match=r"Objectives must not include sqnr_db for unit hadamard, which has no format"):
        read(tmp_path, text + '[objectives]\nmaximise = ["sqnr_db"]')


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml cannot be read: No such file"):
        read_spec(tmp_path / "none.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"b\.toml must be TOML"):
        read_spec(tmp_path / "b.toml")


@pytest.mark.parametrize(
    "file", sorted((Path(__file__).parents[4] / "docs" / "sweeps").glob("*.toml")), ids=lambda f: f.stem
)
def test_those_that_ship(file):
    assert len(read_spec(file).objectives) > 1
