"""A scan's configuration: manifest, vectors, generated files."""

import json

import numpy as np
import pytest

from qse_hw.golden.reference.scan import Parameters, scan_scalar, total_bits
from qse_hw.rtl_gen.emit.emit import emit, manifest
from qse_hw.rtl_gen.emit.unit import unit_class
from qse_hw.rtl_gen.scan.scan import FLAGS
from qse_hw.rtl_gen.units.scan import ScanConfig
from tests.rtl_gen.emit.test_testbench import check_files
from tests.rtl_gen.test_verilog import off_by_one
from tests.simulators import icarus

PLAIN = ScanConfig(channels=7, states=2, lanes=2)
FULL = ScanConfig(
    channels=10, layers=2, states=6, lanes=3, x_bits=9, d_bits=20, a_bits=18, state_bits=24, decay_shift=3,
    target="ecp5",
)  # fmt: skip
MIXED = ScanConfig(channels=7, states=2, lanes=2, sequences=3)


def test_names():
    assert unit_class("scan") is ScanConfig
    assert (PLAIN.top, PLAIN.label) == ("qse_scan", "scan 7 states=2 s16 x2")
    assert FULL.label == "scan 10 states=6 s24 layers=2 ecp5 x3"
    assert MIXED.label == "scan 7 states=2 s16 sequences=3 x2"


@pytest.mark.full
def test_manifest():
    document = json.loads(json.dumps(manifest(emit(FULL))))
    assert document["parameters"] == {
        "unit": "scan", "channels": 10, "layers": 2, "states": 6, "lanes": 3, "x_bits": 9, "d_bits": 20, "a_bits": 18,
        "state_bits": 24, "decay_shift": 3, "sequences": 1, "target": "ecp5",
    }  # fmt: skip
    assert document["initiation_interval"] == 2
    assert (document["beats_per_token"], document["coefficients_per_token"]) == (10, 4)
    assert (document["total_bits"], document["least_channels"]) == (total_bits(FULL.widths, 6), 5)
    ports = {port["name"]: (port["width"], port["meaning"]) for port in document["ports"]}
    assert ports["i__payload"] == (
        28,
        "x, two's complement, 9 bits; delta, unsigned, 18 bits; top bit: first token of a sequence; beats per token: "
        "10",
    )
    assert ports["coefficients__payload"] == (
        96,
        "B of 3 states, two's complement, 16 bits each, the first in the low bits; above, C; beats per layer of each "
        "token: 2",
    )
    assert ports["parameters__payload"] == (
        4 + 52,
        "low bits: address (channel); above: M in 16 bits, k in 6, inflow_shift and output_shift in 5 each, D, two's "
        "complement, 20 bits",
    )
    assert ports["decays__payload"] == (
        5 + 54,
        "low bits: address (channel * 2 + state / 3); above: A of 3 states, unsigned, 18 bits each, the first in the "
        "low bits",
    )


def test_the_port_says_whose_token_it_is():
    text = MIXED.meanings()["i__payload"]
    assert "; above, a bit: first token of its sequence; top 2 bits: the sequence's number, below 3; beats" in text


@pytest.mark.parametrize("config", [PLAIN, FULL, MIXED], ids=lambda config: config.label)
def test_vectors(config):
    arrays = config.vectors()
    parameters = Parameters(*(arrays[name] for name in Parameters._fields))
    per_layer, states = config.channels // config.layers, {}
    numbers = arrays.get("sequence", np.zeros(len(arrays["first"]), np.int64)).tolist()
    for token, (first, number) in enumerate(zip(arrays["first"], numbers, strict=True)):
        if first:
            states[number] = [[0] * config.states for _ in range(config.channels)]
        h = states[number]
        for c in range(config.channels):
            B, C = (arrays[name][token, c // per_layer].tolist() for name in "BC")
            x, delta = int(arrays["x"][token, c]), int(arrays["delta"][token, c])
            want = scan_scalar(x, delta, h[c], B, C, parameters, c, config.widths)
            assert (arrays["outputs"][token, c], *(arrays[name][token, c] for name in FLAGS)) == want
    for name in FLAGS:
        assert 0 < arrays[name].sum() < arrays[name].size / 2
    assert set(numbers) == set(range(config.sequences))
    assert (arrays["first"].sum() == 3) == (config.sequences == 1)


@pytest.mark.full
@pytest.mark.parametrize("simulator", ["verilator", icarus])
@pytest.mark.parametrize("config", [PLAIN, FULL, MIXED], ids=lambda config: config.label)
def test_the_files_check_themselves(config, simulator, tmp_path):
    """The generated testbench passes at full speed and with stalls, and fails for a wrong constant."""
    outputs = config.vectors()["outputs"]
    damage = (lambda text: off_by_one(text, int(outputs[0, 0]) % (1 << 16))) if config is PLAIN else None
    check_files(config, simulator, tmp_path, 2 * outputs.size, damage)
