"""The operators as ONNX, run by ONNX Runtime: every bit is that of the operators, alone and within a model."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("onnxscript", reason="ONNX export needs the extra onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="what runs exported models is in the extra dev")

from qse_hw.golden.errors import InputError  # noqa: E402
from qse_hw.golden.formats.scale import Scale  # noqa: E402
from qse_hw.golden.formats.segmented import SegmentedFormat  # noqa: E402
from qse_hw.golden.models.mamba.model import Mamba  # noqa: E402
from qse_hw.golden.models.mamba.quantize import FakeQuantize, quantize_model  # noqa: E402
from qse_hw.golden.quantize import operators, tensor  # noqa: E402
from qse_hw.golden.quantize.onnx_translations import onnx_translations  # noqa: E402
from tests.golden.formats import oracles  # noqa: E402
from tests.golden.models.mamba.conftest import ours, theirs  # noqa: E402, F401
from tests.golden.models.mamba.small import IDS, QUANTIZERS, logits  # noqa: E402
from tests.golden.quantize.backends import assigned_codes, equal, inputs  # noqa: E402

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # of the exporter itself


def run(module: nn.Module, x: Tensor, feed: Tensor, path: Any) -> list[Tensor]:
    """Export ``module`` for inputs like x (n,), of any length, and let ONNX Runtime run it on ``feed``."""
    program = torch.onnx.export(
        module.eval(), (x,), dynamo=True, custom_translation_table=onnx_translations(), verbose=False,
        dynamic_shapes=({0: torch.export.Dim("n")},) if x.dim() == 1 else None,
    )  # fmt: skip
    program.save(path / "model.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path / "model.onnx", options, providers=["CPUExecutionProvider"])
    results = session.run(None, {session.get_inputs()[0].name: feed.numpy()})
    return [torch.from_numpy(result) for result in results]


class Everything(nn.Module):
    """x, float32 or an integer, converted to ``dtype`` first: codes, values, values where NaN is 0."""

    def __init__(self, format: SegmentedFormat, scale: Scale, dtype: torch.dtype) -> None:
        super().__init__()
        self.format, self.scale, self.dtype = format, scale, dtype

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = x.to(self.dtype)
        codes = operators.quantize(x, self.format, self.scale)
        values = [operators.fake_quantize(x, self.format, self.scale, nan_to_zero=zero) for zero in (False, True)]
        return codes, *(value.float() for value in values)


@pytest.mark.every(60)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", oracles.ORACLES)
def test_every_bit_of_floats(name: str, dtype: torch.dtype, rng: np.random.Generator, tmp_path: Any) -> None:
    """All patterns of 16 bits, or every decision edge; bfloat16, which NumPy has not, within the graph."""
    format, scale = oracles.make(name), oracles.scale_for("fp32", 16)
    module = Everything(format, scale, dtype)
    x = inputs(name, dtype, scale, rng, 1000).float()  # exact
    for result, expected in zip(run(module, x[:2], x, tmp_path), module(x), strict=True):
        assert equal(result.nan_to_num(1e38), expected.nan_to_num(1e38))  # NaN may have another pattern
        assert torch.equal(result.isnan(), expected.isnan())


class Integers(nn.Module):
    """Codes of x times 2^exponent, and what all codes decode to."""

    def __init__(self, format: SegmentedFormat, scale: Scale, exponent: int, codes: Tensor) -> None:
        super().__init__()
        self.format, self.scale, self.exponent = format, scale, exponent
        self.register_buffer("codes", codes)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        dtypes = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
        values = [operators.dequantize(self.codes, self.format, self.scale, dtype=dtype) for dtype in dtypes]
        codes = operators.quantize(x, self.format, self.scale, exponent=self.exponent)
        return codes, *(value.double() for value in values)


@pytest.mark.every(60)
@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32])
@pytest.mark.parametrize("name", oracles.ORACLES)
def test_integers_and_every_code(name: str, dtype: torch.dtype, rng: np.random.Generator, tmp_path: Any) -> None:
    format, scale = oracles.make(name), oracles.scale_for("fp32", 16)
    module = Integers(format, scale, 3 - torch.iinfo(dtype).bits, assigned_codes(name))
    x = inputs(name, dtype, scale, rng, 1000)
    results, expected = run(module, x[:2], x, tmp_path), module(x)
    assert len(results) == 5
    assert all(equal(result, value) for result, value in zip(results, expected, strict=True))


@pytest.mark.full
@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_a_whole_quantized_model(whose: str, theirs: Any, ours: Mamba, tmp_path: Any) -> None:  # noqa: F811
    """What every layer's quantizer makes of its x is golden on every bit; sums round as ONNX Runtime does."""
    model, ids = {"ours": ours, "theirs": theirs}[whose], IDS[:1, :9]
    theirs.config.use_cache = False
    plain = logits(model, ids)
    quantize_model(model, QUANTIZERS)
    seen: list[Tensor] = []
    for module in model.modules():
        if isinstance(module, FakeQuantize):
            module.register_forward_hook(lambda module, args, output: seen.extend((args[0], output)))

    class Watched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: Tensor) -> tuple[Tensor, ...]:
            seen.clear()
            result = self.model(ids)
            return result if isinstance(result, Tensor) else result.logits, *seen

    result, *pairs = run(Watched(), ids, ids, tmp_path)
    expected = logits(model, ids)
    assert (result - expected).square().mean() < 1e-4 * (expected - plain).square().mean()
    assert len(pairs) == 2 * len(QUANTIZERS)
    for quantizer, x, decoded in zip(QUANTIZERS, pairs[::2], pairs[1::2], strict=True):
        codes = tensor.quantize(x, quantizer.format, quantizer.scale)
        assert equal(decoded, tensor.dequantize(codes, quantizer.format, quantizer.scale))
        assert codes.unique().numel() > 20


@pytest.mark.full
def test_float64_is_refused(tmp_path: Any) -> None:
    x = torch.ones(3, dtype=torch.float64)
    with pytest.raises(Exception, match=r"export") as caught:
        run(FakeQuantize(*oracle_of("se8")), x, x, tmp_path)
    causes: list[BaseException] = [caught.value]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    assert any(isinstance(cause, InputError) and "not float64; convert it before" in str(cause) for cause in causes)


def oracle_of(name: str) -> tuple[SegmentedFormat, Scale]:
    return oracles.make(name), oracles.scale_for("fp32", 16)
