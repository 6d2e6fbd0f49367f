"""The syntax of Liberty files: what is read, what is refused and where, and that Yosys refuses it, too."""

import contextlib
import time

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.synth.cells.liberty_syntax import LibertyError, parse
from qse_hw.synth.yosys import run_native_yosys

GOOD = """library(x) {
  comment : "a // b /* c */"; // a comment
  area : 1.5 /* another
  one */ ;
  wild : no_semicolon
  scaled : VDD + 0.5 ;
  values ("1, 2", \\
          "3, 4");
  cell ("A B", C[3:0]) { pin (Y) { function : "!A"; };
  }
}
"""


def test_reads():
    (library,) = parse(GOOD).groups
    assert (library.kind, library.name, library.line) == ("library", "x", 1)
    assert library.values == {
        "comment": ("a // b /* c */", 2),
        "area": ("1.5", 3),
        "wild": ("no_semicolon", 5),
        "scaled": ("VDD + 0.5", 6),
    }
    values, cell = library.groups
    assert (values.kind, values.arguments, values.line) == ("values", ["1, 2", "3, 4"], 7)
    assert (cell.arguments, cell.line) == (["A B", "C[3 : 0]"], 9)
    assert [pin.text("function") for pin in cell.all("pin")] == ["!A"]
    assert cell.text("none", "default") == "default"


def test_places():
    """From the first letter of the kind to behind the last brace or bracket."""
    (library,) = parse(GOOD).groups
    values, cell = library.groups
    assert GOOD[library.start : library.end] == GOOD[:-1]
    assert GOOD[cell.start : cell.end] == GOOD[GOOD.index("cell (") : GOOD.rindex("\n}")]
    assert GOOD[values.start : values.end] == GOOD[GOOD.index("values (") : GOOD.index(";\n  cell")]


def test_numbers():
    (library,) = parse("library(x) {\n  a : 1e-3;\n  b : inf;\n}\n").groups
    assert (library.number("a"), library.number("none")) == (0.001, None)
    with pytest.raises(LibertyError, match="line 3: b must be a number, not 'inf'"):
        library.number("b")


BAD = [
    ("", "library(x) {\n  a : 1;\n", r"line 1: library \(x\) is never closed"),
    ("cell", "library(x) {\n  cell(a) {\n  b : 1;\n}\n", r"line 1: library \(x\) is never closed"),
    ("comment", "library(x) {\n\n  /* a : 1;\n}\n", "line 3: a comment is never closed"),
    ("quote", 'library(x) {\n  a : "1;\n}\n', "line 2: a quote is never closed"),
    ("newline", "library(x) {\n  cell(a)\n  {\n  }\n}\n", "line 3: unexpected '{'"),
    ("character", "library(x) {\n  @a : 1;\n}\n", "line 2: unexpected '@'"),
    ("module", "module x;\nendmodule\n", "line 1: module must be followed by ':' or '\\('"),
    ("json", '{"a": 1}\n', "line 1: unexpected '{'"),
    ("binary", "library(x) {\n\0\1", "line 2: unexpected '\\\\x00'"),
    ("bracket", "library(x) {\n  a (1, 2\n", "line 3: a bracket is never closed"),
    ("brackets", "library(x) {\n  a (1, (2));\n}\n", "line 2: unexpected '\\(' between brackets"),
]


@pytest.mark.every(3)
@pytest.mark.parametrize(("text", "problem"), [case[1:] for case in BAD], ids=[case[0] or "brace" for case in BAD])
def test_refuses(text, problem, tmp_path):
    """With the line; Yosys does not read it either."""
    with pytest.raises(LibertyError, match=problem):
        parse(text)
    (tmp_path / "x.lib").write_text(text)
    with pytest.raises(InputError):
        run_native_yosys("read_liberty x.lib\n", tmp_path, "log")


def test_refuses_more_than_yosys():
    """Which takes a closing brace too many for the file's end, and leaves out what it does not understand."""
    with pytest.raises(LibertyError, match="line 2: the value of a must end with ';'"):
        parse("library(x) {\n  a : 1 { }\n}\n")
    with pytest.raises(LibertyError, match="line 2: unexpected '}'"):
        parse("library(x) {}\n}\ncell(a) {}")


@pytest.mark.every(3)
@pytest.mark.parametrize("text", ["a(b){" * 50_000, "(" * 500_000, "/*" * 500_000, '"' * 500_001, " " * 3_000_000,
                                  "a(" * 200_000, "a" * 3_000_000, "a:" * 300_000, "//\n" * 200_000])  # fmt: skip
def test_lying_files_take_no_time(text):
    begun = time.process_time()
    with contextlib.suppress(LibertyError):
        parse(text)
    assert time.process_time() - begun < 3
