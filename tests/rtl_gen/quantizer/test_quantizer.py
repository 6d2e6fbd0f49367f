"""The quantizer's constructor and its ports; tests/sim/test_quantizer_axi.py covers its behavior."""

import random

import numpy as np
import pytest
from amaranth.hdl import Value
from amaranth.lib.wiring import In

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scalar import quantize
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.bus.axi_lite import AxiLite
from qse_hw.rtl_gen.emit.emit import emit, manifest
from qse_hw.rtl_gen.quantizer.quantizer import Quantizer
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from tests.rtl_gen.bench import refused, simulate
from tests.rtl_gen.formats import make

SCALE = Scale.from_step(0.0176)


def quantizer(name="se8", input_name="bf16", scale=SCALE, **parameters):
    return Quantizer(QuantizerConfig(format=make(name), input=input_type(input_name), scale=scale, **parameters))


def test_no_path_from_an_input_to_an_output():
    """Outputs do not change when inputs change within a cycle; in many cycles, with random bus traffic."""
    dut, draw = quantizer(lanes=2), random.Random(4)
    ports = {name: (Value.cast(value), member.flow) for (name,), member, value in dut.signature.flatten(dut)}
    inputs = [value for value, flow in ports.values() if flow == In]
    outputs = {name: value for name, (value, flow) in ports.items() if flow != In}
    changed = set()

    async def process(ctx, rst):
        last = None
        for _ in range(400):
            seen = [{name: ctx.get(value) for name, value in outputs.items()}]
            for _ in range(3):
                for value in inputs:
                    ctx.set(value, draw.getrandbits(len(value)))
                seen.append({name: ctx.get(value) for name, value in outputs.items()})
            assert all(now == seen[0] for now in seen)
            changed.update(name for name in outputs if last is not None and seen[0][name] != last[name])
            last = seen[0]
            await ctx.tick()

    simulate(dut, process)
    assert changed == set(outputs)


def test_a_beat_that_the_soft_reset_discards_leaves_no_flag():
    """A beat accepted in the cycle of a soft reset is discarded; partly kept bytes in it set no flag."""
    dut, flags = quantizer(), []

    async def process(ctx, rst):
        for port in ("s_axi_bready", "s_axi_rready", "m_axis_tready", "s_axis_tkeep", "s_axis_tlast"):
            ctx.set(getattr(dut, port), 1)
        for port, value in (("wstrb", 0b1111), ("wdata", 2), ("awaddr", 0x10), ("araddr", 0x14)):
            ctx.set(getattr(dut, f"s_axi_{port}"), value)
        for accepted in (4, 5, 6, 8):  # the reset is in cycle 6, in 7 nothing enters
            for cycle in range(30):
                for port, valid in (("awvalid", 0), ("wvalid", 0), ("arvalid", 20)):
                    ctx.set(getattr(dut, f"s_axi_{port}"), int(cycle == valid))
                ctx.set(dut.s_axis_tvalid, int(cycle == accepted))
                assert cycle != accepted or ctx.get(dut.s_axis_tready)
                if ctx.get(dut.s_axi_rvalid):
                    flags.append(ctx.get(dut.s_axi_rdata))
                await ctx.tick()

    simulate(dut, process)
    assert flags == [0, 0, 0, dut.registers["STATUS"].field("PARTIAL_KEEP").mask]


def test_ports_and_manifest():
    unit = emit(QuantizerConfig(format=make("se8"), input=input_type("s12"), scale=SCALE, lanes=3))
    widths = {port["name"]: port["width"] for port in unit.ports}
    assert (widths["s_axis_tdata"], widths["s_axis_tkeep"]) == (48, 6)
    assert (widths["m_axis_tdata"], widths["m_axis_tkeep"]) == (24, 3)
    assert (widths["s_axi_awaddr"], widths["s_axi_wdata"], widths["s_axi_wstrb"]) == (10, 32, 4)
    assert unit.latency == 6
    meanings = {port["name"]: port["meaning"] for port in unit.ports}
    assert meanings["s_axis_tdata"] == "values, s12, in 16 bits each, lane 0 in the low ones"
    assert meanings["m_axis_tdata"] == "codes, in 8 bits each, lane 0 in the low ones"
    assert meanings["s_axi_awaddr"] == "AXI4-Lite, write address"
    assert meanings["s_axi_awprot"] == meanings["s_axi_arprot"] == "AXI4-Lite, ignored"
    assert [entry["name"] for entry in manifest(unit)["registers"]][:2] == ["ID", "VERSION"]


@pytest.mark.parametrize("lanes", [1, 3])
def test_vectors_are_one_packet(lanes):
    """Stimuli and expected outputs for testbenches without Python, against qse_hw.golden.formats.scalar."""
    config = QuantizerConfig(format=make("se8-silu"), input=input_type("s9"), scale=Scale.from_step(2.5), lanes=lanes)
    beats, values = config.beats(), []
    assert beats.inputs.payload == ("s_axis_tdata", "s_axis_tkeep", "s_axis_tlast")
    assert len(beats.inputs.beats) == len(beats.outputs.beats) == -(-512 // lanes)
    for number, (sent, left) in enumerate(zip(beats.inputs.beats, beats.outputs.beats, strict=True)):
        last = number == len(beats.inputs.beats) - 1
        assert sent >> 16 * lanes == (1 << 2 * lanes) - 1 | last << 2 * lanes
        assert left >> 8 * lanes == (1 << lanes) - 1 | last << lanes
        for lane in range(lanes):
            x, code = sent >> 16 * lane & 0xFFFF, left >> 8 * lane & 0xFF
            assert code == quantize(x, config.input, config.format, config.scale).code
            values.append(x)
    assert set(values) == set(range(512))
    assert np.array_equal(config.vectors()["input_bits"], values)


def test_refusals():
    refused(TypeError, "Format must be a SegmentedFormat, not 'se8'", lambda: QuantizerConfig(
        format="se8", input=input_type("s8"), scale=SCALE))  # fmt: skip
    refused(TypeError, "Input must be an InputType, not 's8'", lambda: QuantizerConfig(
        format=make("se8"), input="s8", scale=SCALE))  # fmt: skip
    refused(TypeError, "Scale must be a Scale, not None", lambda: quantizer(scale=None))
    refused(InputError, "Lanes must be from 1 to 1024, not 0", lambda: quantizer(lanes=0))
    refused(InputError, "Target must be one of generic, ecp5, not 'xilinx'", lambda: quantizer(target="xilinx"))
    refused(InputError, "Format set at run time must be sign-magnitude or offset", lambda: quantizer("int8"))
    refused(InputError, "Format set at run time must round at the borders", lambda: quantizer("se9-paper"))
    refused(InputError, "Pipeline must be from 0 to", lambda: quantizer(pipeline=99))
    refused(InputError, "Address width must be from 3 to 32, not 2", lambda: AxiLite(address_width=2))
    refused(InputError, "Address width must be from 3 to 32, not 33", lambda: AxiLite(address_width=33))
