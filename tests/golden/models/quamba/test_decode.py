"""The streaming quantized Mamba against the whole-sequence one.

All but the head is the same operations on the same values, so that on a CPU every code and every float is equal: bits,
not tolerances. The head is a float32 product of another shape, with another order of sums, and where it is 8 bits wide
its step comes after the sum instead of before. What ``torch.compile`` makes of the operations differs in the last bits
of exp, which now and then turns a code over.
"""

import numpy as np
import pytest
import torch

from qse_hw.golden.calibration.quantizers import CodebookQuantizer, SegmentedQuantizer
from qse_hw.golden.errors import InputError, InputTypeError
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.mamba import generate
from qse_hw.golden.models.mamba.checkpoint import load_model
from qse_hw.golden.models.mamba.decode import MambaDecoder
from qse_hw.golden.models.mamba.model import MambaConfig
from qse_hw.golden.models.mamba.text import read_text
from qse_hw.golden.models.quamba import fused_ops
from qse_hw.golden.models.quamba.calibrate import calibrate_quamba
from qse_hw.golden.models.quamba.decode import Hadamard, QuambaDecoder
from qse_hw.golden.models.quamba.integer import dequantize, quantize, requantize
from qse_hw.golden.models.quamba.model import QuambaMamba
from qse_hw.golden.reference.hadamard import transform_tensor
from tests.golden.models.quamba.conftest import random_model
from tests.golden.quantize.graphs import Capture

BATCH, LENGTH, VOCABULARY = 2, 7, 23
FORMATS = ["int8", "se8:L=8", "se8-silu:K=40,zero_point=30", "se9-paper", "int8-asym:zero_point=20"]


@pytest.fixture(scope="module")
def base():
    """d_inner 96 = 12 * 8; float16 values in embedding and head, as decoders keep them."""
    model = random_model(MambaConfig(d_model=48, n_layer=2, vocab_size=VOCABULARY, d_state=8, dt_rank=5))
    for p in (model.backbone.embedding.weight, model.lm_head.weight):
        p.copy_(p.half())
    ids = torch.randint(VOCABULARY, (96,), generator=torch.Generator().manual_seed(7))
    return model, calibrate_quamba(model, ids, tokens=96, sequence=24, alpha=0.99)


def quantized(base, spec="se8-silu:K=40,zero_point=30", **options):
    model, calibration = base
    format = load_format(spec)
    scales = [Scale.from_step(float(layer.x.step) * 0.5) for layer in calibration.layers]
    quantizers = [SegmentedQuantizer(format=format, scale=scale) for scale in scales]
    return QuambaMamba(model, calibration, quantizers, **options)


def prompt(length=LENGTH, seed=8):
    return torch.randint(VOCABULARY, (BATCH, length), generator=torch.Generator().manual_seed(seed))


class Seen:
    """Stands where regions are compiled; keeps what went into and came out of each, step by step."""

    def __init__(self):
        self.calls = {}

    def __call__(self, region):
        def watched(*args):
            given = [arg.clone() if isinstance(arg, torch.Tensor) else arg for arg in args]
            result = region(*args)
            self.calls.setdefault(region.__name__, []).append((given, result))
            return result

        return watched

    def layer(self, name, number, layers):
        return self.calls[name][number::layers]


def over_time(tensors):
    """(b, l, ...) of a list of (b, ...)."""
    return torch.stack(list(tensors), dim=1)


def check_equal(model, decoder, ids, atol=1e-5):
    """Every tap of every layer and the logits."""
    taps = [{} for _ in model.layers]
    logits = model(ids, lambda layer, name, value: taps[layer].update({name: value.clone()}))
    decoder.fuse = seen = Seen()
    stepped = over_time(decoder.step(column) for column in ids.unbind(1))
    for number, (block, tap) in enumerate(zip(model.layers, taps, strict=True)):
        normalize, convolve, project, scan, finish = (
            seen.layer(name, number, len(model.layers))
            for name in ("normalize", "convolve", "project", "scan", "finish")
        )
        results = {
            "norm": over_time(out for _, out in normalize),
            "in_proj": over_time(given[0] for given, _ in convolve),
            "x": over_time(out[0] for _, out in convolve),
            "x_decoded": over_time(fused_ops.decoded(*given[:2]) for given, _ in scan),
            "x_proj": over_time(torch.cat(out, dim=-1) for _, out in project),
            "dt_proj": over_time(given[2] for given, _ in scan),
            "y": over_time(out.half() for _, out in scan),
        }
        results["xz"] = requantize(results["in_proj"], block.to_xz)
        results["dt"] = requantize(results["dt_proj"], block.to_dt)
        results["conv"] = block.conv.accumulate(results["xz"].chunk(2, dim=-1)[0])
        results["y_code"] = block.out_proj.quantize(results["y"])
        sums = over_time(given[1] for given, _ in finish)
        assert torch.equal(sums, block.out_proj.linear(results["y_code"]))
        before, after = (over_time(tensors) for tensors in ([given[0] for given, _ in finish], [o for _, o in finish]))
        results["out"] = tap["out"]
        assert all(torch.equal(out.half().double(), out) for _, out in scan)
        assert torch.equal(after, before + tap["out"])
        assert {name: torch.equal(value, tap[name]) for name, value in results.items()} == dict.fromkeys(tap, True)
        gate = over_time(out[1] for _, out in convolve)
        assert torch.equal(gate, results["xz"].chunk(2, dim=-1)[1])
    assert torch.equal(over_time(given[0] for given, _ in seen.calls["head"]), after)
    torch.testing.assert_close(stepped, logits, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("spec", FORMATS)
def test_equal_to_the_model_in_every_format(base, spec):
    model = quantized(base, spec)
    check_equal(model, QuambaDecoder.of(model, batch=BATCH), prompt())


def test_equal_to_the_model_on_real_text():
    """One sequence of the bundled model: one differing bit would turn codes over within a few tokens."""
    model, ids = load_model(), read_text().ids[:96]
    quantized = QuambaMamba(model, calibrate_quamba(model, ids, tokens=96, sequence=96), state="fp16")
    check_equal(quantized, QuambaDecoder.of(quantized), ids.view(1, -1), atol=1e-4)


def test_models_that_are_not_quantized():
    said = r"^Model must be a QuambaMamba, which QuambaMamba\(model, calibrate_.* makes of a Mamba-1, not Mamba$"
    with pytest.raises(InputError, match=said):
        QuambaDecoder.of(load_model())
    calibrating = lambda model, ids: calibrate_quamba(model, ids, tokens=1)  # noqa: E731
    for make in (QuambaMamba, lambda model, _: MambaDecoder.of(model), calibrating):
        with pytest.raises(InputError, match=r"^Model must be a Mamba(-1)? of this package.*, not Linear"):
            make(torch.nn.Linear(2, 2), None)


@pytest.mark.parametrize("reads", ["code", "int8"])
@pytest.mark.parametrize("state", ["fp32", "fp16", "int8"])
def test_equal_to_the_model_with_every_state(base, state, reads):
    model = quantized(base, state=state, x_proj_input=reads, quantize_head=True)
    decoder = QuambaDecoder.of(model, batch=BATCH)
    check_equal(model, decoder, prompt())
    dtypes = {"fp32": torch.float32, "fp16": torch.float16, "int8": torch.int8}
    assert [tensor.dtype for tensor in decoder.states()] == 2 * [torch.int8, dtypes[state]]
    assert all(tensor.count_nonzero() for tensor in decoder.states())


def test_weights_are_held_in_8_bits(base):
    decoder = QuambaDecoder.of(quantized(base, quantize_head=True), batch=BATCH)
    matrices = {name: value for name, value in decoder.named_buffers() if value.dim() == 2 and value.numel() > 500}
    wide = {name.split(".")[-1] for name, value in matrices.items() if value.dtype != torch.int8}
    assert wide <= {"A", "logits"}
    assert decoder.embedding.dtype == decoder.head.dtype == torch.int8
    assert decoder.embedding.data_ptr() == decoder.head.data_ptr()  # tied
    assert QuambaDecoder.of(quantized(base)).head.dtype == torch.float16


def test_a_head_of_its_own(base):
    model = quantized(base)
    model.head = 2 * model.head
    decoder = QuambaDecoder.of(model)
    assert decoder.embedding.data_ptr() != decoder.head.data_ptr()
    assert torch.equal(decoder.head, 2 * decoder.embedding)


def test_generation_is_greedy_and_goes_on(base):
    model = quantized(base, state="int8")
    decoder = QuambaDecoder.of(model, batch=BATCH)
    ids = whole = prompt()
    for _ in range(6):
        whole = torch.cat((whole, model(whole)[:, -1:].argmax(-1)), dim=1)
    expected = whole[:, LENGTH:]
    assert torch.equal(decoder.generate(ids, 6), expected)
    assert not torch.equal(decoder.generate(ids, 6), expected), "the state was not looked at"
    decoder.reset()
    first = decoder.generate(ids, 4)
    assert torch.equal(torch.cat((first, decoder.generate(first[:, -1:], 2)), dim=1), expected)
    decoder.reset()
    torch.testing.assert_close(decoder.prefill(ids), model(ids)[:, -1], rtol=1e-5, atol=1e-5)


def test_a_step_can_be_captured(base, monkeypatch):
    """What replays a recording of the step gives what a decoder gives that runs it; see Capture for what it refuses."""
    model = quantized(base, state="fp16", quantize_head=True)
    plain, replayed = (QuambaDecoder.of(model, batch=BATCH) for _ in range(2))
    capture = Capture(monkeypatch)
    kept = [*replayed.states(), replayed.token, replayed.logits]
    before, addresses = [tensor.clone() for tensor in kept], [tensor.data_ptr() for tensor in kept]
    replayed._ready = generate.captured(replayed.advance)
    for tensor, value in zip(kept, before, strict=True):
        tensor.copy_(value)
    calls = len(capture.calls)
    assert torch.equal(replayed.generate(prompt(), 9), plain.generate(prompt(), 9))
    assert capture.replays == LENGTH + 8
    assert len(capture.calls) == calls > 50
    assert [tensor.data_ptr() for tensor in [*replayed.states(), replayed.token, replayed.logits]] == addresses
    assert all(torch.equal(a, b) for a, b in zip(replayed.states(), plain.states(), strict=True))


def test_regions_compile_whole_and_once_for_all_layers(base, monkeypatch):
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda region, *, options, **how: compile_(region, backend=backend, **how))
    generate.fused.cache_clear()
    torch.compiler.reset()
    model = quantized(base, quantize_head=True)
    decoder, plain = (QuambaDecoder.of(model, batch=BATCH, compiled=compiled) for compiled in (True, False))
    assert torch.equal(decoder.generate(prompt(), 5), plain.generate(prompt(), 5))
    assert len(graphs) == 6  # normalize, convolve, project, scan, finish, head
    generate.fused.cache_clear()
    torch.compiler.reset()


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:`torch.jit.:DeprecationWarning")  # of Inductor itself
def test_compiled_regions_differ_in_the_last_bits_of_exp_and_of_the_heads_sum_alone(base):
    """Inductor's vectors compute exp by another routine."""
    decoder = QuambaDecoder.of(quantized(base, state="int8", quantize_head=True), batch=1)
    decoder.fuse = seen = Seen()
    for column in prompt(24)[:1].unbind(1):
        decoder.step(column)
    far = {"normalize": 0, "project": 0, "finish": 0, "convolve": 1e-6, "scan": 1e-3, "head": 1e-4}
    assert {*seen.calls} == {*far}
    for name, calls in seen.calls.items():
        region = generate.fused(getattr(fused_ops, name), exact=True)
        for given, expected in calls:
            result = region(*(arg.clone() if isinstance(arg, torch.Tensor) else arg for arg in given))
            torch.testing.assert_close(result, expected, rtol=far[name], atol=far[name])


def test_requantization_equals_the_models():
    draw = torch.Generator().manual_seed(3)
    sums = torch.randint(-(1 << 31), 1 << 31, (4096,), generator=draw).to(torch.int32)
    sums = torch.cat((sums, sums >> 12, sums >> 20, torch.arange(-2048, 2048, dtype=torch.int32)))
    for by in (Scale(M=1 << 15, k=k) for k in (0, 1, 2, 15, 16, 17, 30, 47, 62, 63, 70)):
        assert torch.equal(fused_ops.requantized(sums, fused_ops.requantization(by)), requantize(sums, by)), by
    by = Scale(M=50001, k=24)
    assert torch.equal(fused_ops.requantized(sums, fused_ops.requantization(by)), requantize(sums, by))


def test_rounding_equals_the_models():
    scale = Scale(M=5 << 13, k=14)
    ties = torch.arange(-700, 700) / 5
    x = torch.cat((ties, torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 1e-45])))
    assert torch.equal(fused_ops.rounded(x, fused_ops.factor_of(scale)), quantize(x, scale, "half even"))
    codes = torch.arange(-128, 128).to(torch.int8)
    assert torch.equal(codes.float() * fused_ops.step_of(scale.step), dequantize(codes, scale.step))


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float16, 65504.0), (torch.int8, 127.0)])
def test_states_saturate(dtype, limit):
    """More than 2^20 flows into an empty one."""
    one, half = torch.ones(()), torch.tensor(0.5)
    state = torch.zeros(1, 2, 1, dtype=dtype)
    codes, values = torch.tensor([[1, 1]], dtype=torch.uint8), torch.tensor([0.0, float(1 << 20)])
    by, dt = fused_ops.requantization(Scale(M=1 << 15, k=15)), torch.tensor([[1, 1]], dtype=torch.int32)
    BC, gate = torch.tensor([[1, 1]], dtype=torch.int8), torch.tensor([[1, 1]], dtype=torch.int8)
    bias, A, D = torch.zeros(2), torch.full((2, 1), -(2.0**-7)), torch.zeros(2)
    y = fused_ops.scan(
        codes, values, dt, by, one, bias, A, BC, one, D, gate, half,
        state, one.double(), one,
    )  # fmt: skip
    assert state.flatten().tolist() == [limit, limit]
    assert y.flatten().tolist() == [65504.0, 65504.0]


@pytest.mark.parametrize("n", [1, 2, 24, 40, 80, 96, 512, 1536, 4096, 5120])
def test_the_transform_equals_the_models(n):
    y = torch.randn(3, n, generator=torch.Generator().manual_seed(n)).half().double()
    result = Hadamard(n, torch.device("cpu"))(y)
    assert torch.equal(result, transform_tensor(y, normalize=False))


def test_bad_input(base):
    model, calibration = base
    levels = CodebookQuantizer.nearest(np.linspace(-1, 1, 5))
    other = QuambaMamba(model, calibration, [levels, levels])
    said = r"^Layer 0: x must have a segmented format to be decoded, not CodebookQuantizer$"
    with pytest.raises(InputError, match=said):
        QuambaDecoder.of(other)
    decoder = QuambaDecoder.of(quantized(base), batch=BATCH)
    with pytest.raises(InputError, match=r"^Batch must be at least 1 sequence, not 0$"):
        QuambaDecoder.of(quantized(base), batch=0)
    with pytest.raises(InputError, match=r"^Tokens must be at least 1, not 0$"):
        decoder.generate(prompt(), 0)
    for ids in (prompt()[:1], prompt()[:, :0], prompt()[0]):
        with pytest.raises(InputError, match=r"^Prompt must have shape \(2, at least 1\), not \("):
            decoder.prefill(ids)
    for ids in (torch.full_like(prompt(), VOCABULARY), prompt() - VOCABULARY, prompt().float()):
        with pytest.raises(InputError, match=r"^Prompt must be integers from 0 to 22, the vocabulary's$"):
            decoder.prefill(ids)


@pytest.mark.parametrize(
    ("ids", "tokens", "said"),
    [
        ([[1, 2]], 3, r"^Prompt must be an integer tensor of shape \(1, at least 1\), not \[\[1, 2\]\]$"),
        (np.ones((1, 2), np.int64), 3, r"^Prompt must be an integer tensor of shape "),
        (torch.ones(1, 2), 3, r"^Prompt must be integers from 0 to 22, the vocabulary's$"),
        (torch.ones(1, 2, dtype=torch.bool), 3, r"^Prompt must be integers "),
        (torch.ones(1, 2, dtype=torch.complex64), 3, r"^Prompt must be integers "),
        (torch.ones(1, 2, dtype=torch.int64), "3", r"^Tokens must be an integer, not '3'$"),
        (torch.ones(1, 2, dtype=torch.int64), 3.0, r"^Tokens must be an integer, not 3\.0$"),
    ],
)
def test_odd_arguments_of_generate(base, ids, tokens, said):
    decoder = QuambaDecoder.of(quantized(base))
    with pytest.raises((InputError, InputTypeError), match=said):
        decoder.generate(ids, tokens)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch": "2"}, r"^Batch must be an integer, not '2'$"),
        ({"compiled": "no"}, r"^compiled must be True or False, not 'no'$"),
    ],
)
def test_odd_arguments_of_a_decoder(base, options, said):
    with pytest.raises(InputTypeError, match=said):
        QuambaDecoder.of(quantized(base), **options)
