"""Runs a page of the documentation as a reader would: its files are written, its commands and its Python are run.

A page has fenced blocks of four kinds, and runs from top to bottom in one folder:

* with ``title="FILE"``: the content of a file that the reader writes;
* ``console``: commands after ``$``, with lines of what they print below; other lines may stand between those, and
  decimal fractions may differ by 1 %, as PyTorch's sums do from processor to processor;
* ``pycon``: Python's prompt, compared with what it prints as doctest does;
* ``python``: Python that prints nothing.

All Python of a page shares its names. A block below ``<!-- long -->`` is run with ``--full`` only.
"""

import doctest
import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from qse_hw.cli import main

_BLOCK = re.compile(r'^(<!-- long -->\n)?```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_FRACTION = re.compile(r"\d+\.\d+")
KINDS = ("console", "pycon", "python")


class Block(NamedTuple):
    """A fenced block; ``file``: what it is the content of, or ""."""

    long: bool
    kind: str
    file: str
    text: str


class Command(NamedTuple):
    """A command, and lines that it prints, in this order."""

    line: str
    prints: list[str]


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page."""
    return [Block(bool(long), kind, file, text) for long, kind, file, text in _BLOCK.findall(page)]


def commands(text: str) -> Iterator[Command]:
    """The commands of a console block; one that ends with a backslash goes on in the next line."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, prints = part.replace("\\\n", "").partition("\n")
        yield Command(" ".join(line.split()), prints.splitlines())


def walk(page: str, *, long: bool, elsewhere: frozenset[str] = frozenset()) -> None:
    """Run the blocks in the working folder, the long ones if ``long``.

    Args:
        page: its text.
        long: whether to run long blocks.
        elsewhere: commands that are not run here.

    Raises:
        AssertionError: with what was run and what it printed, if that is not what the page shows.
    """
    names: dict[str, Any] = {}
    with ExitStack() as stack:
        for block in blocks(page):
            if block.long and not long:
                continue
            if block.file:
                Path(block.file).parent.mkdir(parents=True, exist_ok=True)
                Path(block.file).write_text(block.text, encoding="utf-8")
            elif block.kind == "console":
                for command in commands(block.text):
                    if command.line not in elsewhere:
                        _run(command, stack)
            elif block.kind == "pycon":
                _prompt(block.text, names)
            else:
                assert block.kind == "python", f"a block must be one of {KINDS} or have a title, not {block.kind}"
                exec(compile(block.text, "page", "exec"), names)


def _run(command: Command, stack: ExitStack) -> None:
    words = shlex.split(command.line, comments=True)
    said = StringIO()
    if words[:3] == ["python", "-m", "qse_hw"]:  # in this process, as starting Python takes longer than most commands
        with redirect_stdout(said), redirect_stderr(said):
            status = main(words[3:])
    else:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        with open("background.log", "a", encoding="utf-8") as log:
            background = words[-1] == "&"
            process = subprocess.Popen(
                words[:-1] if background else words, env=os.environ | {"PATH": path}, text=True,
                stdout=log if background else subprocess.PIPE, stderr=log if background else subprocess.STDOUT,
            )  # fmt: skip
        if background:
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return
        said.write(process.communicate()[0])
        status = process.returncode
    printed = said.getvalue()
    refused = any(re.match("error: [A-Z]", line) for line in command.prints)  # a sentence; a unit prints its error, too
    assert status == (2 if refused else 0), f"{command.line}: status {status}\n{printed}"
    lines = iter(printed.splitlines())
    for wanted in command.prints:
        assert any(_same(line, wanted) for line in lines), f"{command.line}: must print {wanted!r}, not\n{printed}"


def _same(line: str, wanted: str) -> bool:
    """Whether two lines differ in nothing but white space and the last digits of fractions."""
    if _FRACTION.sub("#", line).split() != _FRACTION.sub("#", wanted).split():
        return False
    pairs = zip(_FRACTION.findall(line), _FRACTION.findall(wanted), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=0.01) for a, b in pairs)


def _prompt(text: str, names: dict[str, Any]) -> None:
    test = doctest.DocTestParser().get_doctest(text, names, "page", None, 0)
    said = StringIO()
    failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.write, clear_globs=False).failed
    assert not failed, said.getvalue()
    names.update(test.globs)
