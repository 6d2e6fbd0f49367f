"""Tutorials and how-tos run as they are written; explanations, too."""

import re
import shutil
from pathlib import Path

import pytest

from tests.docs.pages import DOCS
from tests.docs.walkthrough import KINDS, blocks, commands, walk

torch = pytest.importorskip("torch")

FOLDERS = ("tutorial", "how-to", "explanation")
PAGES = {f"{folder}/{path.stem}": path for folder in FOLDERS for path in sorted((DOCS / folder).glob("*.md"))}
LIBERTY = DOCS.parent / "tests" / "synth" / "assets" / "small.lib"
INSTALLING = frozenset(f'pip install ".[{extras}]"' for extras in ("sim", "model", "synth", "synth,cluster"))
"""Commands that are not run: tests/package installs the package, and the tests' environment has the extras."""


def text(name):
    return PAGES[name].read_text(encoding="utf-8")


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """A reader's folder, with what some pages suppose: a Liberty file, a checkpoint, a text."""
    from qse_hw.golden.models.mamba.checkpoint import save_model
    from qse_hw.golden.models.mamba.model import MambaConfig
    from tests.golden.models.quamba.conftest import random_model

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("qse_hw.synth.cache.default_folder", lambda: tmp_path / "cache")  # of results, not of tools
    shutil.copy(LIBERTY, "cells.lib")
    model = random_model(MambaConfig(d_model=16, n_layer=2, vocab_size=256, d_state=8))
    save_model(model, Path("checkpoint"), torch.float32)
    Path("book.txt").write_text("Call me Ishmael. Some years ago, never mind how long precisely.\n" * 40)
    return tmp_path


@pytest.mark.every(4)
@pytest.mark.parametrize("name", PAGES)
def test_the_page_runs(name, reader, request):
    walk(text(name), long=request.config.getoption("full"), elsewhere=INSTALLING)


@pytest.mark.parametrize("name", PAGES)
def test_every_block_is_run(name):
    page = text(name)
    assert len(blocks(page)) == len(re.findall(r"^ *```\w", page, re.MULTILINE)), "a block must be one that is read"
    assert all(block.file or block.kind in KINDS for block in blocks(page))
    assert not re.search(r"^(?: {4}|\t)", re.sub(r"(?s)^```.*?^```$", "", page, flags=re.MULTILINE), re.MULTILINE)
    assert all([*commands(block.text)] for block in blocks(page) if block.kind == "console" and not block.file)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("```console\n$ echo one\ntwo\n```", "must print 'two'"),
        ("```console\n$ echo 1.00 dB\n1.02 dB\n```", "must print '1.02 dB'"),
        ("```console\n$ echo 12 dB\n13 dB\n```", "must print '13 dB'"),
        ("```console\n$ false\n```", "false: status 1"),
        ("```console\n$ python -m qse_hw quantize\n```", "status 2"),
        ("```pycon\n>>> 1 + 1\n3\n```", "Expected:"),
        ("```python\nassert False, 'here'\n```", "here"),
        ("```text\nwords\n```", "must be one of"),
    ],
)
def test_what_is_wrong_is_noticed(page, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match=said):
        walk(page, long=False)


def test_what_is_right(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (
        '```python title="one.py"\nprint("first")\nprint("second")\nprint("third")\n```\n'
        "```console\n$ python \\\n    one.py\nfirst\nthird\n$ echo s = 1.00\ns =   1.001\n$ echo not run here\n```\n"
        "```pycon\n>>> a = 1\n```\n```python\nassert a == 1\n```\n<!-- long -->\n```console\n$ false\n```\n"
    )
    walk(page, long=False, elsewhere=frozenset({"echo not run here"}))
    with pytest.raises(AssertionError, match="status 1"):
        walk(page, long=True)
