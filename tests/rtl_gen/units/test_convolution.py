"""A convolution's configuration: manifest, vectors, generated files."""

import json

import numpy as np
import pytest

from qse_hw.golden.reference.convolution import convolve_scalar, max_bias, windows
from qse_hw.rtl_gen.emit.emit import emit, manifest
from qse_hw.rtl_gen.emit.unit import unit_class
from qse_hw.rtl_gen.units.convolution import ConvolutionConfig
from tests.rtl_gen.emit.test_testbench import check_files
from tests.rtl_gen.test_verilog import off_by_one
from tests.simulators import icarus

PLAIN = ConvolutionConfig(channels=6)
FULL = ConvolutionConfig(channels=70, taps=3, width=9, lanes=2, target="ecp5")
MIXED = ConvolutionConfig(channels=6, lanes=2, sequences=3)


def test_names():
    assert unit_class("convolution") is ConvolutionConfig
    assert (PLAIN.top, PLAIN.label) == ("qse_convolution", "convolution 6 taps=4 s16")
    assert FULL.label == "convolution 70 taps=3 s9 ecp5 x2"
    assert MIXED.label == "convolution 6 taps=4 s16 sequences=3 x2"


def test_manifest():
    document = json.loads(json.dumps(manifest(emit(FULL))))
    assert document["parameters"] == {
        "unit": "convolution", "channels": 70, "taps": 3, "width": 9, "lanes": 2, "sequences": 1, "target": "ecp5"
    }  # fmt: skip
    assert (document["beats_per_token"], document["max_bias"]) == (35, max_bias(9, 3))
    ports = {port["name"]: (port["width"], port["meaning"]) for port in document["ports"]}
    assert ports["i__payload"] == (
        19,
        "inputs, two's complement, 9 bits each, lane 0 in the low bits; top bit: first token of a sequence; beats per "
        "token: 35",
    )
    assert ports["parameters__payload"] == (
        7 + 24 + 54,
        "low bits: address (channel modulo 2 in 1 bits, above them channel / 2); above: 3 int8 taps, the oldest "
        "input's first, int32 bias, M in 16 bits, k in 6",
    )


@pytest.mark.parametrize("config", [PLAIN, FULL, MIXED], ids=lambda config: config.label)
def test_vectors(config):
    arrays = config.vectors()
    numbers = arrays.get("sequence", np.zeros(len(arrays["first"]), np.int64))
    first = np.repeat(arrays["first"][:, None], config.channels, axis=1)
    seen = np.zeros((*first.shape, config.taps), np.int64)
    for number in range(config.sequences):
        own = numbers == number
        assert arrays["first"][own][0]
        seen[own] = windows(arrays["inputs"][own], first[own], config.taps)
    for token, inputs in enumerate(seen):
        for c, one in enumerate(inputs):
            want = convolve_scalar(one.tolist(), *(arrays[name][c].tolist() for name in ("taps", "bias", "M", "k")))
            assert (arrays["outputs"][token, c], arrays["saturated"][token, c]) == want
    assert 0 < arrays["saturated"].sum() < arrays["saturated"].size / 4
    assert (arrays["first"].sum() == 3) == (config.sequences == 1)


@pytest.mark.full
@pytest.mark.parametrize("simulator", ["verilator", icarus])
@pytest.mark.parametrize("config", [PLAIN, FULL, MIXED], ids=lambda config: config.label)
def test_the_files_check_themselves(config, simulator, tmp_path):
    """The generated testbench passes at full speed and with stalls, and fails for a wrong constant."""
    outputs = config.vectors()["outputs"]
    damage = (lambda text: off_by_one(text, int(outputs[0, 0]) % (1 << 16))) if config is PLAIN else None
    check_files(config, simulator, tmp_path, 2 * outputs.size // config.lanes, damage)
