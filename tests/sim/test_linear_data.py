"""x_proj of the bundled model: what the recipe computes in PyTorch comes out of the Verilog, token by token."""

import numpy as np
import pytest
import torch

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.formats.codes import to_bits
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.mamba.checkpoint import load_model
from qse_hw.golden.models.mamba.text import read_text
from qse_hw.golden.models.quamba.calibrate import calibrate_quamba
from qse_hw.golden.models.quamba.model import QuambaMamba
from qse_hw.golden.quantize.array import quantize
from qse_hw.golden.reference.linear import linear, zero_point_bias
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.linear import LinearConfig
from qse_hw.sim.trace.trace import record
from tests.sim.cycle.linear_stimuli import Job, results, stimulus

TOKENS = 64


@pytest.fixture(scope="module")
def recipe():
    """For a format: per layer the block's x_proj, the codes that it reads (tokens, 512) and its int8 (tokens, 48)."""
    torch.set_num_threads(1)
    model, ids = load_model().requires_grad_(False), read_text().ids
    calibration = calibrate_quamba(model, ids[4096:], tokens=512, sequence=256)

    def run(spec):
        format = load_format(spec)
        factor = 1.0 if format.kind == "twos-complement" else 0.5
        x_quantizers = [
            SegmentedQuantizer(format=format, scale=Scale.from_step(float(layer.x.step) * factor))
            for layer in calibration.layers
        ]
        quantized, seen = QuambaMamba(model, calibration, x_quantizers), {}
        quantized(ids[None, :TOKENS], lambda layer, name, value: seen.update({(layer, name): value[0].numpy()}))
        for number, (block, quantizer) in enumerate(zip(quantized.layers, x_quantizers, strict=True)):
            codes = to_bits(quantize(seen[number, "x"], format, quantizer.scale), format)
            yield format, block.x_proj, codes.astype(np.int64), seen[number, "x_proj"]

    return run


def job(format, x_proj, codes):
    weights = x_proj.linear.codes.numpy().astype(np.int64)
    return Job(weights, zero_point_bias(weights, format), x_proj.by, codes)


@pytest.mark.every(3)
@pytest.mark.parametrize("spec", ["int8", "se8:L=12", "se8-silu:K=40,zero_point=30", "se9-paper"])
def test_golden(recipe, spec):
    """Every layer, every token."""
    for format, x_proj, codes, want in recipe(spec):
        one = job(format, x_proj, codes)
        values, _ = linear(codes, one.weights, one.biases, format, one.scale)
        np.testing.assert_array_equal(values, want)
        assert np.abs(want).max() > 60


@pytest.mark.full
@pytest.mark.parametrize("spec", ["int8", "se8:L=12", "se8-silu:K=40,zero_point=30"])
def test_verilog(recipe, spec, tmp_path, rng):
    """One layer after the other through one unit, whose weights, biases and scale are loaded in between."""
    jobs, wants = [], []
    for number, (format, x_proj, codes, want) in enumerate(recipe(spec)):
        if number < 3:
            tokens = slice(None) if number == 2 else slice(2)
            jobs.append(job(format, x_proj, codes[tokens]))
            wants.append(want[tokens])
    unit = LinearConfig(format=format, inputs=512, outputs=48, rows=8, columns=8)
    given = stimulus(rng, unit, jobs, seed=81)
    trace = record(emit(unit), given, folder=tmp_path)
    np.testing.assert_array_equal(results(trace), np.concatenate(wants).reshape(-1))
