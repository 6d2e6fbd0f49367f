"""The oracle of all fuzzing: the rules that a command must keep for every input.

A case is files and a command line. The command must end with status 0 and nothing but warnings of its own on stderr, or
with status 2 and one sentence there; within the limits of time and memory; with no file of its own but whole results;
and without running anything that came in a file.
"""

import contextlib
import io
import resource
import signal
import tempfile
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from unittest import mock

from hypothesis import Phase

from qse_hw.cli import main

PHASES = [phase for phase in Phase if phase is not Phase.explain]
"""Of Hypothesis; to explain, it traces every line, which makes a command ten times as slow."""
SECONDS = 20  # of processor time per case; the slowest sound one takes two
MEMORY = 1 << 30  # bytes per case beyond what the process has
OWNED = "owned"  # the file that hostile pickles make, in the folder of outputs
SENTENCE = 20_000  # characters at most: a message is read by people


@dataclass(frozen=True)
class Case:
    """A command line; a word's ``IN/`` and ``OUT/`` are the folders of the files and of outputs."""

    argv: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)

    def __repr__(self) -> str:
        files = {
            path: content if len(content) < 4000 else f"{len(content)} bytes" for path, content in self.files.items()
        }
        return f"Case(argv={self.argv!r}, files={files!r})"


class Finding(AssertionError):
    """A command broke a rule."""


class Reached(BaseException):
    """The input is accepted, and the long work would begin now."""


class _Late(BaseException):
    pass


# Work that takes long by its nature: that it is reached is all that matters here.
WORK = (
    "qse_hw.cli.replay.replayed",
    "qse_hw.study.whole_model.run_whole_model",
    "qse_hw.cli.demo._step",
    "qse_hw.cli.report.from_file_or_default",
    "qse_hw.study.sweep.stages.fits",
    "qse_hw.cli.bench.import_module",
    "qse_hw.study.round_trip.round_trip",
    "qse_hw.golden.evaluate.layers.fit",
    "qse_hw.golden.evaluate.layers.fit_samples",
    "qse_hw.golden.calibration.tune.Tuner.__init__",
    "qse_hw.golden.models.mamba.stream.random_layers",
    "qse_hw.sim.exhaust.exhaust.exhaust",
    "qse_hw.synth.flow.measure",
    "qse_hw.synth.formal.task.run_all",
    "qse_hw.synth.mutation.mutate.mutate_all",
)


def check(case: Case) -> str:
    """Run the command; the sentence with which it refused, else "".

    Raises:
        Finding: if it did anything else than succeed or refuse.
    """
    with tempfile.TemporaryDirectory(prefix="qse_hw_fuzz_") as name, _at_work_stops(Path(name)):
        folder = Path(name)
        out = folder / "out"
        out.mkdir()
        for path, content in case.files.items():
            (folder / "in" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "in" / path).write_bytes(content)
        argv = [word.replace("IN/", f"{folder}/in/").replace("OUT/", f"{out}/") for word in case.argv]
        before = _content(folder)
        status, said = _run(argv, out)
        _judge(status, said)
        added = _content(folder).keys() - before.keys()
        if (out / OWNED).exists():
            raise Finding("code from a file was run")
        if status == 2 and added:
            raise Finding(f"it refused ({said.strip()}), but left {sorted(added)}")
        if any(path.name.endswith(".part") for path in added):
            raise Finding(f"half-written files are left: {sorted(added)}")
        return said


def _judge(status: object, said: str) -> None:
    if status == 0:
        if any(not line.startswith("warning: ") for line in said.splitlines()):
            raise Finding(f"status 0, but on stderr: {said}")
        return
    if status != 2:
        raise Finding(f"exit status must be 0 or 2, not {status!r}; on stderr: {said}")
    if not said.startswith("error: ") or said.count("\n") != 1 or not said.endswith("\n") or len(said.splitlines()) > 1:
        raise Finding(f"stderr must be one sentence, not {said!r}")
    if len(said) > SENTENCE:
        raise Finding(f"a sentence of {len(said)} characters: {said[:200]}")
    if "Memory does not suffice" in said or "annot allocate memory" in said:
        raise Finding(f"more than {MEMORY >> 20} MiB were asked for: {said}")


def _run(argv: Sequence[str], cwd: Path) -> tuple[object, str]:
    """Exit status, and what is on stderr; warnings count as such."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with (
            _within_limits(), contextlib.chdir(cwd), warnings.catch_warnings(record=True) as warned,
            contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
        ):  # fmt: skip
            warnings.simplefilter("always")
            try:
                status: object = main(argv)
            except SystemExit as error:  # argparse's, after --help
                status = error.code or 0
            except Reached:
                status = 0
    except _Late as error:
        where = "".join(traceback.format_tb(error.__traceback__)[-3:])
        raise Finding(f"it takes more than {SECONDS} s of processor time, here:\n{where}") from None
    except Exception as error:
        raise Finding(f"a traceback: {type(error).__name__}: {str(error)[:300]}") from error
    return status, err.getvalue() + "".join(f"{warning.category.__name__}: {warning.message}\n" for warning in warned)


@contextlib.contextmanager
def _within_limits() -> Iterator[None]:
    """Limits of processor time and of memory that could be written to (children inherit it; Yosys reserves more)."""

    def late(number: int, frame: FrameType | None) -> None:
        raise _Late

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    before = signal.signal(signal.SIGPROF, late)
    resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY, hard))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        signal.signal(signal.SIGPROF, before)


@contextlib.contextmanager
def _at_work_stops(folder: Path) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        small = folder / "in" / "ck"
        stack.enter_context(mock.patch("qse_hw.golden.models.mamba.checkpoint.BUNDLED", small))
        for place in WORK:
            stack.enter_context(mock.patch(place, side_effect=Reached))
        yield


def _content(folder: Path) -> dict[Path, int]:
    return {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}
