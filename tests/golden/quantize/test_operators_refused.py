"""What the PyTorch operators refuse: each time one sentence, whatever the mistake."""

import math
import warnings

import numpy as np
import pytest
import torch

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import Segment, SegmentedFormat
from qse_hw.golden.quantize import operators
from tests.golden.quantize.test_operators_inputs import FLOAT8, FLOATS, INTEGERS

SE8, SE9, SCALE = load_format("se8"), load_format("se9-paper"), Scale.from_step(0.0176)
FEW = SegmentedFormat(name="few", bits=8, kind="offset", segments=(Segment(codes=100, log2_step=0, first_code=0),))


def scaled(call):
    """Every operator that takes a scale."""
    x = torch.ones(3)
    return {
        "quantize": lambda scale: operators.quantize(x, SE8, scale),
        "dequantize": lambda scale: operators.dequantize(x.to(torch.uint8), SE8, scale),
        "fake_quantize": lambda scale: operators.fake_quantize(x, SE8, scale),
        "quantize_histogram": lambda scale: operators.quantize_histogram(x, SE8, scale),
    }[call]


PER_TENSOR = "Scale must be one number, as formats are per tensor, not of shape"
BAD_SCALES = {
    "per channel": (torch.ones(6), rf"^{PER_TENSOR} \(6,\)$"),
    "per channel, kept axes": (torch.ones(1, 6, 1), rf"^{PER_TENSOR} \(1, 6, 1\)$"),
    "empty": (torch.ones(0), rf"^{PER_TENSOR} \(0,\)$"),
    "NumPy, per channel": (np.ones(2), rf"^{PER_TENSOR} \(2,\)$"),
    "list": ([0.1], r"^Scale must be a number, not \[0.1\]$"),
    "None": (None, "^Scale must be a number, not None$"),
    "text": ("0.1", "^Scale must be a number, not '0.1'$"),
    "bool": (True, "^Scale must be a number, not True$"),
    "bool tensor": (torch.tensor(True), "^Scale must be a number, not True$"),
    "NumPy bool": (np.bool_(True), "^Scale must be a number, not "),
    "complex": (1j, "^Scale must be a number, not 1j$"),
    "complex tensor": (torch.tensor(1j), "^Scale must be a number, not 1j$"),
    "on the meta device": (torch.tensor(0.1, device="meta"), "^Scale must be a number, not tensor.*meta"),
    "zero": (0, "^Scale must be finite and positive, not 0.0$"),
    "negative zero": (-0.0, "^Scale must be finite and positive, not -0.0$"),
    "zero tensor": (torch.tensor([0.0]), "^Scale must be finite and positive, not 0.0$"),
    "negative": (-0.5, "^Scale must be finite and positive, not -0.5$"),
    "negative tensor": (torch.tensor(-0.5), "^Scale must be finite and positive, not -0.5$"),
    "NaN": (math.nan, "^Scale must be finite and positive, not nan$"),
    "NaN tensor": (torch.tensor(math.nan), "^Scale must be finite and positive, not nan$"),
    "infinite": (-math.inf, "^Scale must be finite and positive, not -inf$"),
    "infinite tensor": (torch.tensor(math.inf), "^Scale must be finite and positive, not inf$"),
    "huge integer": (10**400, "^Scale must be finite and positive, not inf$"),
    "too small": (torch.tensor(1e-40), r"^Scale must be from 2\*\*-100 to 2\*\*100, not "),
    "too large": (1e31, r"^Scale must be from 2\*\*-100 to 2\*\*100, not 1e\+31$"),
}


@pytest.mark.parametrize("call", ["quantize", "dequantize", "fake_quantize", "quantize_histogram"])
@pytest.mark.parametrize("what", BAD_SCALES)
def test_refused_scales(call, what):
    scale, said = BAD_SCALES[what]
    with pytest.raises(InputError, match=said) as caught:
        scaled(call)(scale)
    assert "\n" not in str(caught.value)


def quietly(make):
    """Some of these tensors are made with warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


X = torch.ones(2, 3)
NOT_DENSE = {
    "a list": (lambda: [1.0], "must be a PyTorch tensor, not list"),
    "an array": (lambda: np.ones(3), "must be a PyTorch tensor, not ndarray"),
    "nothing": (lambda: None, "must be a PyTorch tensor, not NoneType"),
    "sparse": (lambda: X.to_sparse(), "must be a dense tensor, not torch.sparse_coo"),
    "sparse rows": (lambda: X.to_sparse_csr(), "must be a dense tensor, not torch.sparse_csr"),
    "mkldnn": (lambda: X.to_mkldnn(), "must be a dense tensor, not torch._mkldnn"),
    "quantized": (lambda: torch.quantize_per_tensor(X, 0.1, 0, torch.qint8),
                  "must be a dense tensor, not a quantized tensor"),
    "nested": (lambda: torch.nested.nested_tensor([X[0], X[0, :2]]), "must be a dense tensor, not a nested tensor"),
    "jagged": (lambda: torch.nested.nested_tensor([X[0], X[0, :2]], layout=torch.jagged),
               "must be a dense tensor, not a nested tensor"),
}  # fmt: skip


@pytest.mark.parametrize("what", NOT_DENSE)
def test_refused_tensors(what):
    make, said = NOT_DENSE[what]
    x = quietly(make)
    for call in (operators.quantize, operators.fake_quantize, operators.quantize_histogram):
        with pytest.raises(InputError, match=f"^x {said}$"):
            call(x, SE8, SCALE)
    with pytest.raises(InputError, match=f"^Codes {said}$"):
        operators.dequantize(x, SE8, SCALE)
    with pytest.raises(InputError, match=f"^Codes {said}$"):
        operators.linear(x, torch.ones(2, 3, dtype=torch.int8), SE8)
    with pytest.raises(InputError, match=f"^Weight {said}$"):
        operators.linear(torch.ones(2, 3, dtype=torch.uint8), x, SE8)


OTHERS = (
    "bool",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int64",
    "complex32",
    "complex64",
    "complex128",
    "float4_e2m1fn_x2",
)
TAKES = "Array dtype must be one of float16, bfloat16, float32, float64, int8, int16, int32"
VALUES = "Values must have a dtype of float16, bfloat16, float32, float64"


@pytest.mark.parametrize("name", OTHERS)
def test_refused_dtypes(name):
    x = quietly(lambda: torch.zeros(16, dtype=torch.uint8).view(getattr(torch, name)))
    for call in (operators.quantize, operators.quantize_histogram):
        with pytest.raises(InputError, match=f"^{TAKES}, not {name}$"):
            call(x, SE8, SCALE)
    with pytest.raises(InputError, match=f"^{VALUES}, not {name}$"):
        operators.fake_quantize(x, SE8, SCALE)


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOAT8], ids=str)
def test_dtypes_that_values_cannot_have(dtype):
    said = f"^{VALUES}, not {str(dtype).removeprefix('torch.')}$"
    with pytest.raises(InputError, match=said):
        operators.fake_quantize(torch.ones(3).to(dtype), SE8, SCALE)
    with pytest.raises(InputError, match=said):
        operators.dequantize(torch.ones(3, dtype=torch.uint8), SE8, SCALE, dtype=dtype)


def test_exponents():
    for dtype in (*FLOATS, *FLOAT8):
        with pytest.raises(InputError, match=r"^Exponent must be 0 for floating-point inputs, not 2$"):
            operators.quantize(torch.ones(3).to(dtype), SE8, SCALE, exponent=2)
    with pytest.raises(InputError, match=r"^Exponent must be from -64 to 64, not 65$"):
        operators.quantize(torch.ones(3, dtype=torch.int8), SE8, SCALE, exponent=65)


@pytest.mark.parametrize(
    ("format", "codes", "said"),
    [
        (SE8, torch.ones(3), "Codes of format se8 must have dtype torch.uint8, not torch.float32"),
        (SE8, torch.ones(3, dtype=torch.int8), "Codes of format se8 must have dtype torch.uint8, not torch.int8"),
        (
            SE9,
            torch.ones(3, dtype=torch.uint8),
            "Codes of format se9-paper must have dtype torch.int16, not torch.uint8",
        ),
        (
            FEW,
            torch.tensor([[1, 2], [200, 3]], dtype=torch.uint8),
            "Codes must be ones that format few assigns, not 200",
        ),
        (SE9, torch.tensor([3, -1], dtype=torch.int16), "Codes must be ones that format se9-paper assigns, not -1"),
        (SE9, torch.tensor(512, dtype=torch.int16), "Codes must be ones that format se9-paper assigns, not 512"),
    ],
)
def test_refused_codes(format, codes, said):
    with pytest.raises(InputError, match=f"^{said}$"):
        operators.dequantize(codes, format, SCALE)


@pytest.mark.parametrize(
    ("codes", "weight", "said"),
    [
        ((3,), torch.ones(2, 3), r"Weight must be int8 \(out, in\), not torch.float32 \(2, 3\)"),
        ((3,), torch.ones(3, dtype=torch.int8), r"Weight must be int8 \(out, in\), not torch.int8 \(3,\)"),
        ((3, 4), torch.ones(2, 3, dtype=torch.int8),
         r"Codes must have the weight's 3 inputs as the last axis, not shape \(3, 4\)"),
        ((), torch.ones(2, 1, dtype=torch.int8),
         r"Codes must have the weight's 1 inputs as the last axis, not shape \(\)"),
        ((3,), torch.ones(2, 3, dtype=torch.int8, device="meta"),
         "Codes and weight must be on one device, not on cpu and meta"),
    ],
)  # fmt: skip
def test_refused_products(codes, weight, said):
    with pytest.raises(InputError, match=f"^{said}$"):
        operators.linear(torch.ones(codes, dtype=torch.uint8), weight, SE8)
    with pytest.raises(InputError, match=r"^Codes of format se8 must have dtype torch.uint8, not torch.float32$"):
        operators.linear(torch.ones(codes), weight, SE8)
