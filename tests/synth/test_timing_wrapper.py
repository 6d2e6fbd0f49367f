import json
from collections import Counter

import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.synth.targets.ecp5 import Ecp5
from qse_hw.synth.timing_wrapper import WRAPPER, timing_wrapper, wrapper_flops

synthesize = Ecp5().synthesize

SCALE = Scale.from_step(0.4, 8)  # 128 / 0.4 saturates


def cells(netlist, top):
    document = json.loads(netlist.read_text())
    return Counter(cell["type"] for cell in document["modules"][top]["cells"].values())


def bare_and_wrapped(config, folder):
    unit = emit(config)
    bare = synthesize(unit.text, config.top, folder)
    wrapped = synthesize(unit.text + timing_wrapper(config.top, unit.ports), WRAPPER, folder)
    return unit, cells(bare, config.top), cells(wrapped, WRAPPER)


def encoder(format="se8", input="s8", **kwargs):
    kwargs = {"scale": SCALE, "counter_width": 0} | kwargs
    return EncoderConfig(format=load_format(format), input=input_type(input), **kwargs)


@pytest.mark.full
@pytest.mark.every(3)
@pytest.mark.parametrize(
    "config",
    [
        pytest.param(encoder(counter_width=4), id="s8"),
        # abc9 stumbles over the names in this one
        pytest.param(encoder(counter_width=4, scale=Scale.from_step(1.7, 8)), id="s8-aliases"),
        pytest.param(encoder(input="bf16", scale=None, lanes=2), id="bf16-runtime", marks=pytest.mark.full),
        pytest.param(encoder(input="fp32"), id="fp32", marks=pytest.mark.full),
        pytest.param(DecoderConfig(format=load_format("se9-paper"), lanes=3), id="decoder"),
    ],
)
def test_the_frame_keeps_all_of_the_unit(config, tmp_path):
    unit, bare, wrapped = bare_and_wrapped(config, tmp_path)
    assert wrapped["MULT18X18D"] == bare["MULT18X18D"]
    assert wrapped["TRELLIS_FF"] == bare["TRELLIS_FF"] + wrapper_flops(unit.ports)
    assert wrapped["CCU2C"] == bare["CCU2C"]


@pytest.mark.full
def test_an_output_left_out_would_be_noticed(tmp_path):
    config = encoder()
    unit = emit(config)
    ports = [port for port in unit.ports if port["name"] != "saturated"]
    wrapped = cells(synthesize(unit.text + timing_wrapper(config.top, ports), WRAPPER, tmp_path), WRAPPER)
    all_ports = cells(synthesize(unit.text + timing_wrapper(config.top, unit.ports), WRAPPER, tmp_path), WRAPPER)
    # the flag's own flop and the lane's, the source of "clear" and the capture
    assert wrapped["TRELLIS_FF"] < all_ports["TRELLIS_FF"] - 2


PASS = "module pass(input clk, input rst, input [{high}:0] a, output reg [{high}:0] b); {body} endmodule\n"


@pytest.mark.full
@pytest.mark.every(3)
@pytest.mark.parametrize("width", [1, 2, 4, 5, 17, 65])
def test_any_number_of_ports(width, tmp_path):
    ports = [
        {"name": name, "direction": direction, "width": bits}
        for name, direction, bits in [
            ("clk", "input", 1),
            ("rst", "input", 1),
            ("a", "input", width),
            ("b", "output", width),
        ]
    ]
    text = PASS.format(high=width - 1, body="always @(posedge clk) if (rst) b <= 0; else b <= ~a;")
    wrapped = cells(synthesize(text + timing_wrapper("pass", ports), WRAPPER, tmp_path), WRAPPER)
    assert wrapped["TRELLIS_FF"] == width + wrapper_flops(ports)
    # one XOR per flop of the tree, and the inverters
    assert wrapped["LUT4"] <= (wrapper_flops(ports) - 1 - 2 * width) + width


def test_the_same_ports_give_the_same_text():
    ports = emit(encoder()).ports
    assert timing_wrapper("qse_encoder", ports) == timing_wrapper("qse_encoder", ports)
