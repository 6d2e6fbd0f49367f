"""Mutation tests of the golden models and of the generator: would the tests notice a small fault?

    python -m tests.mutation.run [--modules golden/formats.py ...] [--sample N] [--seed S]

For every mutant (see :mod:`tests.mutation.mutants`) the tests of its package that reach its statement are run, those of
its module's own test file first, then the others, quick ones first, until one fails or they have taken ``BUDGET`` seconds. A
mutant that none fails for has survived, unless tests/mutation/equivalent.toml tells why nobody could tell it from the
original. The tree is copied to build/mutation, and what was found stays there: an interrupted run goes on where it was,
and after tests were added only what depends on them is run again.
"""

import argparse
import hashlib
import json
import math
import random
import shutil
import sys
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from golden.errors import InputError
from golden.evidence import evidence
from golden.files import write_json
from qse_hw.console import console, progress, table
from tests.mutation.mutants import Mutant, mutants
from tests.mutation.session import afresh, exchange, reached

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "mutation"
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
TREE = ("golden", "rtl_gen", "sim", "synth", "qse_hw", "tests", "docs", "pyproject.toml", "README.md")
TESTS = {"golden": ["tests/golden"], "rtl_gen": ["tests/rtl_gen"]}
IGNORED: dict[str, list[str]] = {"golden": [], "rtl_gen": []}
SAMPLES = {"golden": None, "rtl_gen": 200}
BUDGET = 10.0
GOAL = 0.95


@dataclass(frozen=True)
class Tree:
    """A copy of the sources, with what its tests reach."""

    root: Path
    package: str

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of every Python file, by its path from the root."""
        files = (path for name in (self.package, "tests") for path in sorted((self.root / name).rglob("*.py")))
        return {str(path.relative_to(self.root)): _digest(path.read_bytes()) for path in files}

    def digest(self, *folders: str) -> str:
        """Of all Python files in ``folders``."""
        chosen = [item for item in self.digests.items() if item[0].startswith(folders)]
        return _digest(json.dumps(chosen).encode())

    @cached_property
    def reached(self) -> dict[str, Any]:
        """See :func:`tests.mutation.session.reached`; kept until sources or tests change."""
        kept = BUILD / f"reached-{self.package}-{self.digest(self.package, *TESTS[self.package])}.json"
        if not kept.exists():
            found = reached(self.root, TESTS[self.package], IGNORED[self.package])
            if not found or found["failed"]:
                failed = ", ".join(found.get("failed", ["collection"])[:5])
                raise InputError(f"The tests of {self.package} must pass before their mutants can be judged, but {failed} failed")
            kept.write_text(json.dumps(found), encoding="utf-8")
        return dict(json.loads(kept.read_text(encoding="utf-8")))

    def tests(self, mutant: Mutant) -> list[tuple[str, float]]:
        """The tests to run, with the seconds that each takes."""
        lines = self.reached["lines"].get(mutant.file, {})
        wanted = range(mutant.lines[0], mutant.lines[1] + 1) if mutant.function else map(int, lines)
        names = {name for line in wanted for name in lines.get(str(line), ())}
        own = Path("tests", mutant.file).with_name(f"test_{Path(mutant.file).name}")
        seconds = self.reached["seconds"]
        ordered = sorted(names, key=lambda name: (not name.startswith(f"{own}::"), seconds[name], name))
        chosen: list[tuple[str, float]] = []
        for name in ordered:
            chosen.append((name, seconds[name]))
            if sum(time for _, time in chosen) > BUDGET:
                break
        return chosen

    def imported(self, mutant: Mutant) -> bool:
        """Whether the statement runs before the tests do, so that its results may be kept from then."""
        lines = self.reached["imported"].get(mutant.file, ())
        return any(mutant.lines[0] <= line <= mutant.lines[1] for line in lines)

    def run(self, chosen: Sequence[Mutant]) -> Iterator[tuple[Mutant, str, str]]:
        """Yields (mutant, status, test that failed), in any order."""
        by_key = {mutant.key: mutant for mutant in chosen}
        jobs = [(mutant, tests) for mutant in chosen if (tests := self.tests(mutant)) or not mutant.function]
        for mutant in chosen:
            if not self.tests(mutant):
                yield mutant, "unreached", ""
        again = [mutant for mutant, tests in jobs if mutant.function is None and tests]
        inside = [(mutant, tests) for mutant, tests in jobs if mutant.function]
        for key, status, test in exchange(self.root, TESTS[self.package], inside):
            mutant = by_key[key]
            if status == "cannot" or (status == "survived" and self.imported(mutant)):
                again.append(mutant)
            else:
                yield mutant, status, test
        for mutant in again:
            yield mutant, *afresh(self.root, mutant, self.tests(mutant))


class State:
    """What earlier runs found, as far as it still holds."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.path = BUILD / f"found-{tree.package}.jsonl"
        self.sources = tree.digest(tree.package)
        self.tests = tree.digest(*TESTS[tree.package])
        self.found: dict[str, tuple[str, str]] = {}
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                self._take(json.loads(line))

    def _take(self, one: dict[str, str]) -> None:
        """A death holds while the source and the test that saw it stay; a survival while all tests stay."""
        test = one["test"]
        kept = self.tree.digests.get(test.partition("::")[0]) if test else self.tests
        if one["sources"] == self.sources and one["tests"] == kept:
            self.found[one["key"]] = one["status"], test
        else:
            self.found.pop(one["key"], None)

    def add(self, mutant: Mutant, status: str, test: str) -> None:
        """Keep a result."""
        self.found[mutant.key] = status, test
        tests = self.tree.digests[test.partition("::")[0]] if test else self.tests
        line = {"key": mutant.key, "status": status, "test": test, "sources": self.sources, "tests": tests}
        with self.path.open("a", encoding="utf-8") as file:
            print(json.dumps(line), file=file)


def copied() -> Path:
    """A fresh copy of the sources, which nobody else sees mutated."""
    root = BUILD / "tree"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for name in TREE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, root / name)
    return root


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
