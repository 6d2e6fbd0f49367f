"""What is installed: one package with every file of its folders, and nothing else."""

import tomllib
import zipfile
from pathlib import Path

import pytest

from qse_hw.golden.io.sources import FLOORS, source_files
from tests.package.conftest import ROOT

SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]


def installed(path):
    """Where a file or folder of the checkout lies once installed: ``qse_hw/golden/errors.py``."""
    name = path.relative_to(ROOT)
    return name if name.parts[0] == "qse_hw" else Path("qse_hw", name)


FILES = [path for floor in FLOORS for path in source_files(ROOT / floor)]
FOLDERS = {".".join(installed(path.parent).parts): path.parent for path in FILES if path.suffix == ".py"}
"""Folders with Python files by the names of their packages."""


def test_every_folder_with_python_is_a_package():
    assert [name for name, folder in FOLDERS.items() if not (folder / "__init__.py").exists()] == []
    assert sorted(SETUPTOOLS["packages"]) == sorted(FOLDERS)
    assert SETUPTOOLS["package-dir"] == {f"qse_hw.{floor}": floor for floor in FLOORS if floor != "qse_hw"}


def test_every_other_file_is_package_data():
    named = {
        path
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for path in FOLDERS[package].glob(pattern)
        if path.is_file()
    }
    assert named == {path for path in FILES if path.suffix != ".py"}


@pytest.mark.parametrize(
    ("package", "pattern"),
    [(package, pattern) for package, patterns in SETUPTOOLS["package-data"].items() for pattern in patterns],
)
def test_every_pattern_names_a_file(package, pattern):
    assert any(path.is_file() for path in FOLDERS[package].glob(pattern))


def test_the_wheel_has_these_files_and_its_metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    metadata = "-".join(wheel.name.split("-")[:2]) + ".dist-info/"
    assert sorted(name for name in names if not name.startswith(metadata)) == sorted(
        installed(path).as_posix() for path in FILES
    )
