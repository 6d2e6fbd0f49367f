"""The C++ launcher: what it makes, what makes it compile anew, several processes at once, its sentences."""

import ctypes
import os
import shutil
import subprocess
import sys

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.compiler import LIBRARY, compile_cpp, load_library

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")

TEXT = 'extern "C" int answer() { return ANSWER; }\nint main() { return ANSWER; }\n'


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "unit.cpp"
    file.write_text(TEXT)
    return file


def kept(tmp_path):
    return sorted((tmp_path / "cache" / "qse-hw" / "compiled").iterdir())


def test_a_library_and_a_program(source):
    library = compile_cpp(source, ("-DANSWER=42", *LIBRARY))
    assert ctypes.CDLL(str(library)).answer() == 42
    assert subprocess.run([compile_cpp(source, ("-DANSWER=43",))], check=False).returncode == 43


def test_compiled_once_for_the_same_source_and_flags(source, tmp_path):
    program = compile_cpp(source, ("-DANSWER=1",))
    made = program.stat().st_mtime_ns
    assert compile_cpp(source, ("-DANSWER=1",)) == program
    assert program.stat().st_mtime_ns == made
    assert kept(tmp_path) == [program]  # no temporary file is left
    others = {compile_cpp(source, ("-DANSWER=2",))}
    source.write_text(TEXT + "\n")
    others.add(compile_cpp(source, ("-DANSWER=1",)))
    assert len(others) == 2
    assert kept(tmp_path) == sorted({program, *others})


def test_compiled_anew_when_a_header_changes(source):
    header = source.with_name("answer.hpp")
    source.write_text('#include "answer.hpp"\nint main() { return ANSWER; }\n')
    programs = []
    for answer in (1, 2):
        header.write_text(f"#define ANSWER {answer}\n")
        programs.append(compile_cpp(source, (), [header]))
    assert [subprocess.run([program], check=False).returncode for program in programs] == [1, 2]


@pytest.mark.parametrize("content", [b"", b"junk"])
def test_a_damaged_library_is_compiled_again(source, content):
    flags = ("-DANSWER=42", *LIBRARY)
    library = compile_cpp(source, flags)
    library.unlink()
    library.write_bytes(content)
    assert load_library(source, flags).answer() == 42
    assert load_library(source, flags).answer() == 42


def test_compiled_anew_by_another_compiler(source, tmp_path, monkeypatch):
    program = compile_cpp(source, ("-DANSWER=1",))
    other = fake_compiler(tmp_path, f'[ "$1" = --version ] && echo other && exit\nexec {shutil.which("g++")} "$@"')
    monkeypatch.setenv("PATH", f"{other.parent}{os.pathsep}{os.environ['PATH']}")
    assert compile_cpp(source, ("-DANSWER=1",)) != program


def test_several_processes_at_once(source, tmp_path):
    code = (
        "import sys, subprocess; from pathlib import Path; from qse_hw.golden.io.compiler import compile_cpp\n"
        "sys.exit(subprocess.run([compile_cpp(Path(sys.argv[1]), ('-DANSWER=7',))]).returncode)"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(source)]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [7, 7, 7]
    assert len(kept(tmp_path)) == 1


def fake_compiler(tmp_path, script):
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "g++"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def test_no_compiler(source, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"^Program g\+\+ was not found; install a C\+\+ compiler \(Debian: "):
        compile_cpp(source, ())


def test_a_compiler_that_fails(source, tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)^g\+\+ failed with status 1 for unit.cpp\n.*ANSWER.*not declared"):
        compile_cpp(source, ())
    assert kept(tmp_path) == []


def test_a_compiler_without_a_version(source, tmp_path, monkeypatch):
    """What it compiles could not be told from what another one does."""
    silent = fake_compiler(tmp_path, f'[ "$1" = --version ] && exit 3\nexec {shutil.which("g++")} "$@"')
    monkeypatch.setenv("PATH", f"{silent.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(RuntimeError, match=r"^g\+\+ failed with status 3"):
        compile_cpp(source, ("-DANSWER=1",))


def test_a_cache_that_cannot_be_written(source, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(InputError, match=r"^Folder .*compiled must be writable, but: .*; set XDG_CACHE_HOME to "):
        compile_cpp(source, ("-DANSWER=1",))
