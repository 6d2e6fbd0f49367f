"""Digests of the package's own sources: what changes them, what does not, and that they are of all that can run."""

import ast
import shutil
import time
from pathlib import Path

import pytest

from qse_hw.golden.io import sources

ROOT = Path(__file__).parents[3]


@pytest.fixture
def tree(tmp_path):
    """A copy of the package and of its tests' beginnings."""
    for floor in sources.FLOORS:
        shutil.copytree(ROOT / floor, tmp_path / floor, ignore=shutil.ignore_patterns("__pycache__", "assets"))
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").touch()
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


EDITED = [
    ("golden", "golden/quantize/cpu_kernels.cpp"),
    ("golden", "golden/models/mamba/scan.cpp"),
    ("golden", "golden/formats/scale.py"),
    ("rtl_gen", "rtl_gen/encoder.py"),
    ("sim", "sim/exhaust/bulk.cpp"),
    ("sim", "sim/replay/whole_model.sv"),
    ("synth", "synth/cells/sta.py"),
    ("synth", "synth/activity.cpp"),
    ("synth", "synth/targets/cells.py"),
    ("qse_hw", "qse_hw/study/sweep/accuracy.py"),
    ("tests", "tests/test_a.py"),
]


@pytest.mark.every(3)
@pytest.mark.parametrize(("room", "file"), EDITED)
def test_an_edit_changes_the_digest_of_its_room_alone(tree, room, file):
    before = sources.read(tree)
    with (tree / file).open("ab") as edited:
        edited.write(b" ")
    after = sources.read(tree)
    assert [name for name in before if before[name] != after[name]] == [room]


def test_files_that_come_go_or_swap_names_change_it(tree):
    seen = {sources.read(tree)["synth"]}
    new = tree / "synth" / "targets" / "new.py"
    new.write_text("")
    seen.add(sources.read(tree)["synth"])
    new.rename(tree / "synth" / "targets" / "other.py")
    seen.add(sources.read(tree)["synth"])
    a, b = tree / "synth" / "cells" / "sta.py", tree / "synth" / "path.py"
    texts = a.read_bytes(), b.read_bytes()
    b.write_bytes(texts[0])
    a.write_bytes(texts[1])
    seen.add(sources.read(tree)["synth"])
    assert len(seen) == 4


def test_what_is_no_source_does_not(tree):
    before = sources.read(tree)
    (tree / "synth" / "__pycache__").mkdir()
    (tree / "synth" / "__pycache__" / "sta.pyc").write_bytes(b"1")
    (tree / "synth" / ".sta.py.swp").write_bytes(b"1")
    assert sources.read(tree) == before


def test_a_file_s_end_is_not_the_next_one_s_beginning(tmp_path):
    for name, text in (("a", "1"), ("b", "23")):
        (tmp_path / name).write_text(text)
    first = sources.files_digest([tmp_path / "a", tmp_path / "b"], tmp_path)
    (tmp_path / "a").write_text("12")
    (tmp_path / "b").write_text("3")
    assert sources.files_digest([tmp_path / "b", tmp_path / "a"], tmp_path) != first


def test_a_floor_stands_on_those_before_it(monkeypatch):
    def changed(room):
        monkeypatch.setattr(sources, "digests", lambda: before | {room: "other"})
        return [floor for floor in sources.FLOORS if sources.digest(floor) != digests[floor]]

    before, digests = sources.digests(), {floor: sources.digest(floor) for floor in sources.FLOORS}
    assert len(set(digests.values())) == len(sources.FLOORS)
    assert changed("golden") == list(sources.FLOORS)
    assert changed("synth") == ["synth", "qse_hw"]
    assert changed("tests") == []


def imported(path):
    """Everything that a module imports, by full names: ``qse_hw.golden.errors.InputError``."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names += [f"{'.' * node.level}{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return names


def test_an_installed_package_has_the_same_digests_and_no_tests(tree, tmp_path_factory):
    package = tmp_path_factory.mktemp("site-packages") / "qse_hw"
    shutil.copytree(tree / "qse_hw", package)
    for floor in sources.FLOORS[:-1]:
        shutil.copytree(tree / floor, package / floor)
    before = sources.read(tree)
    assert before.pop("tests")
    assert sources.read(package) == before
    (package / "golden" / "formats" / "scale.py").write_text("")
    assert [name for name, digest in sources.read(package).items() if digest != before[name]] == ["golden"]
    (package / "study" / "new.py").write_text("")
    assert [name for name, digest in sources.read(package).items() if digest != before[name]] == ["golden", "qse_hw"]


def test_unchanged(tree, monkeypatch):
    monkeypatch.setattr(sources, "ROOT", tree)
    monkeypatch.setattr(sources, "digests", lambda: before)
    before = sources.read(tree)
    assert sources.unchanged()
    (tree / "sim" / "new.py").touch()
    assert not sources.unchanged()
    (tree / "sim" / "new.py").unlink()
    assert sources.unchanged()
    shutil.rmtree(tree / "sim")
    assert not sources.unchanged()


def test_it_takes_little_time():
    """Each process reads the sources once: tens of milliseconds."""
    begun = time.process_time()
    sources.read(ROOT)
    assert time.process_time() - begun < 1


def test_what_cannot_be_read_is_not_taken_for_nothing(tree):
    shutil.rmtree(tree / "sim")
    with pytest.raises(RuntimeError, match=r"^Sources of sim must lie in .*, but there are none$"):
        sources.read(tree)
