"""Programs made of Verilog and a C++ main: they run, take definitions, and say why they cannot be made."""

import subprocess

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.sim.simulators import simulators as tools
from qse_hw.sim.simulators.simulators import find
from qse_hw.sim.simulators.verilate import verilate

VERILOG = """module adder (input [7:0] a, input [7:0] b, output [8:0] sum);
  assign sum = a + b;
endmodule
"""
MAIN = """#include <cstdio>
#include "Vdut.h"
int main() {
    Vdut dut;
    dut.a = 200;
    dut.b = ADDEND;
    dut.eval();
    std::printf("%d", dut.sum);
}
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "adder.v").write_text(VERILOG)
    (tmp_path / "main.cpp").write_text(MAIN)
    return [tmp_path / "adder.v"], tmp_path / "main.cpp", "adder"


@pytest.mark.full
def test_a_program(files, tmp_path, monkeypatch):
    """Built twice, with different definitions; the second takes Verilator's runtime from the compiler's cache."""
    monkeypatch.setenv("CCACHE_DIR", str(tmp_path / "cache"))
    programs = [verilate(*files, tmp_path / "one", defines=["ADDEND=100"], short=True)]
    programs.append(verilate(*files, tmp_path / "two", defines=["ADDEND=55"], short=True))
    said = [subprocess.run([program], capture_output=True, text=True, check=True).stdout for program in programs]
    assert said == ["300", "255"]
    shown = subprocess.run([find("ccache"), "--print-stats"], capture_output=True, text=True, check=True).stdout
    counts = dict(line.split("\t") for line in shown.splitlines())
    assert int(counts["direct_cache_hit"]) + int(counts["preprocessed_cache_hit"]) > 0


def test_what_does_not_compile_is_told(files, tmp_path):
    sources, main, top = files
    sources[0].write_text("module adder(input a; endmodule\n")
    with pytest.raises(RuntimeError, match=r"(?s)^verilator failed: status \d+\n.*syntax error"):
        verilate(sources, main, top, tmp_path / "obj")


def test_without_verilator(files, tmp_path, monkeypatch):
    monkeypatch.setattr(tools, "search_path", lambda: "")
    with pytest.raises(InputError, match="Program verilator was not found; install"):
        verilate(*files, tmp_path / "obj")
    assert not (tmp_path / "obj").exists()
