"""With what, on what and from which sources a figure was made."""

import json
import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from qse_hw.golden.io import environment as module
from qse_hw.golden.io import sources
from qse_hw.golden.io.environment import commit, environment, package_version

ROOT = Path(__file__).parents[3]


def test_it_is_true_and_json():
    result = environment()
    assert json.loads(json.dumps(result)) == result
    for name in ("amaranth", "numpy", "torch", "transformers", "safetensors", "ml-dtypes", "jsonschema", "qse-hw"):
        assert result["versions"][name] == version(name)
    assert result["python"] == platform.python_version()
    assert result["machine"]["cores"] == os.cpu_count()
    assert result["sources"] == sources.read(ROOT)
    assert list(result["sources"]) == [*sources.FLOORS, "tests"]
    assert result["machine"]["processor"].startswith(platform.machine())


def test_packages_have_the_names_that_registries_know():
    """Metadata is found by any spelling; figures of different machines compare by one."""
    assert [re.sub(r"[-_.]+", "-", name).lower() for name in module.PACKAGES] == list(module.PACKAGES)


def test_packages_that_are_not_installed(monkeypatch):
    assert package_version("no-such-package") is None
    monkeypatch.setattr(module, "PACKAGES", ("numpy", "no-such-package"))
    assert list(environment()["versions"]) == ["numpy"]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder that the package takes for its own, with the sources that it has."""
    before = sources.digests()
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    monkeypatch.setattr(sources, "read", lambda root: before)
    return tmp_path


def test_an_installed_package_has_no_commit(checkout):
    assert commit() is None


def test_the_commit_is_that_of_the_checkout():
    assert sources.ROOT == ROOT
    assert (commit() is not None) == (ROOT / ".git").exists()


def test_without_git(checkout, monkeypatch):
    (checkout / ".git").mkdir()
    monkeypatch.setenv("PATH", str(checkout))
    assert commit() is None


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_commit(checkout, monkeypatch):
    (checkout / ".git").mkdir()
    assert commit() is None  # not a repository
    (checkout / ".git").rmdir()
    git = ["git", "-C", str(checkout), "-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    (checkout / "file").write_text("1")
    for words in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "m"], ["tag", "v1"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, encoding="utf-8").stdout.strip()
    assert commit() == head
    with monkeypatch.context() as patched:
        patched.setattr(sources, "read", lambda root: {})
        assert commit() == f"{head}-dirty", "another checkout while this process runs"
    (checkout / "file").write_text("2")
    assert commit() == f"{head}-dirty"


@pytest.mark.parametrize("content", [None, "flags: none\n"])
def test_a_processor_without_a_name(monkeypatch, content):
    def read_text(path):
        if content is None:
            raise FileNotFoundError(path)
        return content

    monkeypatch.setattr(module.Path, "read_text", read_text)
    assert module._processor() == platform.machine()
