"""A toy package: mutants of tested code are killed, others survive."""

import importlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from qse_hw.golden.errors import InputError
from tests.mutation import fork
from tests.mutation.mutants import mutants
from tests.mutation.tree import Results, Tree, copied

TOY = """
from functools import cached_property, lru_cache

LIMIT = 3
UNSEEN = True


def spin(n: int) -> bool:
    while n:
        n = False
    return n


@lru_cache(maxsize=None)
def cached(n: int) -> int:
    return n + 10


class Box:
    @cached_property
    def size(self) -> int:
        return 5 if self.full() else 6

    def full(self) -> bool:
        return True


AT_IMPORT = cached(1)


def untested() -> int:
    return 7
"""
TESTS = """
import warnings

import pytest

from qse_hw.golden import toy

BOX = toy.Box()


@pytest.mark.parametrize("n", [toy.cached(2) - 10, BOX.size - 3])
def test_twice(n):
    assert toy.cached(n) == 12


def test_size():
    assert BOX.size == 5


def test_import():
    assert (toy.LIMIT, toy.AT_IMPORT) == (3, 11)


@pytest.mark.filterwarnings("ignore")
def test_spin():
    warnings.warn("without pytest's filter this is an error")
    assert not toy.spin(3)
"""


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setattr(fork, "IMPORTS", 2.0)
    source = tmp_path / "source"
    for name, text in {
        "qse_hw/__init__.py": "",
        "golden/toy.py": TOY,
        "tests/golden/test_toy.py": TESTS,
        "golden/__init__.py": "",
        "tests/__init__.py": "",
        "tests/golden/__init__.py": "",
    }.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    shutil.copy(Path(__file__).parents[1] / "conftest.py", source / "tests")
    settings = 'addopts = "--import-mode=importlib"\nfilterwarnings = "error"\n'
    (source / "pyproject.toml").write_text(f"[tool.pytest.ini_options]\n{settings}")
    return Tree(copied(source, tmp_path), "golden", ("tests/golden/",))


IMPORTING = "from qse_hw.golden import toy; print(toy.__file__, toy.LIMIT)"


def test_nothing_but_the_tree_is_imported(tree, tmp_path):
    """The tree is imported by the process that enters it and by its children, in the tree or elsewhere."""
    path = tree.root / "golden" / "toy.py"
    path.write_text(TOY.replace("LIMIT = 3", "LIMIT = 4"))
    assert find_spec("qse_hw.golden.errors"), "what the tree does not have is found in the checkout"

    def work(send):
        fork.enter(tree.root)
        toy = importlib.import_module("qse_hw.golden.toy")
        send([toy.__file__, toy.LIMIT])
        for folder in (tree.root, tmp_path):
            os.chdir(folder)
            send(subprocess.run([sys.executable, "-c", IMPORTING], capture_output=True, text=True).stdout.split())
        send(find_spec("qse_hw.golden.errors") is None)
        return 0

    child = fork.Fork(work)
    here, *started, alone = child.lines(60)
    assert child.end() == 0
    assert here == [str(path), 4]
    assert started == [[str(path), "4"]] * 2
    assert alone


def _new_line(mutant):
    return next(line[1:] for line in mutant.diff.splitlines() if line.startswith("+"))


def judge(tree, chosen):
    results = Results(tree)
    for mutant, status, test in tree.judged(chosen):
        results.add(mutant, status, test)
    return results


@pytest.mark.full
def test_what_is_tested_dies_and_what_is_not_survives(tree):
    source = (tree.root / "golden/toy.py").read_text()
    all_mutants = {mutant.key: mutant for mutant in mutants("golden/toy.py", source)}
    lines = {key: _new_line(mutant) for key, mutant in all_mutants.items()}
    results = judge(tree, list(all_mutants.values()))
    results.check(list(all_mutants.values()))
    status = {lines[key]: results.status[key][0] for key in all_mutants}
    assert status == {
        "LIMIT = None": "killed",
        "LIMIT = 4": "killed",
        "UNSEEN = None": "survived",
        "UNSEEN = False": "survived",
        "n = None": "survived",
        "n = True": "timeout",
        "return n - 10": "killed",
        "return n + 11": "killed",
        "return 5 if (self.full()) and False else 6": "killed",
        "return 5 if (self.full()) or True else 6": "survived",
        "return 6 if self.full() else 6": "killed",
        "return 5 if self.full() else 7": "survived",
        "return False": "killed",
        "AT_IMPORT = None": "killed",
        "AT_IMPORT = cached(None)": "killed",
        "AT_IMPORT = cached(2)": "killed",
        "return 8": "unreached",
    }
    assert (tree.root / "golden/toy.py").read_text() == source

    again = Results(Tree(tree.root, "golden", tree.suite))
    assert again.status == results.status
    with (tree.root / "tests/golden/test_toy.py").open("a") as file:
        file.write("\n\ndef test_untested():\n    assert toy.untested() == 7\n")
    fuller = Tree(tree.root, "golden", tree.suite)
    assert not Results(fuller).status, "the killing tests' file has changed, so nothing is known"
    unreached = [mutant for mutant in all_mutants.values() if mutant.place == "untested"]
    assert [(status, test) for _, status, test in fuller.judged(unreached)] == [
        ("killed", "tests/golden/test_toy.py::test_untested")
    ]


def test_the_modules_own_tests_come_first(tree):
    (mutant, *_) = (m for m in mutants("golden/toy.py", TOY) if m.function and m.function[0] == "untested")
    seconds = {"test_toy_more.py::test_slow": 3.0, "test_toys.py::test_b": 0.2, "test_ab.py::test_a": 0.1}
    seconds |= {"test_toy.py::test_twice": 1.0}
    seconds = {f"tests/golden/{name}": value for name, value in seconds.items()}
    line = str(mutant.lines[0])
    vars(tree)["reached"] = {"lines": {"golden/toy.py": {line: list(seconds)}}, "seconds": seconds, "alone": seconds}
    files = [name.partition("::")[0].rpartition("/")[2] for name, _ in tree.tests(mutant)]
    assert files == ["test_toy.py", "test_toy_more.py", "test_ab.py", "test_toys.py"]


def test_functions_whose_text_is_kept(tree):
    """Triton's are known by their decorator: exchanging their code would change nothing."""
    text = "@triton.jit(noinline=True)\ndef kernel(x):\n    return x + 1\n\n\ndef plain(x):\n    return x + 1\n"
    vars(tree)["reached"] = {"imported": {}}
    kept = {mutant.place: tree.kept(mutant) for mutant in mutants("golden/toy.py", text)}
    assert kept == {"kernel": True, "plain": False}


@pytest.mark.full
def test_a_suite_that_fails_judges_nothing(tree):
    test = "from qse_hw.golden import toy\n\n\ndef test_fails():\n    assert toy.untested() == 8\n"
    (tree.root / "tests/golden/test_toy.py").write_text(test)
    with pytest.raises(InputError, match=r"^Tests of golden must pass .*/test_toy.py::test_fails failed$"):
        _ = tree.reached


@pytest.mark.full
def test_a_test_that_needs_another_judges_nothing(tree):
    test = """
from qse_hw.golden import toy

SEEN = []


def test_first():
    SEEN.append(1)


def test_second():
    assert toy.untested() == 7
    assert SEEN


def test_third():
    assert not toy.spin(3)
"""
    (tree.root / "tests/golden/test_toy.py").write_text(test)
    by_place = {mutant.place: mutant for mutant in mutants("golden/toy.py", (tree.root / "golden/toy.py").read_text())}
    chosen = [by_place["untested"], by_place["spin"]]
    with pytest.raises(InputError, match=r"^Test tests/golden/test_toy.py::test_second must pass by itself"):
        judge(tree, chosen).check(chosen)
    assert set(Results(tree).status) == {by_place["spin"].key}, "what the others have seen is kept"


@pytest.mark.full
def test_a_test_by_itself_has_the_time_that_its_fixtures_take(tree):
    """The first test to use a fixture that is slow is not the only one that may need it."""
    test = """
import time

import pytest

from qse_hw.golden import toy


@pytest.fixture(scope="module")
def slow():
    until = time.process_time() + 0.8
    while time.process_time() < until:
        pass


def test_first(slow):
    assert toy.LIMIT == 3


def test_second(slow):
    assert toy.untested() == 7
"""
    (tree.root / "tests/golden/test_toy.py").write_text(test)
    alone, seconds = tree.reached["alone"], tree.reached["seconds"]
    assert min(alone.values()) > 0.7 > 0.5 > max(seconds.values())
    source = (tree.root / "golden/toy.py").read_text()
    some = [mutant for mutant in mutants("golden/toy.py", source) if mutant.place == "untested"]
    assert [status for _, status, _ in tree.judged(some)] == ["killed"]


@pytest.mark.parametrize(
    ("package", "file", "forgotten"),
    [
        ("golden", "golden/quantize/cpu_kernels.cpp", True),
        ("golden", "rtl_gen/emit/unit.py", False),
        ("golden", "tests/golden/formats/oracles.py", True),
        ("golden", "tests/golden/test_toy.py", True),
        ("golden", "tests/rtl_gen/oracles.py", False),
        ("rtl_gen", "golden/toy.py", True),
        ("rtl_gen", "rtl_gen/models/cell.v", True),
        ("rtl_gen", "sim/cycle/model.py", True),
        ("rtl_gen", "tests/conftest.py", True),
    ],
)
def test_a_verdict_holds_while_all_that_the_tests_run_stays(tmp_path, package, file, forgotten):
    root = tmp_path / "tree"
    for name in ("golden/toy.py", "rtl_gen/emit/unit.py", f"tests/{package}/test_toy.py", file):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("A = 1\n")
    (mutant, *_) = mutants("golden/toy.py", TOY)

    def results():
        return Results(Tree(root, package, (f"tests/{package}/",)))

    results().add(mutant, "killed", f"tests/{package}/test_toy.py::test_a")
    assert set(results().status) == {mutant.key}
    (root / file).write_text("A = 2\n")
    assert set(results().status) == (set() if forgotten else {mutant.key})
