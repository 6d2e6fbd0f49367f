"""Every public call with arguments of every wrong kind: a result, or a sentence with what, the rule and the value."""

import math
import re
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

torch = pytest.importorskip("torch")

import qse_hw  # noqa: E402
from qse_hw import PRESETS, Scale, Segment, SegmentedFormat  # noqa: E402
from qse_hw.golden.models.mamba.model import Mamba, MambaConfig  # noqa: E402
from tests.golden.models.mamba.small import IDS, made  # noqa: E402

ODD = {
    "None": None,
    "text": "x",
    "empty text": "",
    "bytes": b"x",
    "path": Path("nowhere"),
    "object": object(),
    "empty list": [],
    "list": [1.0],
    "dict": {},
    "True": True,
    "zero": 0,
    "negative": -1,
    "huge": 10**30,
    "1.5": 1.5,
    "NaN": math.nan,
    "infinite": math.inf,
    "complex": 1j,
    "NumPy's number": np.float16(2),
    "0-d array": np.array(1.0),
    "1-d array": np.array([1.0, 2.0]),
    "3-d array": np.ones((2, 3, 4)),
    "empty array": np.zeros((0, 3), np.float32),
    "bfloat16 array": np.ones(2, ml_dtypes.bfloat16),
    "array with NaN": np.full((2, 2), np.nan, np.float32),
    "array of text": np.array(["a"]),
    "array of objects": np.array([None]),
    "0-d tensor": torch.tensor(1.0),
    "bfloat16 tensor": torch.ones(2, dtype=torch.bfloat16),
    "meta tensor": torch.ones(2, 2, device="meta"),
    "sparse tensor": torch.ones(2, 2).to_sparse(),
}
SENTENCE = re.compile(r"[A-Zx][^\n]* (must|takes|cannot|does not|is a required) [^\n]+")

FORMAT, SCALE = qse_hw.load_format("se8"), Scale.from_step(0.02)
X = np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8)
CODES = qse_hw.quantize(X, FORMAT, SCALE)
TENSOR, TENSOR_CODES = torch.from_numpy(X), torch.from_numpy(CODES)
WEIGHT = torch.ones(2, 8, dtype=torch.int8)
LAYER = qse_hw.Layer(x=X)
CALIBRATION = qse_hw.calibrate([LAYER], "se8")
SEGMENTED = qse_hw.SegmentedQuantizer(format=FORMAT, scale=SCALE)
OPERATORS = qse_hw.operators


def keywords(make, **sound):
    """By argument: ``make`` with that one odd and the others sound."""
    return {name: lambda odd, name=name: make(**(sound | {name: odd})) for name in sound}


def positions(make, **sound):
    """The same, where arguments go by position."""
    return {name: lambda odd, name=name: make(*(sound | {name: odd}).values()) for name in sound}


def calibrate(**given):
    return qse_hw.calibrate(given.pop("layers", [LAYER]), given.pop("spec", "int8"), **given)


def calls(model, folder):
    """By name, by argument: a function of the odd value."""
    arguments = {
        "load_format": {"spec": qse_hw.load_format},
        "format_from_json": {"document": qse_hw.format_from_json},
        "format_to_json": {"format": qse_hw.format_to_json},
        "input_type": {"name": qse_hw.input_type},
        "InputType.decode": {"bits": qse_hw.input_type("bf16").decode},
        "unit_class": {"name": qse_hw.unit_class},
        "read_calibration": {"path": qse_hw.read_calibration},
        "write_calibration": {
            "path": lambda odd: qse_hw.write_calibration(folder if isinstance(odd, str | Path) else odd, CALIBRATION),
            "calibration": lambda odd: qse_hw.write_calibration(folder / "c.json", odd),
        },
        "Calibration.layer": positions(CALIBRATION.layer, number=0, method="percentile"),
        "Scale": keywords(Scale, M=1 << 15, k=0, bits=16),
        "Scale.from_step": positions(Scale.from_step, step=1.0, bits=16),
        "Segment": keywords(Segment, codes=4, log2_step=0, first_code=0, exact_end=False),
        "SegmentedFormat": keywords(
            SegmentedFormat, name="a", bits=8, kind="offset", segments=(Segment(codes=9, log2_step=0, first_code=0),),
            zero_point=0, narrow_range=False, aliases=(),
        ),
        "quantize, exponent": {"exponent": lambda odd: qse_hw.quantize(X, FORMAT, SCALE, exponent=odd)},
        "quantize_flags": positions(qse_hw.quantize_flags, x=X, format=FORMAT, scale=SCALE),
        "dequantize_integers": positions(qse_hw.dequantize_integers, codes=CODES, format=FORMAT),
        "SegmentedQuantizer": keywords(qse_hw.SegmentedQuantizer, format=FORMAT, scale=SCALE),
        "SegmentedQuantizer.array": {"x": SEGMENTED.array},
        "SegmentedQuantizer.tensor": {"x": SEGMENTED.tensor},
        "FakeQuantize": positions(qse_hw.FakeQuantize, format=FORMAT, scale=SCALE),
        "FakeQuantize.forward": {"x": qse_hw.FakeQuantize(FORMAT, SCALE)},
        "operators.quantize": positions(OPERATORS.quantize, x=TENSOR, format=FORMAT, scale=SCALE),
        "operators.quantize, exponent": {
            "exponent": lambda odd: OPERATORS.quantize(TENSOR, FORMAT, SCALE, exponent=odd)
        },
        "operators.dequantize": positions(OPERATORS.dequantize, codes=TENSOR_CODES, format=FORMAT, scale=SCALE),
        "operators.dequantize, dtype": {
            "dtype": lambda odd: OPERATORS.dequantize(TENSOR_CODES, FORMAT, SCALE, dtype=odd)
        },
        "operators.fake_quantize": positions(OPERATORS.fake_quantize, x=TENSOR, format=FORMAT, scale=SCALE),
        "operators.quantize_histogram": positions(OPERATORS.quantize_histogram, x=TENSOR, format=FORMAT, scale=SCALE),
        "operators.linear": positions(OPERATORS.linear, codes=TENSOR_CODES, weight=WEIGHT, format=FORMAT),
        "Layer": {
            "x": lambda odd: calibrate(layers=[qse_hw.Layer(x=odd)]),
            "weights": lambda odd: calibrate(layers=[qse_hw.Layer(x=X, weights=odd)]),
            "output_error": lambda odd: calibrate(layers=[qse_hw.Layer(x=X, output_error=odd)]),
        },
        "calibrate": keywords(
            calibrate, layers=[LAYER], spec="int8", model="", mode="free", alpha=0.9, scale_bits=16, progress=None
        )
        | {"layer": lambda odd: calibrate(layers=[odd])},
        "calibrate_model": positions(qse_hw.calibrate_model, model=model, ids=IDS[:1, :8], format="int8"),
        "calibrate_model, options": keywords(
            lambda **given: qse_hw.calibrate_model(model, IDS[:1, :8], "int8", **given),
            mode="free", alpha=0.9, scale_bits=16, progress=None,
        ),
        "quantize_model": positions(qse_hw.quantize_model, model=model, calibration=None),
        "record_activations": keywords(
            lambda **given: qse_hw.record_activations(
                folder / "a.safetensors", given.pop("model"), given.pop("modules"), [torch.ones(2, 3)], **given
            ),
            model=torch.nn.Sequential(torch.nn.ReLU()), modules=["0"], side="output", axis=-1, tokens=None,
        ),
        "quantize_weights": {"model": qse_hw.quantize_weights},
        "save_quantized": {
            "model": lambda odd: qse_hw.save_quantized(odd, folder),
            "directory": lambda odd: qse_hw.save_quantized(
                qse_hw.quantize_weights(Mamba(MambaConfig(d_model=8, n_layer=1, vocab_size=8))),
                folder if isinstance(odd, str | Path) else odd,
            ),
        },
        "load_quantized": {"directory": qse_hw.load_quantized},
        "quantize_model, method": {"method": lambda odd: qse_hw.quantize_model(model, CALIBRATION, method=odd)},
    }  # fmt: skip
    for verb, x in (("quantize", X), ("dequantize", CODES), ("fake_quantize", X)):
        of_array, of_tensor = x, torch.from_numpy(x)
        function = getattr(qse_hw, verb)
        arguments[verb] = positions(function, x=of_array, format=FORMAT, scale=SCALE) | {
            "scale of a tensor": lambda odd, function=function, x=of_tensor: function(x, FORMAT, odd)
        }
    for name, make in PRESETS.items():
        sound = dict.fromkeys(make.__annotations__.keys() - {"return"})
        arguments[f"PRESETS[{name}]"] = {
            argument: lambda odd, make=make, argument=argument: make(**{argument: odd}) for argument in sound
        }
    return arguments


@pytest.fixture(scope="module")
def model():
    return made("mamba")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("call", calls(None, Path()))
def test_odd_arguments(call, model, tmp_path):
    raw, tried = [], 0
    for argument, given in calls(model, tmp_path)[call].items():
        for odd, value in ODD.items():
            tried += 1
            try:
                given(value)
            except Exception as error:
                if not isinstance(error, TypeError | ValueError) or not SENTENCE.fullmatch(str(error)):
                    raw.append(f"{argument} = {odd}: {type(error).__name__}: {error}")
    assert not raw
    assert tried or call in ("PRESETS[se9-paper]",)


def test_every_public_name_is_tried():
    tried = {name.partition(",")[0].partition(".")[0].partition("[")[0] for name in calls(None, Path())}
    made_by_calls = {"Calibration", "InputType", "QuantizedArray", "UnitConfig"}  # their makers are tried
    without_arguments = {"InputError", "UNITS", "onnx_translations", "register_quantizer"}
    assert {*qse_hw.__all__} - tried - made_by_calls == without_arguments
