"""pytest in forked processes: which test reaches which line, and whether a mutant's tests pass.

Starting Python, importing NumPy and PyTorch and collecting the tests takes longer than most tests. So a process does
that once, and forks one for each mutant, which exchanges the code of the mutated function and runs the tests. What runs
when modules are imported cannot be exchanged: for it a process is forked that has imported only foreign packages.
"""

import functools
import gc
import os
import types
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest

from tests.mutation.fork import PACKAGES, Fork, enter, limit_memory, limit_time, verdict
from tests.mutation.mutants import Mutant

OPTIONS = ("-q", "-p", "no:cacheprovider", "--assert=plain", "--tb=no", "--no-header")


class _Settings:
    """hypothesis without shrinking: a failure is all that matters."""

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        from hypothesis import Phase, settings

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutation", parent=settings.get_profile("fixed"), phases=phases)
        settings.load_profile("mutation")


def reached(root: Path, tests: list[str]) -> dict[str, Any]:
    """Which test reaches which line.

    Returns:
        ``seconds`` of each test, and ``alone``, with the fixtures that it shares with others; ``lines[file][line]``,
        the tests that reach it; ``imported[file]``, the lines that run while the tests are collected.
    """

    def work(send: Callable[[Any], None]) -> int:
        enter(root)
        measured = coverage.Coverage(
            data_file=None, config_file=False, include=[f"{root}/golden/*", f"{root}/rtl_gen/*"], messages=False
        )
        measured.start()
        plugin = _Reach(measured)
        ended = pytest.main([*OPTIONS, *tests], plugins=[_Settings(), plugin])
        measured.stop()
        if ended in (0, 1):
            send(plugin.result(root))
        return int(ended)

    child = Fork(work)
    result: dict[str, Any] = next(child.lines(), {})
    child.end()
    return result


class _Reach:
    def __init__(self, measured: coverage.Coverage) -> None:
        self.measured, self.context = measured, ""
        self.seconds: dict[str, float] = {}
        self.shared: defaultdict[str, float] = defaultdict(float)  # seconds of the fixtures that tests have in common
        self.users: defaultdict[str, set[str]] = defaultdict(set)
        self.failed: list[str] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.forget = forgetter()
        for item in session.items:
            self.users[item.nodeid].add(item.nodeid)
            for definitions in item._fixtureinfo.name2fixturedefs.values():
                for definition in definitions:
                    self.users[_fixture(definition)].add(item.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.forget()  # so that every test is seen to reach what an earlier one has left in a cache
        begin = _cpu() - sum(self.shared.values())
        self._enter(item.nodeid)
        result = yield
        self.seconds[item.nodeid] = _cpu() - sum(self.shared.values()) - begin
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        if fixturedef.scope == "function":
            return (yield)
        before, begin, name = self.context, _cpu() - sum(self.shared.values()), _fixture(fixturedef)
        self._enter(name)
        result = yield
        self.shared[name] += _cpu() - sum(self.shared.values()) - begin
        self._enter(before)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def _enter(self, context: str) -> None:
        self.context = context
        self.measured.switch_context(context)

    def result(self, root: Path) -> dict[str, Any]:
        data = self.measured.get_data()
        lines: dict[str, dict[int, list[str]]] = {}
        imported: dict[str, list[int]] = {}
        for path in data.measured_files():
            file = str(Path(path).relative_to(root))
            contexts = data.contexts_by_lineno(path)
            imported[file] = sorted(line for line, names in contexts.items() if "" in names)
            lines[file] = {
                line: sorted({test for name in names if name for test in self.users[name]})
                for line, names in contexts.items()
            }
        alone = dict(self.seconds)
        for name, spent in self.shared.items():
            for test in self.users[name]:
                alone[test] += spent
        return {
            "seconds": self.seconds, "alone": alone, "lines": lines, "imported": imported, "failed": self.failed,
        }  # fmt: skip


def _cpu() -> float:
    """Seconds of this process and of those it started."""
    return sum(os.times()[:4])


def _fixture(definition: Any) -> str:
    return f"fixture {definition.baseid} {definition.argname}"


def forgetter() -> Callable[[], None]:
    """A function that empties the caches that this project's modules hold now: lru_cache and cached_property."""
    caches, instances = [], []
    properties: dict[type, list[str]] = {}
    gc.unfreeze()  # the tests' conftest freezes, and what is frozen is not listed
    for thing in gc.get_objects():
        kind = type(thing)
        if kind is functools._lru_cache_wrapper:
            if _ours(thing):
                caches.append(thing)
        elif _ours(kind):
            if kind not in properties:
                members = ((name, value) for base in kind.__mro__ for name, value in vars(base).items())
                properties[kind] = [name for name, value in members if isinstance(value, functools.cached_property)]
            if properties[kind]:
                instances.append((vars(thing), properties[kind]))

    def forget() -> None:
        for cache in caches:
            cache.cache_clear()
        for values, names in instances:
            for name in names:
                values.pop(name, None)

    return forget


def _ours(thing: Any) -> bool:
    return str(getattr(thing, "__module__", "")).partition(".")[0] in PACKAGES


Job = tuple[Mutant, list[tuple[str, float]]]  # with its tests and the CPU seconds of each by itself


def exchange(root: Path, tests: list[str], jobs: list[Job]) -> Iterator[tuple[str, str, str]]:
    """Yields (mutant's key, status, test that failed) for mutants within functions.

    The status is ``survived``, ``killed``, ``timeout``, or ``cannot`` if the code cannot be exchanged.
    """

    def work(send: Callable[[Any], None]) -> int:
        enter(root)
        return int(pytest.main([*OPTIONS, *tests], plugins=[_Settings(), _Exchange(root, jobs, send)]))

    child = Fork(work)
    answered = 0
    try:
        for answer in child.lines():
            answered += 1
            yield tuple(answer)
    finally:
        child.end()
    if answered < len(jobs):
        raise RuntimeError(f"pytest ended after {answered} of {len(jobs)} mutants, see {root.with_name('log')}")


class _Exchange:
    def __init__(self, root: Path, jobs: list[Job], send: Callable[[Any], None]) -> None:
        self.root, self.jobs, self.send = root, jobs, send
        self.failed = False  # of a forked process: whether a test has

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        forgetter()()
        functions = defaultdict(list)
        for thing in gc.get_objects():
            if type(thing) is types.FunctionType:  # isinstance would ask proxies, which warn
                code = thing.__code__
                functions[code.co_filename, code.co_qualname, code.co_firstlineno].append(thing)
        gc.freeze()
        for mutant, tests in self.jobs:
            path = str(self.root / mutant.file)
            live = functions[path, *mutant.function]  # type: ignore[misc]
            code = _code(compile(mutant.source, path, "exec", dont_inherit=True), mutant.function)
            if not live or code is None or any(len(f.__code__.co_freevars) != len(code.co_freevars) for f in live):
                self.send((mutant.key, "cannot", ""))
                continue
            chosen = [(items[name], seconds) for name, seconds in tests if name in items]
            self.send((mutant.key, *verdict(Fork(functools.partial(_run, self, live, code, chosen)))))
        return True


def _code(code: types.CodeType, function: tuple[str, int] | None) -> types.CodeType | None:
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            if (part.co_qualname, part.co_firstlineno) == function:
                return part
            if (inner := _code(part, function)) is not None:
                return inner
    return None


def _run(
    exchanging: _Exchange,
    functions: list[types.FunctionType],
    code: types.CodeType,
    tests: list[tuple[pytest.Item, float]],
    send: Callable[[Any], None],
) -> int:
    limit_memory()
    for function in functions:
        function.__code__ = code
    following = [item for item, _ in tests[1:]] + [None]
    for (item, seconds), after in zip(tests, following, strict=True):
        limit_time(seconds)
        send(item.nodeid)
        item.ihook.pytest_runtest_protocol(item=item, nextitem=after)  # with all that pytest does around a test
        if exchanging.failed:
            return 1
    return 0


def afresh(root: Path, mutant: Mutant, tests: list[tuple[str, float]]) -> tuple[str, str]:
    """(status, test that failed) of any mutant: its text is written, imported and tested in a process of its own."""
    path = root / mutant.file
    original = path.read_text(encoding="utf-8")

    def work(send: Callable[[Any], None]) -> int:
        enter(root)
        limit_memory()
        limit_time(5.0)
        files = list(dict.fromkeys(name.partition("::")[0] for name, _ in tests))
        return int(pytest.main([*OPTIONS, "-x", *files], plugins=[_Settings(), _Chosen(dict(tests), send)]))

    try:
        path.write_text(mutant.source, encoding="utf-8")
        return verdict(Fork(work))
    finally:
        path.write_text(original, encoding="utf-8")


class _Chosen:
    def __init__(self, seconds: dict[str, float], send: Callable[[Any], None]) -> None:
        self.seconds, self.send = seconds, send

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        order = {name: number for number, name in enumerate(self.seconds)}
        items[:] = sorted((item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        limit_time(self.seconds[item.nodeid])
        self.send(item.nodeid)
