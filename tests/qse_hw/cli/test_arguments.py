"""What several commands share."""

import argparse
import os
import re
from importlib import import_module

import pytest

from qse_hw.cli import COMMANDS
from qse_hw.cli.arguments import INPUTS, OR_NAMES, OUTPUTS, check_output, check_outputs_differ, command_without
from qse_hw.golden.errors import InputError
from qse_hw.study.sources import integer


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
    for name in ("file/f", "file/new/f", ".", "new/" + "x" * 300, "a\0b/f", "\ud800/f"):
        with pytest.raises(InputError, match=r"^Output .*; choose another place$"):
            check_output(str(tmp_path / name))
    assert os.listdir(tmp_path) == ["file"]


def test_what_is_no_file_does_not_collide_with_an_output(tmp_path, monkeypatch):
    """A preset and an output of the same name, and options without a value."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "se8").touch()
    others = {"json": None, "png": "\ud800", "energy": "", "text": "a\0", "calibration": []}
    check_outputs_differ(argparse.Namespace(format="se8", output="se8", **others))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "pytorch_model-00001-of-00002.bin"])
def test_a_checkpoint_is_not_replaced(tmp_path, name):
    """Its files; what else is in its folder may be written again."""
    for one in (name, "mine.json"):
        (tmp_path / one).touch()
    check_outputs_differ(argparse.Namespace(model=str(tmp_path), json=str(tmp_path / "mine.json")))
    check_outputs_differ(argparse.Namespace(model="mamba-130m", json=str(tmp_path / name)))
    with pytest.raises(InputError, match=f"^Output .* must be another file than {name} of the model, which it would"):
        check_outputs_differ(argparse.Namespace(model=[str(tmp_path)], output=f"{tmp_path}/x/../{name}"))


def test_a_baseline_is_not_replaced():
    with pytest.raises(InputError, match=r"^Output ./b\.json must be another file than b\.json, given as baseline"):
        check_outputs_differ(argparse.Namespace(baseline="b.json", json="./b.json"))


def test_every_option_that_names_a_file_to_read_or_write_is_known():
    """By the metavar, on the command line of every command."""
    names = {}
    for command in COMMANDS:
        parser = argparse.ArgumentParser()
        import_module(f"qse_hw.cli.{command}").add_arguments(parser)
        names |= {action.dest: action.metavar for action in _actions(parser)}
    file = re.compile(r"FILE(\.\w+)?|\S+\.\w+|ACTIVATIONS")
    files = {name for name, metavar in names.items() if file.fullmatch(str(metavar))}
    others = {"output", *OR_NAMES}
    assert files - others == {*INPUTS, *OUTPUTS} - others


def _actions(parser):
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for name in action.choices:
                yield from _actions(action.choices[name])


def test_a_command_without_what_does_not_make_its_figures():
    command = "python -m qse_hw x 'a b' --json r.json --seeds 3 --png=p.png --fast"
    assert command_without(command, "json", "png", flags=("fast",)) == "python -m qse_hw x 'a b' --seeds 3"
    assert command_without(command) == command
