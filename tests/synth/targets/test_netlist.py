"""What is synthesized behaves as what was emitted: every pattern through the netlist, beside golden."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.vectors import decoder_vectors, expected
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.residual import ResidualConfig
from qse_hw.sim.exhaust.bulk import Bulk
from qse_hw.synth.targets import target
from qse_hw.synth.targets.nextpnr import cell_models
from tests.rtl_gen.verilog import commands, environment
from tests.synth.units import encoder

LIBERTY = Path(__file__).parents[1] / "assets" / "small.lib"
ENCODER = encoder("se8", "s9", scale=Scale.from_step(0.9, 8)).config  # a 9 x 8 multiplier
LARGE = {"input": "s16", "scale": Scale.from_step(59.0)}


def bulk(config, name, folder):
    chosen = target(name, liberty=LIBERTY if name == "cells" else None)
    (folder / "synthesis").mkdir()
    return Bulk(config, folder / "bulk", build=lambda config: chosen.netlist(emit(config), folder / "synthesis"))


def check(config, name, folder):
    patterns = np.arange(1 << config.input.width, dtype=np.uint32)
    answer = bulk(config, name, folder)(patterns)
    wanted = expected(patterns, config.format, config.input, config.scale)
    assert answer.outputs.tolist() == wanted.codes.tolist()
    assert answer.flags["saturated"].tolist() == wanted.saturated.tolist()


@pytest.mark.every(4)
@pytest.mark.parametrize(
    "name", ["ecp5", "ice40:hx8k", "gowin", "cells", pytest.param("ice40:up5k", marks=pytest.mark.full)]
)
def test_an_encoder(name, tmp_path):
    check(ENCODER, name, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("name", ["ecp5", "ice40:hx8k", "ice40:up5k", "gowin", "cells"])
def test_a_wide_encoder(name, tmp_path):
    check(encoder(**LARGE).config, name, tmp_path)


@pytest.mark.full
def test_an_encoder_of_the_ecp5s_own_cells(tmp_path):
    check(encoder(**LARGE, target="ecp5").config, "ecp5", tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("name", ["ecp5", "ice40:hx8k", "gowin", "cells"])
def test_a_decoder(name, tmp_path):
    config = DecoderConfig(format=load_format("se8-silu"))
    codes, values = decoder_vectors(config.format)[:2]
    dut = bulk(config, name, tmp_path)
    assert dut(codes.astype(np.uint32)).outputs.tolist() == dut.as_outputs(values).tolist()


@pytest.mark.full
def test_a_memory_of_cells_is_beside_them(tmp_path):
    """A netlist whose memory is a macro passes the unit's own testbench; if the macro keeps nothing, it does not."""
    unit = emit(ResidualConfig(size=64, width=32))
    (tmp_path / "synthesis").mkdir()
    made = target("cells", liberty=LIBERTY).netlist(unit, tmp_path / "synthesis")
    top = unit.config.top
    assert [line.split()[1].split("(")[0] for line in made.text.splitlines() if line.startswith("module ")] == [
        top, f"{top}_logic", f"{top}_macros",
    ]  # fmt: skip
    cells, macros = made.text.split(f"module {top}_macros")
    assert "[63:0];" in macros
    assert "[63:0];" not in cells
    files = {f"{top}.v": made.text, **made.models}
    files |= unit.config.testbench(unit.ports, unit.latency, sources=list(files))
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    bench = f"tb_{top}"
    sources = [tmp_path / f"{name}.v" for name in (top, bench)] + [tmp_path / name for name in made.models]

    def passes():
        build, simulate = commands("verilator", bench, sources, tmp_path)
        subprocess.run(build, cwd=tmp_path, env=environment("-O0"), capture_output=True, check=True)
        return subprocess.run(simulate, cwd=tmp_path, capture_output=True, text=True).stdout.startswith("PASS ")

    assert passes()
    before, after = made.text.split(f"  {top}_macros ")
    never = after.replace("wr_en(macro0_wr_en)", "wr_en(32'd0)")
    (tmp_path / f"{top}.v").write_text(f"{before}  {top}_macros {never}")
    assert not passes()


LIBRARY = """`define X 1
(* blackbox *)
module BOX(input a); endmodule
module LUT(input a, output z);
  INV inner(a, z);
endmodule
module INV(input a, output z); assign z = ~a; endmodule // one line
"""


def test_models():
    """What a cell is made of comes with it, macros with each; no attribute of the next module."""
    models = cell_models(["LUT", "$scopeinfo", "MULT18X18D"], LIBRARY)
    assert models.keys() == {"LUT.v", "INV.v", "MULT18X18D.v"}
    assert "`define X 1" in models["INV.v"]
    assert models["LUT.v"].rstrip().endswith("endmodule")
    with pytest.raises(InputError, match="Cell RAM has no simulation model; units with it cannot be replayed"):
        cell_models(["RAM"], LIBRARY)
