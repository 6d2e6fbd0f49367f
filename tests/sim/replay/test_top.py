"""The simulation's top module, from the ports of both units."""

import re

import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.sim.replay.top import NAME, VERILATOR_CONFIG, top
from tests.golden.formats import oracles


def units(**parameters):
    config = EncoderConfig(format=oracles.make("se9-paper"), input=input_type("s16"), **parameters)
    return emit(config), emit(DecoderConfig(format=config.format, lanes=config.lanes))


@pytest.fixture(scope="module")
def pair():
    return units(lanes=3, scale_bits=8, counter_width=5)


def declared(text):
    ports = re.findall(r"^  (input|output) wire(?: \[(\d+):0\])? (\w+) /\*verilator public_flat_rw\*/,?$", text, re.M)
    return {name: (direction, int(high or 0) + 1) for direction, high, name in ports}


def test_ports(pair):
    assert declared(top(*pair)) == {
        "clk": ("input", 1), "rst": ("input", 1), "clear": ("input", 1),
        "i__payload": ("input", 48), "i__valid": ("input", 1), "i__ready": ("output", 1),
        "link__payload": ("output", 27), "link__valid": ("output", 1), "link__ready": ("output", 1),
        "o__payload": ("output", 36), "o__valid": ("output", 1), "o__ready": ("input", 1),
        "scale_m": ("input", 8), "scale_k": ("input", 9),
        "saturated": ("output", 1), "nan": ("output", 1), "saturation_count": ("output", 5), "invalid": ("output", 1),
    }  # fmt: skip


def test_every_pin_is_connected_once(pair):
    text = top(*pair)
    for unit, name in zip(pair, ("encoder", "decoder"), strict=True):
        pins = re.search(rf"^  qse_{name} {name} \((.*)\);$", text, re.M)[1]
        net_of = dict(re.findall(r"\.(\w+)\((\w+)\)", pins))
        assert sorted(net_of) == sorted(port["name"] for port in unit.ports)
        streams = {"encoder": {"i": "i", "o": "link"}, "decoder": {"i": "link", "o": "o"}}[name]
        for pin, net in net_of.items():
            stream, _, member = pin.partition("__")
            assert net == (f"{streams[stream]}__{member}" if member else pin)


def test_without_a_counter():
    text = top(*units(counter_width=0))
    assert "saturation_count" not in text
    assert declared(text)["i__payload"] == ("input", 16)


def test_one_module(pair):
    assert re.findall(r"^module (\w+) \($", top(*pair), re.M) == [NAME]


def test_the_lanes_that_verilator_is_told_of_exist(pair):
    text = pair[0].text + pair[1].text
    named = re.findall(r'-module "(\w+)"', VERILATOR_CONFIG)
    assert sorted(named) == ["qse_decoder_lane", "qse_encoder_lane"]
    assert all(re.search(rf"^module {name} \(", text, re.M) for name in named)
