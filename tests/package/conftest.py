"""The package as a user has it: installed from a wheel, without the checkout, called in the user's folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qse_hw.golden.io.sources import FLOORS
from tests.fuzz.sound import files

ROOT = Path(__file__).parents[2]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")
SPEC = """
unit = "decoder"
targets = ["cells"]
liberty = "cells.lib"
[options]
format = "int8"
[objectives]
minimise = ["comb"]
"""
OWN = "this package is the user's own"

# Without it, what the wheel lacks would be found in the checkout.
NO_CHECKOUT = """
import sys

sys.meta_path[:] = [finder for finder in sys.meta_path if not finder.__module__.startswith("__editable__")]
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """Built from a copy of the checkout, as setuptools would include leftovers of an earlier build."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in FLOORS:
        shutil.copytree(ROOT / name, folder / "sources" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "sources")
    build = [*PIP, "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    subprocess.run([*build, folder / "sources"], check=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def site(wheel, tmp_path_factory):
    """The folder that the wheel is installed in."""
    folder = tmp_path_factory.mktemp("site-packages")
    subprocess.run([*PIP, "install", "--no-index", "--no-deps", "--target", folder, wheel], check=True)
    return folder


@pytest.fixture(scope="session")
def environment(site, tmp_path_factory):
    """Variables with which Python finds the installed package, and only that."""
    folder = tmp_path_factory.mktemp("startup")
    (folder / "sitecustomize.py").write_text(NO_CHECKOUT)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return kept | {"PYTHONPATH": os.pathsep.join(map(str, [site, folder]))}


@pytest.fixture(scope="session")
def mine(tmp_path_factory):
    """The user's working folder: packages called like the checkout's folders, none of which may be imported."""
    folder = tmp_path_factory.mktemp("mine")
    for name in ("golden", "rtl_gen", "sim", "synth", "tests"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"raise RuntimeError({OWN!r})\n")
    return folder


@pytest.fixture
def run(mine, environment):
    """Runs a command in the user's folder; returns what it printed."""

    def run(*command, timeout=600):
        done = subprocess.run(
            [str(word) for word in command], cwd=mine, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=timeout,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert OWN not in done.stdout
        return done.stdout

    return run


@pytest.fixture
def command(run, mine, tmp_path):
    """Run a command line; its outputs go to a folder of its own."""
    for name, content in {**files(), "own.toml": SPEC.encode()}.items():
        path = mine / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def command(line):
        words = [str(tmp_path / word) if word.startswith(("made", "kept")) else word for word in line.split()]
        return run(sys.executable, "-m", "qse_hw", *words, timeout=3600)

    return command
