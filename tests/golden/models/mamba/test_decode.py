"""The streaming Mamba-1 against the whole-sequence one and against transformers' cached generation."""

import pytest
import torch
from transformers import MambaConfig as HFConfig
from transformers import MambaForCausalLM

from qse_hw.golden.errors import InputTypeError
from qse_hw.golden.models.mamba import generate
from qse_hw.golden.models.mamba.checkpoint import load_model
from qse_hw.golden.models.mamba.decode import MambaDecoder
from qse_hw.golden.models.mamba.model import Mamba
from tests.golden.quantize.graphs import Capture

IDS = torch.randint(61, (2, 12), generator=torch.Generator().manual_seed(2))
FLOAT32 = {"dtype": torch.float32, "state": torch.float32}


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def oracle(request) -> MambaForCausalLM:
    torch.manual_seed(1)
    config = HFConfig(
        vocab_size=61, hidden_size=48, num_hidden_layers=3, state_size=8, conv_kernel=3, expand=3, time_step_rank=5,
        tie_word_embeddings=request.param, bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    model = MambaForCausalLM(config).eval()
    with torch.no_grad():  # nothing may hide behind ones and zeros
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return model


@pytest.fixture(scope="module")
def model(oracle, tmp_path_factory) -> Mamba:
    folder = tmp_path_factory.mktemp("model")
    oracle.save_pretrained(folder)
    return load_model(folder)


@torch.no_grad()
def test_each_step_is_the_models(model):
    decoder = MambaDecoder.of(model, batch=2, **FLOAT32)
    stepped = torch.stack([decoder.step(column) for column in IDS.unbind(1)], dim=1)
    expected = model(IDS)
    assert expected.abs().max() > 1
    assert (stepped - expected).norm() < 1e-5 * expected.norm()  # sums in another order
    decoder.reset()
    assert torch.equal(decoder.prefill(IDS), stepped[:, -1])


def test_tokens_equal_transformers_cached_generation(oracle, model):
    expected = oracle.generate(IDS, max_new_tokens=10, do_sample=False, use_cache=True)[:, IDS.shape[1] :]
    decoder = MambaDecoder.of(model, batch=2, **FLOAT32)
    assert torch.equal(decoder.generate(IDS, 10), expected)


@torch.no_grad()
def test_float16_is_near(model):
    decoder = MambaDecoder.of(model, batch=2)
    assert {state.dtype for state in decoder.states()} == {torch.float16}
    tied = model.lm_head.weight is model.backbone.embedding.weight
    assert (decoder.head.data_ptr() == decoder.embedding.data_ptr()) == tied
    matrices = {"in_proj", "x_proj", "dt_proj", "out_proj"}
    for layer in decoder.layers:
        assert {name for name, value in layer.named_buffers() if value.dtype == torch.float16} == matrices | {
            "window", "state"
        }  # fmt: skip
    logits, expected = decoder.prefill(IDS), model(IDS)[:, -1]
    assert not torch.equal(logits, expected)
    assert (logits - expected).norm() < 0.02 * expected.norm()


def test_a_step_can_be_captured(model, monkeypatch):
    plain, replayed = (MambaDecoder.of(model, batch=2) for _ in range(2))
    capture = Capture(monkeypatch)
    replayed._ready = generate.captured(replayed.advance)
    replayed.reset()
    assert torch.equal(replayed.generate(IDS, 8), plain.generate(IDS, 8))
    assert capture.replays == IDS.shape[1] + 7
    assert all(torch.equal(a, b) for a, b in zip(replayed.states(), plain.states(), strict=True))


def test_capturing_leaves_state_and_token_as_they_were(model, monkeypatch):
    """On a GPU ``ready`` captures by itself, in the middle of a text as well."""
    plain, late = (MambaDecoder.of(model, batch=2) for _ in range(2))
    for decoder in (plain, late):
        decoder.prefill(IDS)
    Capture(monkeypatch)
    late._ready = None
    late.token = late.token.as_subclass(OnGPU)
    late.ready()
    late.token = late.token.as_subclass(torch.Tensor)
    assert torch.equal(late.token, plain.token)
    assert torch.equal(late.logits, plain.logits)
    assert all(torch.equal(a, b) for a, b in zip(late.states(), plain.states(), strict=True))
    assert torch.equal(late.generate(IDS[:, :1], 5), plain.generate(IDS[:, :1], 5))


class OnGPU(torch.Tensor):
    """Says that it is on a GPU."""

    is_cuda = True


@pytest.mark.every(2)
def test_layers_compile_whole_and_once(model, monkeypatch):
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda region, *, options, **how: compile_(region, backend=backend, **how))
    generate.fused.cache_clear()
    torch.compiler.reset()
    decoder, plain = (MambaDecoder.of(model, batch=2, compiled=compiled, **FLOAT32) for compiled in (True, False))
    assert torch.equal(decoder.generate(IDS, 5), plain.generate(IDS, 5))
    assert len(graphs) == 2  # a layer, the head
    generate.fused.cache_clear()
    torch.compiler.reset()


def test_other_models_are_refused():
    with pytest.raises(InputTypeError, match=r"^Model must be a Mamba of this package, not Linear$"):
        MambaDecoder.of(torch.nn.Linear(2, 2))
