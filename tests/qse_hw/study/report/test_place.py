"""A report is written whole or not at all, and replaces nothing but an earlier report."""

import os

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.study.report.place import MARK, PAGE, replacing_folder


def written(place, files, names=None):
    """A report of ``files`` in its folder of Verilog, on whose page are ``names``."""
    with replacing_folder(place) as part:
        (part / "verilog").mkdir()
        links = "".join(f'<a href="verilog/{name}">' for name in (files if names is None else names))
        (part / PAGE).write_text(MARK + links)
        for name in files:
            (part / "verilog" / name).write_text(name)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_new(tmp_path):
    written(tmp_path / "a" / "b", ["u.v"])
    assert files(tmp_path) == ["a/b/index.html", "a/b/verilog/u.v"]
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o777 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_an_empty_folder_and_an_earlier_report(tmp_path):
    place = tmp_path / "r"
    place.mkdir()
    written(place, ["old.v"])
    written(place, ["new.v"])
    assert files(tmp_path) == ["r/index.html", "r/verilog/new.v"]


@pytest.mark.parametrize("name", ["notes.txt", "verilog/notes.txt", "verilog/deep/notes.txt", "other/notes.txt"])
@pytest.mark.parametrize("earlier", [True, False])
def test_other_files_stay(tmp_path, name, earlier):
    place = tmp_path / "r"
    if earlier:
        written(place, ["u.v"])
    file = place / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")
    before = files(tmp_path)
    with pytest.raises(
        InputError, match=r"^Output .* must be empty or an earlier report, but holds .*; choose another"
    ):
        written(place, ["u.v"])
    assert files(tmp_path) == before
    assert file.read_text() == "mine"


def test_a_page_of_someone_else(tmp_path):
    (tmp_path / PAGE).write_text("<title>mine</title>")
    with pytest.raises(InputError, match=r"but holds index\.html;"):
        written(tmp_path, [])
    assert files(tmp_path) == ["index.html"]


def test_a_file_that_came_meanwhile(tmp_path):
    place = tmp_path / "r"

    def come():
        with replacing_folder(place) as part:
            (part / PAGE).write_text(MARK)
            place.mkdir()
            (place / "notes").write_text("mine")

    with pytest.raises(InputError, match="but holds notes"):
        come()
    assert files(tmp_path) == ["r/notes"]


def test_failure_leaves_all_as_it_was(tmp_path):
    written(tmp_path / "r", ["u.v"])

    def fail(place):
        with replacing_folder(place) as part:
            (part / PAGE).write_text("half")
            raise KeyError

    for place in (tmp_path / "r", tmp_path / "new" / "r"):
        with pytest.raises(KeyError):
            fail(place)
    assert files(tmp_path) == ["r/index.html", "r/verilog/u.v"]
    assert os.listdir(tmp_path) == ["r"]


def test_no_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "to").mkdir()
    (tmp_path / "link").symlink_to("to")
    for place in ("file", "file/r", "file/a/r", "link", ".", "../" + tmp_path.name, "a\0b", "x" * 300, "/proc/r"):
        with pytest.raises(InputError, match=r"^Output "), replacing_folder(place):
            pytest.fail("too late")
    assert sorted(os.listdir()) == ["file", "link", "to"]
