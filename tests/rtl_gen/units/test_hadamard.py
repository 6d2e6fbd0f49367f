"""A Hadamard transform's configuration: component, manifest, vectors."""

import json
import math

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.hadamard import growth, transform
from qse_hw.rtl_gen.emit.emit import emit, manifest
from qse_hw.rtl_gen.emit.unit import unit_class
from qse_hw.rtl_gen.hadamard.hadamard import Hadamard
from qse_hw.rtl_gen.units.hadamard import HadamardConfig
from tests.rtl_gen.bench import refused, used


def test_component():
    unit = used(HadamardConfig(size=24, width=5, lanes=2, transpose=True, target="ecp5").component())
    assert type(unit) is Hadamard
    made = unit.config
    assert (made.size, made.width, made.lanes, made.transpose, made.target) == (24, 5, 2, True, "ecp5")


def test_the_component_refuses():
    refused(InputError, "Size must be from 2", lambda: HadamardConfig(size=1, width=8).component())


def test_names():
    assert unit_class("hadamard") is HadamardConfig
    config = HadamardConfig(size=512, width=8)
    assert (config.unit, config.top, config.label) == ("hadamard", "qse_hadamard", "hadamard 512 s8")
    config = HadamardConfig(size=768, width=9, lanes=4, transpose=True, target="ecp5")
    assert config.label == "hadamard 768 s9 transposed ecp5 x4"


def test_the_manifest_tells_everything():
    document = json.loads(json.dumps(manifest(emit(HadamardConfig(size=24, width=5, lanes=2)))))
    assert document["parameters"] == {
        "unit": "hadamard", "size": 24, "width": 5, "lanes": 2, "transpose": False, "target": "generic"
    }  # fmt: skip
    assert (document["output_width"], document["beats_per_vector"]) == (10, 12)
    assert document["gain"] == {"squared": 24, "value": math.sqrt(24)}
    ports = {port["name"]: (port["width"], port["meaning"]) for port in document["ports"]}
    beats = "lane 0 in the low bits; beats per vector: 12"
    assert ports["i__payload"] == (10, f"values, two's complement, 5 bits each, {beats}")
    assert ports["o__payload"] == (20, f"results, two's complement, 10 bits each, {beats}")
    assert document["initiation_interval"] == 1
    assert document["latency"] == used(HadamardConfig(size=24, width=5, lanes=2).component()).latency


def test_the_gain_makes_it_orthonormal(rng):
    x = rng.integers(-128, 128, (10, 160))
    y = transform(x) / HadamardConfig(size=160, width=8).gain
    np.testing.assert_allclose((y**2).sum(axis=1), (x**2).sum(axis=1))


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize(("size", "width"), [(2, 1), (40, 8), (512, 8), (768, 12)])
def test_vectors(size, width, transpose):
    arrays = HadamardConfig(size=size, width=width, transpose=transpose).vectors()
    inputs, outputs = arrays["inputs"], arrays["outputs"]
    np.testing.assert_array_equal(outputs, transform(inputs, transpose=transpose))
    assert inputs.min() == -(1 << (width - 1))
    assert inputs.max() == (1 << (width - 1)) - 1
    limit = 1 << (width + growth(size) - 1)
    assert outputs.min() == -limit or growth(size) != math.log2(size)
    assert -limit <= outputs.min() <= outputs.max() < limit
    assert (np.abs(outputs) == 1 << (width - 1)).all(axis=1).any()  # an impulse
