"""The register map: rules that hold in every configuration, and the generated files."""

import re
import shutil
import subprocess

import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.bus.register_files import constants, register_files
from qse_hw.rtl_gen.bus.registers import ACCESS, ADDRESS_WIDTH
from qse_hw.rtl_gen.lane.window import K_MAX, K_MIN
from qse_hw.rtl_gen.quantizer.registers import K_WIDTH, REFUSALS, quantizer_registers
from qse_hw.sim.simulators.simulators import find, search_path
from tests.rtl_gen.formats import ALL, make

FORMATS = [name for name in ALL if make(name).kind != "twos-complement" and not any(
    segment.exact_end for segment in make(name).segments)]  # fmt: skip


def registers(name="se8", input_name="s12e-3", bits=16, lanes=5):
    return quantizer_registers(
        format=make(name), input=input_type(input_name), scale=Scale.from_step(3, bits), lanes=lanes
    )


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("bits", [1, 20])
def test_rules(name, bits):
    register_map = registers(name, bits=bits)
    offsets = [register.offset for register in register_map.registers]
    assert offsets == sorted(set(offsets))
    assert all(offset % 4 == 0 and offset < 1 << ADDRESS_WIDTH for offset in offsets)
    names = [register.name for register in register_map.registers]
    assert len(names) == len(set(names))
    for register in register_map.registers:
        assert register.access in ACCESS
        assert register.meaning
        assert 0 <= register.reset < 1 << 32
        used = 0
        for field in register.fields:
            assert field.low + field.width <= 32
            assert not used & field.mask, register.name
            used |= field.mask
        if register.access == "read-write":
            (field,) = register.fields
            assert field.low == 0
            assert field.of(register.reset) % (1 << 32) == register.reset  # read sign-extended
        else:
            assert register.reset & ~used == 0, register.name
    assert ("ZERO_POINT" in names) == (make(name).kind == "offset")


def test_the_same_offsets_in_every_configuration():
    by_name = {}
    for name in FORMATS:
        for register in registers(name).registers:
            assert by_name.setdefault(register.name, register.offset) == register.offset


def test_what_was_built():
    register_map = registers("se8-silu", "s12e-3", 13, lanes=1024)
    capabilities, input = register_map["CAPABILITIES"], register_map["INPUT"]
    assert {f.name: f.of(capabilities.reset) for f in capabilities.fields} == {
        "LANES": 1024, "BITS": 8, "SEGMENTS": 3, "OFFSET": 1
    }  # fmt: skip
    assert {f.name: f.of(input.reset) for f in input.fields} == {
        "WIDTH": 12, "EXPONENT_BITS": 0, "SCALE_BITS": 13, "EXPONENT": -3
    }  # fmt: skip
    assert register_map["ID"].reset.to_bytes(4, "big") == b"QSEQ"
    step = register_map["SEGMENT2_LOG2_STEP"]
    steps = [register_map[f"SEGMENT{n}_LOG2_STEP"] for n in range(3)]
    assert [register.fields[0].of(register.reset) for register in steps] == [
        segment.log2_step for segment in make("se8-silu").segments
    ]
    assert step.index == step.offset // 4


def test_every_k_and_every_refusal_fits():
    assert -(1 << K_WIDTH - 1) <= K_MIN <= K_MAX < 1 << K_WIDTH - 1
    assert len(REFUSALS) == 1 << registers()["STATUS"].field("ERROR").width


def values(text, pattern):
    return {name: int(value, 16) for name, value in re.findall(pattern, text, flags=re.MULTILINE)}


@pytest.mark.parametrize("name", ["se8", "se8-silu"])
def test_generated_files_agree(name, tmp_path):
    """Python (executed), C (compiled, printed) and Verilog (linted) have the map's constants, the table its registers.

    That hardware agrees is tests/sim/test_quantizer_axi.py's."""
    files, prefix = register_files(registers(name), "qse_quantizer"), "QSE_QUANTIZER_"
    want = {constant.name: constant.value for constant in constants(registers(name))}
    assert len(want) > 100
    python = {}
    exec(files["qse_quantizer_registers.py"], python)
    assert {key: value for key, value in python.items() if key.isupper()} == want
    assert values(files["qse_quantizer_registers.vh"], rf"^localparam \[\d+:0\] {prefix}(\w+) = \d+'h(\w+);$") == want
    for file, text in files.items():
        assert not re.search(r"[^\x20-\x7e\n]", text)
        (tmp_path / file).write_text(text)

    prints = "".join(f'  printf("{name} = 0x%x\\n", {prefix}{name});\n' for name in want)
    include = '#include "qse_quantizer_registers.h"\n'
    (tmp_path / "print.c").write_text(f"#include <stdio.h>\n{include * 2}int main(void) {{\n{prints}  return 0;\n}}\n")
    compiler = shutil.which("gcc") or shutil.which("cc")
    assert compiler is not None
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run([compiler, *strict, "-o", "print", "print.c"], check=True, timeout=60, cwd=tmp_path)
    printed = subprocess.run([tmp_path / "print"], check=True, timeout=60, capture_output=True, text=True).stdout
    assert values(printed, r"^(\w+) = 0x([0-9a-f]+)$") == want

    (tmp_path / "top.v").write_text('module top;\n`include "qse_quantizer_registers.vh"\nendmodule\n')
    verilator = find("verilator")
    assert verilator is not None
    lint = [verilator, "--lint-only", "-Wall", "-Wno-UNUSEDPARAM", "--top-module", "top", "top.v"]
    done = subprocess.run(lint, cwd=tmp_path, timeout=60, env={"PATH": search_path()}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")

    table = files["qse_quantizer_registers.md"]
    for register in registers(name).registers:
        assert f"| `{register.offset:#05x}` | `{register.name}` | {register.access} | `{register.reset:#x}` |" in table
        for field in register.fields:
            assert f"| `{field.name}` | {field.meaning}" in table
