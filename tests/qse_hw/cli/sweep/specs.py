"""SPEC files for the tests, and a unit that one of them has."""

from functools import cache
from pathlib import Path

from qse_hw.golden.formats.presets import load_format
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.study.sweep import plan, stages

SPEC = """
unit = "encoder"
targets = ["ecp5", "ice40:up5k"]
seeds = 1
[options]
format = ["int8", "se8:L=8", "se8"]
input = ["bf16", "s16e-10"]
scale = "runtime"
arch = ["fused", "parallel"]
[objectives]
maximise = ["sqnr_db"]
minimise = ["comb", "silicon"]
"""
SMALL = SPEC.replace('"int8", "se8:L=8", "se8"', '"int8"').replace(', "parallel"', "")
ONE = """
unit = "encoder"
targets = ["ice40:up5k"]
seeds = 1
[options]
format = "int8"
input = "s8e-4"
scale = "fitted"
scale-bits = 1
counter-width = 0
pipeline = 0
[objectives]
maximise = ["worst_sqnr_db", "fmax"]
minimise = ["comb", "latency"]
"""
CELLS = ONE.replace('"ice40:up5k"', '"cells"').replace("seeds = 1", 'seeds = 1\nliberty = "a.lib"')
LIBERTY = Path(__file__).parents[3] / "synth" / "assets" / "small.lib"

emitted = cache(emit)  # half a second each


def built():
    made = {"format": plan.format_to_json(load_format("int8")), "scale": "1", "input": "s8e-4"}
    unit = emitted(plan.config("encoder", made))
    return stages.Built(about={"name": "one", "unit": "encoder", "parameters": {}}, made=made, emitted=unit)
