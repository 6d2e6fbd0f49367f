"""Forked processes with limits that send their results."""

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

PACKAGES = ("qse_hw", "tests")
MEMORY = 4 << 30  # bytes beyond what the process has; a fault may ask for any amount
_END_WITH_PARENT = 1  # Linux' PR_SET_PDEATHSIG
IMPORTS = 20.0  # CPU seconds at most: of packages that a test imports by itself, if no other test has done so before
WALL_LIMIT = 600.0  # seconds per mutant: for tests that wait; those that compute have limits of CPU time of their own


class Fork:
    """A child process that sends JSON lines, in a process group of its own; ``work(send)`` returns its exit status."""

    def __init__(self, work: Callable[[Callable[[Any], None]], int]) -> None:
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 70
            try:
                os.close(reader)
                os.setsid()
                ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL)
                with open(writer, "w", encoding="utf-8", buffering=1) as lines:
                    status = work(lambda what: print(json.dumps(what), file=lines))
            finally:
                os._exit(status)
        os.close(writer)
        self.reader = reader

    def lines(self, limit: float | None = None) -> Iterator[Any]:
        """What the child sends, until it ends, or ``limit`` seconds have passed."""
        end = None if limit is None else time.monotonic() + limit
        text = b""
        while select.select([self.reader], [], [], None if end is None else max(0.0, end - time.monotonic()))[0]:
            part = os.read(self.reader, 1 << 16)
            if not part:
                break
            *whole, text = (text + part).split(b"\n")
            yield from map(json.loads, whole)

    def end(self) -> int:
        """Ends the child and all that it started; its exit status, or minus a signal's number."""
        os.close(self.reader)
        ended, status = 0, 0
        for _ in range(50):
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                break
            time.sleep(0.01)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if not ended:
            _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)


def enter(root: Path) -> None:
    """Make ``root`` the tree that is imported, in this process and in those it starts.

    An editable install has a finder that knows the checkout. It comes last, after ``PYTHONPATH``, so that it only finds
    what the tree does not have; here it is removed, too.
    """
    sys.meta_path[:] = [finder for finder in sys.meta_path if not _is_editable(finder)]
    for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
        del sys.modules[name]
    os.chdir(root)
    sys.path.insert(0, str(root))
    sys.dont_write_bytecode = True
    os.environ.update(PYTHONPATH=str(root), PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS="1")
    os.environ["TORCH_EXTENSIONS_DIR"] = str(_extensions(root))  # not the user's, which is built of other sources
    log = os.open(root.with_name("log"), os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    for stream in (0, 1, 2):
        os.dup2(log, stream)


def _is_editable(finder: Any) -> bool:
    """Whether this is setuptools' finder of editable installs, whose module is named after the package."""
    return str(getattr(finder, "__module__", "")).startswith("__editable__")


def verdict(child: Fork) -> tuple[str, str]:
    """(status, the last test begun) of a process that runs tests: ``survived``, ``killed`` or ``timeout``."""
    begin = time.monotonic()
    last = deque(child.lines(WALL_LIMIT), maxlen=1)
    late = time.monotonic() - begin > WALL_LIMIT
    status = child.end()
    if status in (0, 5):  # passed; nothing to run
        return "survived", ""
    return ("timeout" if late or status == -signal.SIGPROF else "killed"), "".join(last)


def _extensions(root: Path) -> Path:
    return root.with_name("torch-extensions")


def limit_memory() -> None:
    """Lets this process, and those it starts, have :data:`MEMORY` more bytes to write to than it has.

    Not of addresses: WebAssembly programs (Yosys) reserve more than that, and use little of it.
    """
    used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY, used + MEMORY))


def limit_time(seconds: float) -> None:
    """Ends the process after twice the CPU time that the test takes without a fault, and some for imports."""
    signal.setitimer(signal.ITIMER_PROF, IMPORTS + 2.0 * seconds)
