"""The loss of formats: as eval measures it, and for inputs rounded as the hardware gets them."""

import math

import numpy as np
import pytest

from qse_hw.golden.calibration.candidates import Sample
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.spec import parse_candidate
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.quantize import array
from qse_hw.golden.reference.vectors import expected, to_patterns
from qse_hw.study.sweep.accuracy import Fed, fit, fitted, key, measure


@pytest.mark.parametrize("bits", [1, 16])
def test_a_closed_format_is_fitted_as_eval_does(activations, tensors, bits):
    job = {"activations": str(activations), "format": "se8:L=8", "scale_bits": bits}
    limits = fit(job | {"format": None})["limit_db"]
    quantizers = fitted(fit(job))
    losses = measure(list(tensors.values()), quantizers, input_type("fp32"), limits)
    for number, x in enumerate(tensors.values()):
        sample = Sample(x, scale_bits=bits)
        assert quantizers[number] == sample.fit(parse_candidate("se8:L=8")).quantizer
        assert losses["sqnr_db"][number] == sample.sqnr_db(quantizers[number])
        assert limits[number] == sample.sqnr_db(sample.limit)
        assert losses["distance_db"][number] == limits[number] - losses["sqnr_db"][number] > 0


@pytest.mark.parametrize("format", ["se8", "se8-silu"])
def test_an_open_format_is_one_for_all_layers(activations, tensors, format):
    quantizers = fitted(fit({"activations": str(activations), "format": format, "scale_bits": 8}))
    assert len(quantizers) == len(tensors)
    assert len({one.format for one in quantizers}) == 1
    assert {one.scale.bits for one in quantizers} == {8}


def test_a_format_that_cannot_be_had(tmp_path, rng):
    from qse_hw.golden.io.activations import write_activations

    write_activations(tmp_path / "a", {"layers.0.x": rng.standard_normal((8, 16)).astype(np.float32)})
    result = fit({"activations": str(tmp_path / "a"), "format": str(tmp_path / "none.json"), "scale_bits": 8})
    with pytest.raises(InputError, match=r"^Format file .*none.json"):
        fitted(result)


@pytest.mark.parametrize("name", ["fp32", "fp16", "bf16", "s12e-8", "s16e-12"])
def test_inputs_are_rounded_as_the_unit_gets_them(name, rng):
    """Codes are the golden encoder's on the patterns that are sent to hardware."""
    x = (rng.standard_normal((16, 64)) * 3).astype(np.float32)
    input, format, scale = input_type(name), load_format("se8"), Scale.from_step(0.03)
    codes = expected(to_patterns(x, input).reshape(-1), format, input, scale).codes
    wanted = array.dequantize(codes.astype(array.code_dtype(format)), format, scale).reshape(x.shape)
    fed = Fed(input, SegmentedQuantizer(format=format, scale=scale))
    np.testing.assert_array_equal(fed.array(x), wanted)
    torch = pytest.importorskip("torch")
    assert torch.equal(fed.tensor(torch.from_numpy(x)), torch.from_numpy(wanted))


def test_nothing_lost():
    x = np.arange(-8, 8, dtype=np.float32).reshape(4, 4)
    quantizer = SegmentedQuantizer(format=load_format("int8"), scale=Scale.from_step(1.0))
    assert measure([x], [quantizer], input_type("fp32"), [None]) == {"sqnr_db": [None], "distance_db": [0.0]}
    half = SegmentedQuantizer(format=load_format("int8"), scale=Scale.from_step(2.0))
    losses = measure([x], [half], input_type("fp32"), [None])
    assert losses["distance_db"] == [None]
    assert math.isclose(losses["sqnr_db"][0], 10 * math.log10(344 / 8))  # eight odd values, each off by 1


def test_what_a_fit_depends_on(activations, tmp_path):
    job = {"activations": str(activations), "format": "se8", "scale_bits": 8}
    same = tmp_path / "copy"
    same.write_bytes(activations.read_bytes())
    assert key(job) == key(job | {"activations": str(same)})
    same.write_bytes(activations.read_bytes() + b" ")
    others = [{"activations": str(same)}, {"format": "int8"}, {"scale_bits": 9}]
    assert all(key(job) != key(job | other) for other in others)
