"""A table in a block RAM: both ports, in Amaranth's simulator and in Verilog; what its parameters hold."""

import subprocess

import pytest

from qse_hw.golden.formats.presets import load_format
from qse_hw.rtl_gen.emit.emit import emit, write
from qse_hw.rtl_gen.logic.block_rom import BlockRom
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from tests.rtl_gen.bench import simulate
from tests.rtl_gen.verilog import commands, environment
from tests.simulators import icarus


def test_both_ports(rng):
    """Two cycles later, and only those count in which it is enabled (here all)."""
    words = rng.integers(0, 1 << 13, 300).tolist()
    dut = BlockRom(words, width=13)
    places = rng.integers(0, 300, (40, 2)).tolist()
    seen = []

    async def process(ctx, rst):
        for first, second in places:
            ctx.set(dut.place0, first)
            ctx.set(dut.place1, second)
            await ctx.tick()
            seen.append((ctx.get(dut.word0), ctx.get(dut.word1)))

    simulate(dut, process)
    assert seen[1:] == [(words[first], words[second]) for first, second in places[:-1]]


@pytest.mark.every(2)
@pytest.mark.parametrize("lanes", [1, 2])
def test_two_lanes_share_a_cell(lanes):
    unit = emit(DecoderConfig(format=load_format("se8"), lanes=lanes, target="ecp5"))
    assert unit.text.count("DP16KD #(") == 1
    assert list(unit.models) == ["DP16KD.v"]
    plain = emit(DecoderConfig(format=load_format("int8"), lanes=lanes, target="ecp5"))
    assert "DP16KD" not in plain.text, "values of int8 are its codes"


@pytest.mark.full
@pytest.mark.parametrize("simulator", ["verilator", icarus])
def test_verilog(simulator, tmp_path):
    """Every code of a format of 9 bits on both ports, stalls included: the unit's own testbench."""
    write(DecoderConfig(format=load_format("se9-paper"), lanes=2, target="ecp5"), tmp_path)
    sources = [tmp_path / name for name in ("qse_decoder.v", "DP16KD.v", "tb_qse_decoder.v")]
    for command in commands(simulator, "tb_qse_decoder", sources, tmp_path):
        done = subprocess.run(
            command, cwd=tmp_path, env=environment("-O0"), capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PASS 512 beats")
