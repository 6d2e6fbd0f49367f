"""The decoding part of bench on a tiny shape; its GPU part with stand-ins."""

import json
import statistics
import types

import pytest
import torch

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.model import MambaConfig
from qse_hw.golden.models.mamba.shapes import SHAPES
from qse_hw.study.bench import clock, decode

TINY = MambaConfig(d_model=48, n_layer=2, vocab_size=100)
MODELS = [
    "float16",
    *(f"W8A8, x {x}, state {state}" for x in ("int8", "se8-silu") for state in ("fp16", "int8")),
]


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(SHAPES, "mamba-tiny", TINY)
    monkeypatch.setitem(clock._COPIED, "cpu", 1 << 20)
    monkeypatch.setattr(clock, "_LARGEST", 1000)
    torch.set_num_threads(1)


@pytest.mark.full
def test_figures(tiny, capsys):
    told = []
    figures = json.loads(json.dumps(decode.measure(told.append, shapes=["tiny", "tiny:1"])))
    assert told == pytest.approx([(n + 1) / 10 for n in range(10)])
    assert (figures["device"], figures["tokens"], figures["prompt"], figures["batch"]) == ("cpu", 8, 16, 1)
    assert figures["quoted"]["ratio"] == 1.72
    assert [of["layers"] for of in figures["shapes"].values()] == [2, 1]
    d, n, r = TINY.d_inner, TINY.d_state, TINY.dt_rank
    for of in figures["shapes"].values():
        models, layers = of["models"], of["layers"]
        assert [*models] == MODELS
        slow = models["float16"]
        matrices = layers * (2 * d * 48 + d * (r + 2 * n) + d * r + 48 * d) + 100 * 48
        vectors = 4 * (layers * (48 + 4 * d + d + d + d * n + d) + 48)
        assert slow["weight_bytes"] == 2 * matrices + vectors
        assert slow["state_bytes"] == 2 * layers * (3 * d + d * n)
        for name, model in models.items():
            assert len(model["all_ms"]) == 8
            assert model["ms_per_token"] == statistics.median(model["all_ms"]) > 0
            assert model["speed_over_float16"] == slow["ms_per_token"] / model["ms_per_token"]
            assert model["weight_bytes_over_float16"] == model["weight_bytes"] / slow["weight_bytes"]
            moved = model["weight_bytes"] + 2 * model["state_bytes"]
            assert model["floor_ms"] == pytest.approx(moved / figures["copy_bytes_per_second"] * 1e3)
            assert model["floor_share"] == model["floor_ms"] / model["ms_per_token"]
            assert model["peak_bytes"] is None
            profile = model["profile_ms"]
            assert "aten::mm" in profile
            assert ("qse_hw::linear" in profile) == (name != "float16")
            shares = list(profile.values())
            assert shares == sorted(shares, reverse=True)
            if name != "float16":
                assert model["state_bytes"] == layers * (3 * d + d * n * (1 if "state int8" in name else 2))
                assert matrices < model["weight_bytes"] < slow["weight_bytes"]
                assert 0 <= model["x_saturated"] < 0.02
    decode.show(figures)
    said = capsys.readouterr().out
    for words in (*MODELS, "Mamba-tiny:1, 1 layers", "1.72 x", "arXiv 2410.13229", "ms/token by part: "):
        assert words in said


def test_an_untied_embedding_is_held_but_not_read():
    random = decode._Random(TINY, torch.device("cpu"))
    decoder = random.float16()
    tied = decode._weight_bytes(decoder)
    decoder.head = decoder.head.clone()
    apart = decode._weight_bytes(decoder)
    assert tied["held"] == tied["read"] == apart["held"] - 2 * 100 * 48
    assert apart["read"] == tied["read"] + 2 * 48


@pytest.mark.parametrize("break_it", [lambda d: d.logits[0, 3].fill_(float("nan")), lambda d: d.reset()])
def test_no_figures_of_what_computes_nothing(break_it):
    decoder = decode._Random(TINY, torch.device("cpu")).quantized("se8-silu", "int8")
    decoder.prefill(torch.ones(1, 4, dtype=torch.int64))
    decode._check(decoder)
    break_it(decoder)
    with pytest.raises(SystemExit, match=r"^a decoder's logits are not finite or a state is empty; no figures$"):
        decode._check(decoder)


def test_gpu_times_are_those_between_events(monkeypatch):
    now = iter([0.0, 2.0, 3.5, 7.5])

    class Event:
        def __init__(self, *, enable_timing):
            assert enable_timing

        def record(self):
            self.at = next(now)

        def elapsed_time(self, end):
            return end.at - self.at

    waited = []
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waited.append(True))
    calls = []
    assert clock.times(lambda: calls.append(len(waited)), 3, torch.device("cuda")) == [2.0, 1.5, 4.0]
    assert calls == [0, 0, 0]
    assert waited == [True]


def test_gpu_kernels_are_grouped(monkeypatch):
    spent = {
        "gemv_kernel": 9000, "dequantize_kernel": 300, "quantize_kernel": 600, "triton_red_fused_add_7": 1500,
        "triton_poi_fused_mm_1": 1500, "void gemv2T_kernel_val<double>": 30, "sm90_xmma_gemm_f16": 60,
        "Memcpy DtoD (Device -> Device)": 3, "void at::native::reduce_kernel<512>": 6,
    }  # fmt: skip

    class Profile:
        def __init__(self, *, activities):
            assert activities == [torch.profiler.ProfilerActivity.CUDA]

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def key_averages(self):
            return [types.SimpleNamespace(key=k, self_device_time_total=t) for k, t in spent.items()]

    monkeypatch.setattr(clock, "profile", Profile)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(clock, "_LARGEST", 4)
    groups = clock.profiled(lambda: None, torch.device("cuda"))
    assert [*groups] == ["integer products", "fused", "quantizer", "float products", "all else"]
    assert [round(ms, 6) for ms in groups.values()] == [3.0, 1.0, 0.3, 0.03, 0.003]


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (["3b"], r"^Shape must be one of mamba-130m, .*, not 'mamba-3b'$"),
        (["130m:25"], r"^Layers of 130m must be from 1 to 24, not '25'$"),
        (["130m:x"], r"^Layers of 130m must be from 1 to 24, not 'x'$"),
    ],
)
def test_unknown_shapes(shapes, message):
    with pytest.raises(InputError, match=message):
        decode.measure(print, shapes=shapes)


@pytest.mark.parametrize("device", ["cuda", "meta"])
def test_devices_that_are_not_there(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    sentence = rf"^Device must be cpu, or cuda where PyTorch finds a GPU, not '{device}'$"
    with pytest.raises(InputError, match=sentence):
        decode.measure(print, device=device)
