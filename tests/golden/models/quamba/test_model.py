"""The quantized Mamba-1, row by row of the recipe's table, against Python integers where it is integer."""

import copy
import dataclasses
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from qse_hw.golden.calibration.quantizers import CodebookQuantizer, SegmentedQuantizer
from qse_hw.golden.errors import InputError, InputTypeError
from qse_hw.golden.formats.presets import int8, load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.mamba.checkpoint import fingerprint, load_model
from qse_hw.golden.models.mamba.model import Mamba, MambaConfig
from qse_hw.golden.models.mamba.text import read_text
from qse_hw.golden.models.quamba.calibrate import calibrate_quamba
from qse_hw.golden.models.quamba.layers import decoded_integers
from qse_hw.golden.models.quamba.model import TAPS, QuambaMamba
from qse_hw.golden.quantize import array
from qse_hw.golden.reference import hadamard
from tests.golden.models.quamba import oracle

IDS = torch.randint(23, (2, 9), generator=torch.Generator().manual_seed(8))


def quantizers(calibration, spec, factor=1.0):
    format = load_format(spec)
    return [
        SegmentedQuantizer(format=format, scale=Scale.from_step(float(layer.x.step) * factor))
        for layer in calibration.layers
    ]


def tapped(quantized, ids=IDS):
    """Logits and, per layer, all taps as arrays (tokens, channels)."""
    seen = [{} for _ in quantized.layers]

    def tap(layer, name, value):
        seen[layer][name] = value.flatten(0, 1).numpy()

    return quantized(ids, tap), seen


FORMATS = ["int8", "se8:L=8", "se8-silu:K=40,zero_point=30", "se9-paper", "int8-asym:zero_point=20"]


@pytest.fixture(scope="module", params=FORMATS)
def case(request, model, calibration):
    x_quantizers = quantizers(calibration, request.param, 0.5)
    quantized = QuambaMamba(model, calibration, x_quantizers)
    logits, seen = tapped(quantized)
    return model, calibration, x_quantizers, quantized, logits, seen


def by_layer(case):
    model, calibration, x_quantizers, _, _, seen = case
    return zip(model.blocks, calibration.layers, x_quantizers, seen, strict=True)


def test_taps_have_their_names_and_types(case):
    for taps in case[-1]:
        assert tuple(sorted(taps)) == tuple(sorted(TAPS))
        types = {name: value.dtype.name for name, value in taps.items()}
        assert {types[name] for name in ("norm", "xz", "x_proj", "dt", "y_code")} == {"int8"}
        assert {types[name] for name in ("in_proj", "conv", "dt_proj")} == {"int32"}
        assert {types[name] for name in ("x", "x_decoded", "out")} == {"float32"}
        assert types["y"] == "float16"


def test_residual_norm_and_output(case):
    model, calibration, _, quantized, logits, seen = case
    residual = model.backbone.embedding(IDS).flatten(0, 1)
    for scales, taps in zip(calibration.layers, seen, strict=True):
        normalized = residual * torch.rsqrt(residual.square().mean(-1, keepdim=True) + model.config.eps)
        exact = normalized.double().numpy() * float(scales.norm.reciprocal)
        assert np.abs(taps["norm"] - np.clip(exact, -128, 127)).max() <= 0.5001
        residual = residual + torch.from_numpy(taps["out"])  # float32, never quantized
    expected = model.lm_head(model.backbone.norm_f(residual))
    assert torch.allclose(logits.flatten(0, 1), expected, atol=1e-4)
    assert logits.dtype == torch.float32
    assert torch.equal(quantized(IDS), logits)


def test_ties_of_the_norm_go_to_even(ids):
    """A residual of +-1 is its own norm; at a step of 0.4 it is a tie."""
    model = Mamba(MambaConfig(d_model=12, n_layer=1, vocab_size=23, eps=1e-30)).requires_grad_(False)
    model.backbone.embedding.weight.bernoulli_().mul_(2).sub_(1)
    calibration = calibrate_quamba(model, ids, tokens=48, sequence=24)
    layer = dataclasses.replace(calibration.layers[0], norm=Scale(M=5 << 13, k=14))  # 2.5 steps
    _, seen = tapped(QuambaMamba(model, dataclasses.replace(calibration, layers=(layer,))))
    assert np.array_equal(seen[0]["norm"], 2 * model.backbone.embedding(IDS).flatten(0, 1).numpy())


def test_in_proj_holds_the_norms_weight_and_x_and_z_share_a_scale(case):
    for block, scales, _, taps in by_layer(case):
        folded = (block.mixer.in_proj.weight.double() * block.norm.weight.double()).float()
        codes, step = oracle.weight(folded.numpy())
        accumulators = oracle.linear(taps["norm"], codes)
        assert np.array_equal(taps["in_proj"], accumulators)
        expected = oracle.requantize(accumulators, scales.norm.step * step, scales.xz.step)
        assert np.array_equal(taps["xz"], expected)


def test_conv_has_8_bit_weights_and_bias_and_sums_in_float32(case):
    for block, scales, _, taps in by_layer(case):
        mixer = block.mixer
        codes, step = oracle.weight(mixer.conv1d.weight.squeeze(1).numpy())
        bias_codes, bias_step = oracle.weight(mixer.conv1d.bias.numpy())
        d, width = codes.shape
        x = taps["xz"][:, :d].reshape(*IDS.shape, d)
        expected = np.zeros(x.shape, np.int64)
        for b, t, c in np.ndindex(x.shape):
            expected[b, t, c] = sum(
                int(codes[c, width - 1 - lag]) * int(x[b, t - lag, c]) for lag in range(width) if t >= lag
            )
        accumulators = taps["conv"].reshape(x.shape)
        assert np.array_equal(accumulators, expected)
        scale, bias = np.float32(scales.xz.step * step), bias_codes.astype(np.float32) * np.float32(bias_step)
        total = accumulators.astype(np.float32) * scale + bias
        silu = total.astype(np.float64) / (1 + np.exp(-total.astype(np.float64)))
        np.testing.assert_allclose(taps["x"].reshape(x.shape), silu, rtol=1e-6, atol=1e-7)


def test_x_is_quantized_once_and_x_proj_reads_the_decoded_integers(case):
    for block, scales, quantizer, taps in by_layer(case):
        format, scale = quantizer.format, quantizer.scale
        codes = array.quantize(taps["x"], format, scale)
        assert np.array_equal(taps["x_decoded"], array.dequantize(codes, format, scale))
        integers = array.dequantize_integers(codes, format)
        weights, step = oracle.weight(block.mixer.x_proj.weight.numpy())
        input_step = scale.step / Fraction(2) ** format.fraction_bits
        expected = oracle.requantize(oracle.linear(integers, weights), input_step * step, scales.x_proj.step)
        assert np.array_equal(taps["x_proj"], expected)


def test_dt_proj_leaves_its_bias_out(case):
    for block, scales, _, taps in by_layer(case):
        weights, step = oracle.weight(block.mixer.dt_proj.weight.numpy())
        low = taps["x_proj"][:, : block.mixer.split[0]]
        accumulators = oracle.linear(low, weights)
        assert np.array_equal(taps["dt_proj"], accumulators)
        expected = oracle.requantize(accumulators, scales.x_proj.step * step, scales.dt.step)
        assert np.array_equal(taps["dt"], expected)


def test_scan_runs_on_dequantized_values(case):
    for block, scales, _, taps in by_layer(case):
        expected = scan(block.mixer, scales, taps)
        np.testing.assert_allclose(taps["y"].astype(np.float64), expected, rtol=1e-3, atol=1e-4)


def scan(mixer, scales, taps):
    """y by the equations, in float64, parameters from 8-bit codes."""

    def parameter(p):
        codes, step = oracle.weight(p.numpy())
        return codes * float(step)

    r, n, _ = mixer.split
    dt = taps["dt"] * float(scales.dt.step) + parameter(mixer.dt_proj.bias)
    delta = np.where(dt > 20, dt, np.log1p(np.exp(np.minimum(dt, 20))))
    A, D = -np.exp(parameter(mixer.A_log)), parameter(mixer.D)
    B, C = (taps["x_proj"][:, r + i * n : r + (i + 1) * n] * float(scales.x_proj.step) for i in (0, 1))
    z = taps["xz"][:, len(D) :] * float(scales.xz.step)
    x = taps["x_decoded"].astype(np.float64)
    y = np.empty(x.shape)
    for t in range(len(x)):
        if t % IDS.shape[1] == 0:
            h = np.zeros(A.shape)
        h = np.exp(delta[t, :, None] * A) * h + (delta[t] * x[t])[:, None] * B[t]
        y[t] = (h @ C[t] + D * x[t]) * z[t] / (1 + np.exp(-z[t]))
    return y


def test_y_is_transformed_then_quantized_and_out_proj_holds_the_inverse(case):
    for block, scales, _, taps in by_layer(case):
        d = taps["y"].shape[1]
        H = hadamard.matrix(d)
        units = np.rint(taps["y"].astype(np.float64) * 2**24).astype(np.int64)
        ratio = scales.y.reciprocal / 2**24
        sums = (units @ H.T).tolist()
        codes = np.array([[oracle.clamp(oracle.away(value * ratio)) for value in row] for row in sums])
        assert np.array_equal(taps["y_code"], codes)
        folded = (block.mixer.out_proj.weight.double().numpy() @ H.T / d).astype(np.float32)
        weights, step = oracle.weight(folded)
        accumulators = oracle.linear(codes, weights)
        expected = (accumulators.astype(np.float32) * np.float32(step * scales.y.step)).astype(np.float16)
        assert np.array_equal(taps["out"], expected.astype(np.float32))


def test_the_papers_reading_rounds_twice(model, calibration):
    """x_proj sees INT8 at the percentile scale of the decoded value, the scan the decoded value itself."""
    x_quantizers = quantizers(calibration, "se8", 0.5)
    _, seen = tapped(QuambaMamba(model, calibration, x_quantizers, x_proj_input="int8"))
    for block, scales, quantizer, taps in zip(model.blocks, calibration.layers, x_quantizers, seen, strict=True):
        decoded = quantizer.array(taps["x"])
        assert np.array_equal(taps["x_decoded"], decoded)
        twice = oracle.codes(decoded, scales.x, oracle.away)
        weights, step = oracle.weight(block.mixer.x_proj.weight.numpy())
        expected = oracle.requantize(oracle.linear(twice, weights), scales.x.step * step, scales.x_proj.step)
        assert np.array_equal(taps["x_proj"], expected)


def test_without_quantizers_x_is_quambas_int8_and_both_readings_agree(model, calibration):
    logits = QuambaMamba(model, calibration)(IDS)
    x_quantizers = [SegmentedQuantizer(format=int8(), scale=layer.x) for layer in calibration.layers]
    assert torch.equal(QuambaMamba(model, calibration, x_quantizers)(IDS), logits)
    assert torch.equal(QuambaMamba(model, calibration, x_proj_input="int8")(IDS), logits)


def test_other_quantizers_give_x_proj_their_decoded_values(model, calibration):
    """INT8 as a plain list of levels: the same decoded x, and x_proj the same but for the rounding of the levels."""
    books = []
    for layer in calibration.layers:
        levels = array.dequantize(np.arange(-128, 128).astype(np.int8), int8(), layer.x)
        books.append(CodebookQuantizer.nearest(levels))
    _, expected = tapped(QuambaMamba(model, calibration))
    _, logits = tapped(QuambaMamba(model, calibration, books))
    assert np.array_equal(logits[0]["x_decoded"], expected[0]["x_decoded"])
    assert np.array_equal(logits[0]["x_proj"], expected[0]["x_proj"])


def test_int8_codes_are_the_integers_that_x_proj_reads():
    """And other codes stand for what the format says, in fine steps."""
    codes = torch.arange(-128, 128).to(torch.int8)
    plain = SegmentedQuantizer(format=int8(), scale=Scale.from_step(1.0))
    assert decoded_integers(codes, plain) is codes
    for spec in ("se8", "int8-asym:zero_point=20"):
        format = load_format(spec)
        quantizer = SegmentedQuantizer(format=format, scale=plain.scale)
        result = decoded_integers(torch.arange(256).to(torch.uint8), quantizer)
        assert result.tolist() == [format.decoded[code] for code in range(256)]


def test_state_is_rounded_after_every_step(model, calibration):
    states = ("fp32", "fp16", "int8")
    exact, half, byte = (
        tapped(QuambaMamba(model, calibration, state=state))[1][0]["y"].astype(np.float64) for state in states
    )
    assert 0 < np.abs(half - exact).max() < np.abs(byte - exact).max()
    with pytest.raises(InputError, match="State must be one of fp32, fp16, int8, not 'bf16'"):
        QuambaMamba(model, calibration, state="bf16")


def test_embedding_and_head_are_quantized_on_demand(model, calibration):
    quantized = QuambaMamba(model, calibration, quantize_head=True)
    codes, step = oracle.weight(model.lm_head.weight.numpy())
    expected = codes.astype(np.float32) * np.float32(step)
    assert np.array_equal(quantized.head.numpy(), expected)
    assert np.array_equal(quantized.embedding.numpy(), expected)  # tied
    plain = QuambaMamba(model, calibration)
    assert torch.equal(plain.head, model.lm_head.weight)
    assert torch.equal(plain.embedding, model.backbone.embedding.weight)


def test_a_broken_head_is_named(model, calibration):
    broken = copy.deepcopy(model)
    broken.lm_head.weight = torch.nn.Parameter(torch.full_like(model.lm_head.weight, torch.nan), requires_grad=False)
    its_own = dataclasses.replace(calibration, model=fingerprint(broken))
    QuambaMamba(broken, its_own)  # which is not looked at
    with pytest.raises(InputError, match=r"^lm_head must be finite"):
        QuambaMamba(broken, its_own, quantize_head=True)


def test_the_model_it_is_made_of_does_not_change(model, calibration):
    before = copy.deepcopy(model.state_dict())
    QuambaMamba(model, calibration, quantize_head=True)(IDS)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_what_does_not_fit_is_refused(model, calibration):
    with pytest.raises(InputError, match="one quantizer of x for each of the 2 layers, not 1"):
        QuambaMamba(model, calibration, quantizers(calibration, "se8")[:1])
    with pytest.raises(InputError, match="must be one of code, int8, not 'float'"):
        QuambaMamba(model, calibration, x_proj_input="float")
    other = copy.deepcopy(model)
    other.backbone.norm_f.weight[0] += 1
    with pytest.raises(InputError, match=f"is of {calibration.model[:12]}; calibrate again"):
        QuambaMamba(other, calibration)


@pytest.mark.every(2)
@pytest.mark.parametrize(("spec", "most"), [("int8", 0.01), ("se8:L=12", 0.01)])
def test_the_bundled_model_keeps_its_distribution(bundled, spec, most):
    """KL of the outputs, in nats per token; x alone costs far more at a scale that clips its outliers."""
    model, calibration, ids = bundled
    reference = F.log_softmax(model(ids).double(), -1)
    logits = F.log_softmax(QuambaMamba(model, calibration, quantizers(calibration, spec))(ids).double(), -1)
    kl = (reference.exp() * (reference - logits)).sum(-1).mean().item()
    assert 0 < kl < most


@pytest.fixture(scope="module")
def bundled():
    model, ids = load_model().requires_grad_(False), read_text().ids
    calibration = calibrate_quamba(model, ids[4096:], tokens=2048, alpha=0.99999)
    return model, calibration, ids[:512].view(2, 256)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"calibration": None}, r"^Calibration must be a QuambaCalibration, as calibrate_quamba gives it, not None$"),
        ({"x_quantizers": "se8"}, r"^Quantizers of x must be a sequence of a quantizer for each .*, not 'se8'$"),
        ({"x_quantizers": "ab"}, r"^Quantizers of x must be a sequence "),  # as many letters as layers
        ({"x_quantizers": [None, None]}, r"^Quantizers of x must be a sequence .*, not \[None, None\]$"),
        ({"x_quantizers": 3}, r"^Quantizers of x must be a sequence .*, not 3$"),
        ({"quantize_head": "yes"}, r"^quantize_head must be True or False, not 'yes'$"),
    ],
)
def test_odd_arguments(model, calibration, given, said):
    with pytest.raises(InputTypeError, match=said):
        QuambaMamba(**({"model": model, "calibration": calibration} | given))


@pytest.mark.parametrize("odd", [None, "text", [[1]], np.ones((1, 2), np.int64), torch.ones(2, dtype=torch.int64)])
def test_ids_that_are_no_sequences_of_tokens(model, calibration, odd):
    with pytest.raises(InputTypeError, match=r"^Ids must be an integer tensor \(b, l\), not "):
        QuambaMamba(model, calibration)(odd)


@pytest.mark.parametrize("odd", [torch.ones(1, 2), torch.tensor([[1 << 40]]), torch.tensor([[-1]])])
def test_ids_that_are_no_tokens(model, calibration, odd):
    with pytest.raises(InputError, match=r"^Ids must be "):
        QuambaMamba(model, calibration)(odd)
