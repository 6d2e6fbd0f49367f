"""A copy of the sources in which mutants are tested, and the results, kept for the next run."""

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.files import replacing
from qse_hw.golden.io.sources import files_digest, source_files
from tests.mutation.mutants import Mutant
from tests.mutation.session import afresh, exchange, reached

FLOORS = {"golden": ("golden",), "rtl_gen": ("golden", "rtl_gen", "sim")}
"""The folders whose code the tests of a package run."""

SOURCES = ("golden", "rtl_gen", "sim", "synth", "qse_hw", "tests", "docs", "pyproject.toml", "README.md")
BUDGET = 10.0  # CPU seconds of tests per mutant, unless one test takes more


def copied(source: Path, build: Path) -> Path:
    """``build / "tree"``, a fresh copy of the sources, which nobody else sees mutated.

    The tree on the path is enough to import all of the package from it: ``qse_hw`` there looks for its subpackages in
    the tree's folders, too, so that an installed finder, which would look in the checkout, is not asked.
    """
    root = build / "tree"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for name in SOURCES:
        if (source / name).is_dir():
            shutil.copytree(source / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (source / name).exists():
            shutil.copy(source / name, root / name)
    package = root / "qse_hw" / "__init__.py"
    package.write_text(f"__path__.append({str(root)!r})\n{package.read_text(encoding='utf-8')}", encoding="utf-8")
    return root


@dataclass(frozen=True)
class Tree:
    """The copy ``root``, of which ``package`` is mutated and judged by ``suite``, files and folders of tests."""

    root: Path
    package: str
    suite: tuple[str, ...]

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of every file of tests by its path from the root, and of the modules that they share."""
        files = {str(path.relative_to(self.root)): path for path in sorted((self.root / "tests").rglob("*.py"))}
        tests = {name: path for name, path in files.items() if path.name.startswith("test_")}
        shared = [path for name, path in files.items() if name not in tests and self._shares(name)]
        return {name: files_digest([path, *shared], self.root)[:12] for name, path in tests.items()}

    def _shares(self, name: str) -> bool:
        return name.startswith(self.suite) or name.count("/") == 1

    @cached_property
    def sources(self) -> str:
        """The digest of all code that the tests run, C++ and Verilog too."""
        files = [path for floor in FLOORS[self.package] for path in source_files(self.root / floor)]
        return files_digest(files, self.root)[:12]

    @cached_property
    def tests_digest(self) -> str:
        """Of all tests of the suite."""
        chosen = [item for item in self.digests.items() if item[0].startswith(self.suite)]
        return hashlib.sha256(json.dumps(chosen).encode()).hexdigest()[:12]

    @cached_property
    def reached(self) -> dict[str, Any]:
        """See :func:`tests.mutation.session.reached`, for all files of the suite together.

        A file's part is kept until it or the package changes.

        Raises:
            InputError: if a test fails, as then nothing can be said of mutants.
        """
        kept = self.root.with_name(f"tests-{self.package}.json")
        parts: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
        files = [name for name in self.digests if name.startswith(self.suite)]
        wanted = {name: f"{self.sources} {self.digests[name]}" for name in files}
        new = [name for name, key in wanted.items() if parts.get(name, {}).get("key") != key]
        if new:
            coverage = reached(self.root, new)
            if not coverage or coverage["failed"]:
                failed = ", ".join(coverage["failed"][:5] if coverage else ["their collection"])
                raise InputError(f"Tests of {self.package} must pass before mutants are judged, but {failed} failed")
            parts |= {name: _part(coverage, name) | {"key": wanted[name]} for name in new}
            kept.write_text(json.dumps(parts), encoding="utf-8")
        return _union([parts[name] for name in files])

    def tests(self, mutant: Mutant) -> list[tuple[str, float]]:
        """The tests to run, with the seconds that each takes alone: of the file's own first, then quick ones first."""
        lines = self.reached["lines"].get(mutant.file, {})
        wanted = range(mutant.lines[0], mutant.lines[1] + 1) if mutant.function else map(int, lines)
        names = {name for line in wanted for name in lines.get(str(line), ())}
        seconds: dict[str, float] = self.reached["seconds"]
        own = str(Path("tests", mutant.file).with_name(f"test_{Path(mutant.file).stem}"))
        begins = (f"{own}.py::", f"{own}_")  # of a module with many tests a file for each of its ideas
        if not mutant.function:
            names.update(name for name in seconds if name.startswith(begins))  # nobody sees who uses a constant
        chosen: list[tuple[str, float]] = []
        total = 0.0
        for name in sorted(names, key=lambda name: (not name.startswith(begins), seconds[name], name)):
            chosen.append((name, self.reached["alone"][name]))
            total += seconds[name]
            if total > BUDGET:
                break
        return chosen

    def kept(self, mutant: Mutant) -> bool:
        """Whether the statement runs before the tests do, so that its results may be kept from then, or its text is.

        Triton compiles, and interprets, the text of a function as it was when the module was imported.
        """
        lines = self.reached["imported"].get(mutant.file, ())
        if any(mutant.lines[0] <= line <= mutant.lines[1] for line in lines):
            return True
        _, first = mutant.function or ("", 1)
        return mutant.source.splitlines()[first - 1].strip().startswith("@triton.jit")

    def judged(self, chosen: Sequence[Mutant]) -> Iterator[tuple[Mutant, str, str]]:
        """Yields (mutant, status, test that failed) in any order; the status as in :mod:`tests.mutation.session`.

        ``unreached`` is the status of a mutant that no test reaches.
        """
        tests = {mutant.key: self.tests(mutant) for mutant in chosen}
        yield from ((mutant, "unreached", "") for mutant in chosen if not tests[mutant.key])
        reached = {mutant.key: mutant for mutant in chosen if tests[mutant.key]}
        again = [mutant for mutant in reached.values() if mutant.function is None]
        inside = [(mutant, tests[mutant.key]) for mutant in reached.values() if mutant.function]
        for key, status, test in exchange(self.root, list(self.suite), inside) if inside else ():
            if status == "cannot" or (status == "survived" and self.kept(reached[key])):
                again.append(reached[key])
            else:
                yield reached[key], status, test
        for mutant in again:
            yield mutant, *afresh(self.root, mutant, tests[mutant.key])

    def fails(self, mutant: Mutant, failed: Iterable[str]) -> str:
        """The control: of the tests that ``failed`` for any mutant one that fails without this one's fault, or ""."""
        source = (self.root / mutant.file).read_text(encoding="utf-8")
        control = replace(mutant, source=source)
        tests = [(name, self.reached["alone"][name]) for name in sorted(failed)]
        if mutant.function:
            _, status, test = next(exchange(self.root, list(self.suite), [(control, tests)]))
        else:
            status, test = afresh(self.root, control, tests)
        return "" if status == "survived" else test


class Results:
    """The results of a tree's mutants that are still valid: (status, test that failed) by a mutant's key."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.path = tree.root.with_name(f"results-{tree.package}.jsonl")
        self.sources = tree.sources
        self.tests = tree.tests_digest
        self.status: dict[str, tuple[str, str]] = {}
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                self._take(json.loads(line))

    def _take(self, one: dict[str, str]) -> None:
        """A kill holds while the sources and the test that killed stay; a survival, while all tests stay."""
        test = one["test"]
        tests = self.tree.digests.get(test.partition("::")[0]) if test else self.tests
        if (one["sources"], one["tests"]) == (self.sources, tests):
            self.status[one["key"]] = one["status"], test
        else:
            self.status.pop(one["key"], None)

    def check(self, chosen: Sequence[Mutant]) -> None:
        """The control of the results of ``chosen``.

        Raises:
            InputError: if a test fails for no reason; what that one has seen is forgotten.
        """
        for inside in (True, False):
            some = [mutant for mutant in chosen if bool(mutant.function) == inside]
            failed = {test for mutant in some if (test := self.status[mutant.key][1])}
            if failed and (wrong := self.tree.fails(some[0], failed)):
                self._forget(wrong)
                raise InputError(f"Test {wrong} must pass by itself before mutants are judged, and does not")

    def _forget(self, test: str) -> None:
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        with replacing(self.path) as part:
            part.write_text("".join(line for line in lines if json.loads(line)["test"] != test), encoding="utf-8")

    def add(self, mutant: Mutant, status: str, test: str) -> None:
        """Keep a result."""
        self.status[mutant.key] = status, test
        tests = self.tree.digests[test.partition("::")[0]] if test else self.tests
        line = {"key": mutant.key, "status": status, "test": test, "sources": self.sources, "tests": tests}
        with self.path.open("a", encoding="utf-8") as file:
            print(json.dumps(line), file=file)


def _part(coverage: dict[str, Any], file: str) -> dict[str, Any]:
    """The lines that the tests of one file reach."""
    begin = f"{file}::"
    return {
        **{
            name: {test: seconds for test, seconds in coverage[name].items() if test.startswith(begin)}
            for name in ("seconds", "alone")
        },
        "lines": {
            source: {line: [test for test in tests if test.startswith(begin)] for line, tests in lines.items()}
            for source, lines in coverage["lines"].items()
        },
        "imported": coverage["imported"],
    }


def _union(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    times: dict[str, dict[str, float]] = {"seconds": {}, "alone": {}}
    lines: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    imported: defaultdict[str, set[int]] = defaultdict(set)
    for part in parts:
        for name, seconds in times.items():
            seconds |= part[name]
        for file, numbers in part["imported"].items():
            imported[file].update(numbers)
        for file, covered in part["lines"].items():
            for line, tests in covered.items():
                lines[file][line].update(tests)
    return times | {"lines": lines, "imported": imported}
