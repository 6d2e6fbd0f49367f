"""A linear unit's configuration: component, manifest, vectors, generated files."""

import dataclasses
import json

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import format_from_json
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.linear import linear_scalar, max_bias
from qse_hw.rtl_gen.emit.emit import emit, manifest
from qse_hw.rtl_gen.emit.unit import unit_class
from qse_hw.rtl_gen.linear.linear import Linear
from qse_hw.rtl_gen.units.linear import VECTORS, LinearConfig
from tests.rtl_gen.bench import refused, used
from tests.rtl_gen.emit.test_testbench import check_files
from tests.rtl_gen.formats import make
from tests.rtl_gen.test_verilog import off_by_one
from tests.simulators import icarus

SE8 = make("se8")
PLAIN = LinearConfig(format=SE8, inputs=7, outputs=6)
FULL = LinearConfig(format=make("se8-silu"), inputs=7, outputs=12, rows=6, columns=4, target="ecp5")

BLOCK_RAMS = dataclasses.replace(FULL, inputs=70)


@pytest.mark.every(3)
@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"format": "se8"}, TypeError, "Format must be a SegmentedFormat, not 'se8'"),
        ({"inputs": 0}, InputError, "Inputs must be from 1 to 65536, not 0"),
        ({"rows": 5}, InputError, "Rows must divide the 6 outputs, not 5"),
        ({"columns": 2.5}, TypeError, "'float' object cannot be interpreted as an integer"),
        ({"target": "fpga"}, InputError, "Target must be one of generic, ecp5, not 'fpga'"),
    ],
)
def test_the_component_refuses(change, error, text):
    refused(error, text, lambda: dataclasses.replace(PLAIN, **change).component())


def test_component():
    component = used(FULL.component())
    assert type(component) is Linear
    assert (component.config.format, component.config.target, component.tiling) == (FULL.format, "ecp5", FULL.tiling)


def test_names():
    assert unit_class("linear") is LinearConfig
    assert (PLAIN.unit, PLAIN.top, PLAIN.label, PLAIN.lanes) == ("linear", "qse_linear", "linear se8 7:6 1x1", 1)
    assert (FULL.label, FULL.lanes) == ("linear se8-silu 7:12 6x4 ecp5", 3)


def test_parameters():
    document = json.loads(json.dumps(FULL.parameters()))
    assert format_from_json(document.pop("format")) == FULL.format
    want = {"unit": "linear", "inputs": 7, "outputs": 12, "rows": 6, "columns": 4, "target": "ecp5"}
    assert document == want


@pytest.mark.every(2)
@pytest.mark.parametrize("config", [PLAIN, FULL], ids=lambda config: config.label)
def test_manifest(config):
    document = json.loads(json.dumps(manifest(emit(config))))
    assert document["max_bias"] == max_bias(config.format, config.tiling)
    numbers = [document[name] for name in ("beats_per_vector", "output_lanes", "cycles_per_vector")]
    assert numbers == [config.tiling.beats, config.lanes, config.tiling.cycles]
    assert document["initiation_interval"] == config.tiling.tiles
    ports = {port["name"]: port["meaning"] for port in document["ports"]}
    assert {name for name in ports if name.startswith("weights")} == {
        "weights__payload", "weights__valid", "weights__ready"
    }  # fmt: skip
    if config is FULL:
        assert ports["weights__payload"] == (
            "low bits: address (row within its tile in 3 bits, above them tile * 2 + beat); above: the row's int8 "
            "weights of that beat, the first in the low bits"
        )
        assert ports["i__payload"] == "codes, 8 bits each, the first in the low bits; beats per vector: 2"
        assert ports["o__payload"] == "int8 results, the first in the low bits; beats per vector: 4"
        assert ports["biases__payload"] == (
            "low bits: address (row modulo 3 in 2 bits, above them row / 3); above: int32 bias"
        )


@pytest.mark.parametrize("config", [PLAIN, FULL], ids=lambda config: config.label)
def test_vectors(config):
    arrays = config.vectors()
    M, k = int(arrays["scale_m"]), int(arrays["scale_k"])
    assert len(arrays["codes"]) == VECTORS
    for codes, values, flags in zip(arrays["codes"], arrays["results"], arrays["saturated"], strict=True):
        want = linear_scalar(
            codes.tolist(), arrays["weights"].tolist(), arrays["biases"].tolist(), config.format, Scale(M=M, k=k)
        )
        assert values.tolist() == [one.value for one in want]
        assert flags.tolist() == [one.saturated for one in want]
    assert arrays["saturated"].any()
    assert len(np.unique(arrays["results"])) > 50


@pytest.mark.full
@pytest.mark.parametrize("simulator", ["verilator", icarus])
@pytest.mark.parametrize("config", [PLAIN, BLOCK_RAMS], ids=lambda config: config.label)
def test_the_files_check_themselves(config, simulator, tmp_path):
    """The generated testbench passes at full speed and with stalls, and fails for a wrong constant."""
    damage = off_by_one if config is PLAIN else None
    check_files(config, simulator, tmp_path, 2 * VECTORS * config.outputs // config.lanes, damage)
