"""docs/age.py: figures older than the code are marked, by digests that the page names itself."""

import re
import runpy
import shutil
import subprocess
import sys

import pytest

from qse_hw.golden.io.sources import FLOORS, read
from tests.docs import pages
from tests.docs.pages import DOCS, blocks, rows


@pytest.fixture(scope="module")
def age():
    sys.path.insert(0, str(DOCS))
    try:
        return runpy.run_path(str(DOCS / "age.py"))
    finally:
        sys.path.remove(str(DOCS))


NOW = {name: f"{number}" * 12 for number, name in enumerate((*FLOORS, "tests"))}


def made(**changed):
    return {"commit": "0123456789", "sources": {name: digest * 5 for name, digest in (NOW | changed).items()}}


@pytest.mark.parametrize(
    ("report", "floors", "words"),
    [
        (made(), FLOORS, ""),
        (made(synth="f" * 12), FLOORS, "synth"),
        (made(synth="f" * 12), ("golden", "rtl_gen"), ""),
        (made(golden="f" * 12, tests="e" * 12), (*FLOORS, "tests"), "golden, tests"),
        ({"commit": "0"}, FLOORS, "sources not recorded"),
        ({"sources": {name: NOW[name] for name in FLOORS}}, ("golden", "tests"), "tests"),  # installed: no tests
    ],
)
def test_what_has_changed(age, report, floors, words):
    assert age["changed"](report, floors, NOW) == words


def test_a_block_names_what_is_old_and_what_it_was_compared_with(age):
    text = age["block"]({"a": (made(), ("golden",)), "b": (made(sim="f" * 12), ("golden", "sim"))}, NOW)
    assert rows(text) == [{"older than the code": "`b`", "commit": "0123456", "changed since": "sim"}]
    assert text.endswith("Compared with the sources `golden 000000000000`, `sim 222222222222`.")
    assert age["digests"](text, check=True) == {"golden": NOW["golden"], "sim": NOW["sim"]}
    text = age["block"]({"a": (made(), ("golden",))}, NOW)
    assert text.startswith("No figure is older than the code that it measures.\n")


def test_the_check_of_the_pages_notices_what_is_not_marked(age, monkeypatch):
    """:func:`tests.docs.pages.ages`, which shares no code with docs/age.py, accepts its block, and no damaged one."""
    reports = {"a": made(), "b": made(golden="f" * 12)}
    monkeypatch.setattr(pages, "report", reports.get)
    block = age["block"]({name: (one, ("golden", "sim")) for name, one in reports.items()}, NOW)
    assert pages.wrong(pages.ages(block, reports)) == []
    assert "| `b` | 0123456 | golden |" in block
    for old, new in (
        ("| `b` | 0123456 | golden |", ""),
        ("`b`", "`a`"),
        ("`b`", "`a`, `b`"),
        ("`b`", "`b`, `c`"),
        ("0123456", "0123457"),
        ("| golden |", "| sim |"),
        ("| golden |", "| sources not recorded |"),
        ("`golden 000000000000`", "`golden ffffffffffff`"),
    ):
        assert pages.wrong(pages.ages(block.replace(old, new), reports)), (old, new)


def test_a_page_that_names_nothing_is_no_page(age):
    with pytest.raises(SystemExit, match="names no sources"):
        age["digests"]("words", check=True)


def test_a_page_that_is_made_is_compared_with_the_checkout(age):
    now = age["digests"]("", check=False)
    assert now == {name: digest[:12] for name, digest in read(DOCS.parent).items()}


def test_checking_a_page_does_not_depend_on_later_edits(tmp_path):
    """A page that was right when it was made passes the check; made anew after an edit, it marks the report."""
    for name in ("docs", *FLOORS):
        shutil.copytree(DOCS.parent / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.png"))
    page = tmp_path / "docs" / "pytorch.md"

    def run(*words):
        command = [sys.executable, "docs/pytorch.py", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert run().returncode == 0
    before = page.read_text()
    with (tmp_path / "golden" / "tensor.py").open("a") as file:
        file.write("# edited\n")
    assert run("--check").returncode == 0
    assert run().returncode == 0
    after = page.read_text()
    line = r"Compared with the sources `golden [0-9a-f]{12}`"
    assert re.search(line, before)[0] != re.search(line, after)[0]
    page.write_text(after.replace("Compared with the sources", "As of"))
    done = run("--check")
    assert (done.returncode, "names no sources" in done.stderr) == (1, True)


def test_each_page_names_its_sources():
    for name in ("accuracy", "hardware", "pytorch", "units", "verification"):
        parts = blocks((DOCS / f"{name}.md").read_text(encoding="utf-8"))
        assert any("\nCompared with the sources `golden " in text for text in parts.values()), name
