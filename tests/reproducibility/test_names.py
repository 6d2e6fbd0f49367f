"""Amaranth reads a signal's name from the bytecode that stores it, and each Python stores several at once otherwise."""

import ast
from pathlib import Path

import pytest

from qse_hw import rtl_gen

NAMED = {"Signal", "like", "read_port", "write_port"}
FILES = sorted(Path(rtl_gen.__file__).parent.rglob("*.py"))


def unnamed(text):
    """Lines that assign to several names at once what takes its name from its variable."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple)
        for value in node.value.elts
        if isinstance(value, ast.Call)
        and ast.unparse(value.func).rpartition(".")[2] in NAMED
        and not any(keyword.arg == "name" for keyword in value.keywords)
    ]


@pytest.mark.every(3)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_signal_has_a_line_of_its_own(path):
    lines = unnamed(path.read_text(encoding="utf-8"))
    assert not lines, f"{path.name}: lines {lines}: give each signal a line, or a name="


def test_that_is_seen():
    assert unnamed("a, b = Signal(), Signal(3)") == [1, 1]
    assert unnamed("a = 1\na, b = x, memory.read_port(domain='comb')") == [2]
    assert unnamed("a = Signal()\nb = Signal()\nc, d = Signal(name='c'), Signal.like(c, name='d')\ne, f = g()") == []
