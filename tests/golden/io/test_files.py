"""Result files appear whole or not at all."""

import contextlib
import os
import stat
from pathlib import Path

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.files import cache_folder, read_json, replacing, write_json


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "new" / "folder" / "out.bin"
    for content in (b"first", b"second"):
        with replacing(path) as part:
            assert part.parent == path.parent
            part.write_bytes(content)
            assert not path.exists() or path.read_bytes() == b"first"
        assert path.read_bytes() == content
        assert os.listdir(path.parent) == ["out.bin"]


def test_folders_that_stay_empty_go(tmp_path):
    (tmp_path / "old").mkdir()
    for name in ("new/folder/out", "old/new/out", "old/out"):
        with pytest.raises(RuntimeError), replacing(tmp_path / name), replacing(tmp_path / f"{name}.more"):
            raise RuntimeError
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["old"]


def test_a_folder_that_somebody_else_uses_stays(tmp_path):
    another = tmp_path / "new" / "another"
    with contextlib.suppress(RuntimeError), replacing(tmp_path / "new" / "folder" / "out"):
        another.touch()
        raise RuntimeError
    assert list(tmp_path.rglob("*")) == [tmp_path / "new", another]


def test_takes_text(tmp_path):
    with replacing(str(tmp_path / "out")) as part:
        part.write_text("x")
    assert (tmp_path / "out").read_text() == "x"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "out"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as part:  # noqa: PT012
        part.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_a_failure_makes_no_file(tmp_path):
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "out"):
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_permissions_follow_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        with replacing(tmp_path / "out") as part:
            part.write_text("x")
        assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o666 & ~mask
        assert os.umask(mask) == mask
    finally:
        os.umask(before)


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(InputError, match=r"^Output .*file/out cannot be written: .*; choose another place$"),
        replacing(tmp_path / "file" / "out"),
    ):
        pytest.fail("not reached")


def test_a_name_that_is_too_long(tmp_path):
    with (
        pytest.raises(InputError, match=r"^Output .* cannot be written: File name too long; choose"),
        replacing(tmp_path / ("x" * 300)),
    ):
        pytest.fail("not reached")
    assert os.listdir(tmp_path) == []


def test_a_folder_in_its_place(tmp_path):
    (tmp_path / "out").mkdir()
    text = r"^Output .*out must be a file, not a folder; choose another place$"
    with pytest.raises(InputError, match=text), replacing(tmp_path / "out"):
        pytest.fail("not reached")
    assert os.listdir(tmp_path) == ["out"]


def test_a_folder_that_appears_meanwhile(tmp_path):
    with (
        pytest.raises(InputError, match=r"^Output .*out cannot be written: Is a directory"),
        replacing(tmp_path / "out"),
    ):
        (tmp_path / "out").mkdir()
    assert os.listdir(tmp_path) == ["out"]


def test_a_device_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"^Output .*pipe must be a file"), replacing(tmp_path / "pipe"):
        pytest.fail("not reached")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_json_is_ascii_and_a_line_per_item(tmp_path):
    write_json(tmp_path / "new" / "out.json", {"a": [1, "\u00e9"]})
    assert (tmp_path / "new" / "out.json").read_bytes() == b'{\n "a": [\n  1,\n  "\\u00e9"\n ]\n}\n'
    assert os.listdir(tmp_path / "new") == ["out.json"]


def test_a_part_is_hidden_and_says_whose_it_is(tmp_path):
    with replacing(tmp_path / "out.bin") as part:
        assert part.name.startswith(".out.bin.")
        assert part.name.endswith(".part")


def test_a_name_that_no_file_can_have(tmp_path):
    with pytest.raises(InputError, match=r"cannot be written: embedded null byte; choose another place$"):
        replacing(f"{tmp_path}/a\0b").__enter__()


def test_constants_that_json_does_not_have_are_asked_about(tmp_path):
    path = tmp_path / "in.json"
    path.write_text("[NaN, 1]")
    assert read_json(path, "It", parse_constant=lambda name: name) == ["NaN", 1]


@pytest.mark.parametrize("given", ["elsewhere", "", None])
def test_what_is_kept_between_runs_is_where_the_user_keeps_such(tmp_path, monkeypatch, given):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if given is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", given and str(tmp_path / given))
    assert cache_folder("tools") == tmp_path / (given or ".cache") / "qse-hw" / "tools"
