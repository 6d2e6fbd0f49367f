"""A layer's values in whatever array or tensor they come, and calibrating with a format instead of its name."""

import ml_dtypes
import numpy as np
import pytest

from qse_hw.golden.calibration.calibrate import Layer, calibrate
from qse_hw.golden.calibration.calibration import read_calibration, write_calibration
from qse_hw.golden.calibration.sharing import MODES
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import format_from_json, format_to_json, load_format

torch = pytest.importorskip("torch")

FLOAT8 = torch.float8_e4m3fn
X = np.random.default_rng(11).standard_normal((24, 10)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int16", "int32"])
def test_arrays_and_tensors_of_numpy_s_dtypes(dtype):
    x = (20 * X).astype(dtype)
    for given in (x, torch.from_numpy(x), torch.from_numpy(x.reshape(3, 8, 10)), x.reshape(3, 8, 10), x[None]):
        layer = Layer(x=given, weights=given)
        for result in (layer.x, layer.weights):
            assert result.dtype == x.dtype
            assert np.array_equal(result, x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, FLOAT8, torch.float8_e5m2], ids=str)
def test_dtypes_that_numpy_lacks_are_float32(dtype):
    x = torch.from_numpy(X).to(dtype)
    expected = x.float().numpy()
    for given in (x, x.t().contiguous().t(), x.view(2, 12, 10)):
        result = Layer(x=given).x
        assert result.dtype == np.float32
        assert np.array_equal(result, expected)
    name = str(dtype).removeprefix("torch.")
    result = Layer(x=X.astype(getattr(ml_dtypes, name))).x
    assert result.dtype == np.float32
    assert np.array_equal(result, X.astype(getattr(ml_dtypes, name)).astype(np.float32))


def test_tensors_that_are_more_than_memory():
    x = torch.from_numpy(X).requires_grad_()
    assert np.array_equal(Layer(x=x).x, X)
    assert np.array_equal(Layer(x=torch.nn.Parameter(x.detach()) * 1).x, X)
    negative = torch.complex(torch.zeros(24, 10), torch.from_numpy(X)).conj().imag
    assert negative.is_neg()
    assert np.array_equal(Layer(x=negative).x, -X)


SHAPE = r"must have values of shape \(tokens, channels\) or \(batch, tokens, channels\), not "
REFUSED = [
    (X.tolist(), r"must be a NumPy array or a PyTorch tensor, not list$"),
    ([], r"must be a NumPy array or a PyTorch tensor, not \[\]$"),
    (1.5, r"must be a NumPy array or a PyTorch tensor, not 1\.5$"),
    (X[0], SHAPE + r"\(10,\)$"),
    (np.array(1.0), SHAPE + r"\(\)$"),
    (X[None, None], SHAPE + r"\(1, 1, 24, 10\)$"),
    (X[:0], SHAPE + r"\(0, 10\)$"),
    (torch.zeros(3, 0), SHAPE + r"\(3, 0\)$"),
    (X.astype(np.int64), r"must have a floating-point dtype, or int8, int16 or int32, not int64$"),
    (X > 0, r"must have a floating-point dtype, or int8, int16 or int32, not bool$"),
    (X.astype(complex), r"must have a floating-point dtype, .*, not complex128$"),
    (torch.from_numpy(X).to(torch.complex64), r"must have a floating-point dtype, .*, not complex64$"),
    (X.astype(str), r"must have a floating-point dtype, .*, not str1024$"),
    (torch.zeros(2, 2, device="meta"), r"must have values, and the meta device keeps none$"),
    (torch.zeros(2, 2).to_sparse(), r"must be a dense tensor, not torch\.sparse_coo$"),
]


@pytest.mark.parametrize(("given", "said"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_layer(given, said):
    with pytest.raises(InputError, match=f"^Layer x {said}"):
        Layer(x=given)
    with pytest.raises(InputError, match=f"^Layer weights {said}"):
        Layer(x=X, weights=given)


@pytest.mark.every(6)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("spec", ["se8", "tuned:segments=2", "int8"])
def test_what_is_not_finite_is_an_error_that_names_the_layer(bad, mode, spec):
    x = X.copy()
    x[20, 3] = bad
    with pytest.raises(InputError, match=r"^Layer 1: Activations must be finite, but have NaN or infinity$"):
        calibrate([Layer(x=X), Layer(x=torch.from_numpy(x))], spec, mode=mode)


@pytest.mark.parametrize("mode", ["free", "shared"])
@pytest.mark.parametrize("spec", ["se8:L=5", "int8", "se9-paper"])
def test_a_format_is_its_name_with_all_parameters(tmp_path, mode, spec):
    layers = [Layer(x=X), Layer(x=3 * X)]
    calibrations, expected = (calibrate(layers, given, mode=mode) for given in (load_format(spec), spec))
    assert calibrations.layers == expected.layers
    assert calibrations.format == load_format(spec).name
    write_calibration(tmp_path / "c.json", calibrations)
    again = read_calibration(tmp_path / "c.json")
    assert [again.layer(n).quantizer for n in (0, 1)] == [calibrations.layer(n).quantizer for n in (0, 1)]


def test_a_format_of_one_s_own():
    own = format_from_json(format_to_json(load_format("se8:L=3")) | {"name": "own"})
    calibration = calibrate([Layer(x=X)], own)
    assert calibration.format == "own"
    assert calibration.layer(0).format is own
    assert calibration.layer(0, "percentile").format is own
    assert calibration.layer(0).scale == calibrate([Layer(x=X)], "se8:L=3").layer(0).scale
