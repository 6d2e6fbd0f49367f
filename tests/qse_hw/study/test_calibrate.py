"""The warning where tuning will be slow."""

import pytest

from qse_hw.cli import main
from qse_hw.golden.calibration import pruned
from qse_hw.golden.calibration.spec import parse_candidates
from qse_hw.golden.errors import InputError
from qse_hw.study import calibrate

WARNING = (
    "warning: Tuning formats takes up to a hundred times as long without its compiled search: "
    "Program g++ was not found\n"
)


@pytest.fixture
def no_compiler(monkeypatch):
    def absent(*args):
        raise InputError("Program g++ was not found\nand more")

    def forget():
        pruned._library.cache_clear()
        calibrate._warn_once.cache_clear()

    monkeypatch.setattr(pruned, "load_library", absent)
    forget()
    yield
    forget()


def test_it_is_said_once_and_where_formats_are_tuned(no_compiler, capsys):
    calibrate.warn_of_slow_search(parse_candidates("int8,se8,lloyd-max"))
    assert capsys.readouterr().err == ""
    for _ in range(2):
        calibrate.warn_of_slow_search(parse_candidates("int8,tuned:segments=3"))
    assert capsys.readouterr().err == WARNING


@pytest.mark.parametrize("recipe", ["x-only", "integer"])
def test_it_is_said_by_calibrate(no_compiler, out, capsys, monkeypatch, recipe):
    class Enough(Exception):
        pass

    def stop(*args, **how):
        raise Enough

    monkeypatch.setattr("qse_hw.study.calibrate.calibrate", stop)
    monkeypatch.setattr("qse_hw.golden.models.integer.calibrate.calibrate_integer", stop)
    with pytest.raises(Enough):
        main(["calibrate", "--recipe", recipe, "--format", "tuned", "--tokens", "512", "-o", str(out / "c.json")])
    assert capsys.readouterr().err == WARNING


def test_nothing_is_said_with_a_compiler(capsys):
    if not pruned.available():
        pytest.skip("needs g++")
    calibrate.warn_of_slow_search(parse_candidates("tuned"))
    assert capsys.readouterr().err == ""
