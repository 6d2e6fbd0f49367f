"""The harness's answers against sums of the model's own log-softmax; generation, rolling windows, refusals."""

import json
import math
import os
import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.constants
import numpy as np
import pytest
import torch

from qse_hw.golden.errors import InputError
from qse_hw.golden.evaluate import lm_eval as harness
from qse_hw.golden.evaluate.lm_eval import HarnessModel, Metric, Tasks
from qse_hw.golden.models.mamba.initial import initialize
from qse_hw.golden.models.mamba.model import Mamba, MambaConfig
from qse_hw.golden.models.mamba.text import Bytes

torch.set_num_threads(1)
pytestmark = pytest.mark.full  # the harness alone takes seconds to import
HERE = Path(__file__).parent / "tasks"


@pytest.fixture(scope="session")
def model():
    made = Mamba(MambaConfig(d_model=16, n_layer=2, vocab_size=256)).eval().requires_grad_(False)
    initialize(made, 3)
    made.backbone.embedding.weight.mul_(20)  # so that predictions are not all alike
    return made


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    for path in HERE.iterdir():
        if path.suffix == ".yaml":
            (folder / path.name).write_text(path.read_text().replace("FOLDER", str(folder)))
        else:
            shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="session")
def tasks(folder):
    return Tasks(["tiny_choice", "tiny_prose"], folder)


def by_hand(model, context: str, continuation: str) -> float:
    """The continuation's log likelihood in nats, one context after another."""
    before, after = list(context.encode()), list(continuation.encode())
    total = 0.0
    for id in after:
        logits = model(torch.tensor([before]))[0, -1].double()
        total += float(logits[id] - logits.logsumexp(0))
        before.append(id)
    return total


def requests(*arguments):
    return [SimpleNamespace(args=one) for one in arguments]


@pytest.mark.full
def test_tasks_by_hand(model, tasks):
    metrics = {(one.task, one.metric): one for one in tasks.run(HarnessModel(model, Bytes()))}
    right, normalized = [], []
    for line in map(json.loads, (HERE / "choice.jsonl").read_text().splitlines()):
        nats = np.array([by_hand(model, line["question"], " " + choice) for choice in line["choices"]])
        right.append(nats.argmax() == line["answer"])
        normalized.append((nats / [len(choice) for choice in line["choices"]]).argmax() == line["answer"])
    for metric, answers in (("acc", right), ("acc_norm", normalized)):
        one = metrics["tiny_choice", metric]
        assert one.value == np.mean(answers)
        assert one.stderr == pytest.approx(np.std(answers, ddof=1) / 2)
        assert (one.samples, one.higher_is_better) == (4, True)
    texts = ["The whale swam away, and nobody saw it again.", "She opened the letter with a trembling hand.", "£5"]
    nats = -sum(by_hand(model, "\n", text) for text in texts)
    bits = metrics["tiny_prose", "bits_per_byte"]
    assert bits.value == pytest.approx(nats / math.log(2) / sum(len(text.encode()) for text in texts), rel=1e-5)
    assert (bits.stderr, bits.samples, bits.higher_is_better) == (None, 3, False)


@pytest.mark.full
def test_limit_and_same_answers_twice(model, tasks):
    metrics = tasks.run(HarnessModel(model, Bytes()), limit=2)
    assert {one.samples for one in metrics} == {2}
    assert tasks.run(HarnessModel(model, Bytes()), limit=2) == metrics


def test_loglikelihood_in_batches(model):
    pairs = [("The ship", " sails"), ("", "x"), ("\n", "é!"), ("a" * 50, "b"), ("ab ", "cd"), ("", "\n")]
    scored = [("The ship", " sails"), ("\n", "x"), ("\n", "\né!"), ("a" * 50, "b"), ("ab", " cd")]  # as HFLM does
    result = HarnessModel(model, Bytes()).loglikelihood(requests(*pairs))
    for (context, continuation), (nats, _) in zip(scored, result[:-1], strict=True):
        assert nats == pytest.approx(by_hand(model, context, continuation), rel=1e-5)
    assert result[-1] == (0.0, True)  # nothing is left to predict after the prefix itself


def test_greedy_or_not(model):
    context = "The ship"
    best = int(model(torch.tensor([list(context.encode())]))[0, -1, :128].argmax())

    def only_ascii(ids):
        logits = model(ids)
        logits[..., 128:] -= 1e3
        return logits

    lm = HarnessModel(only_ascii, Bytes())
    assert [greedy for _, greedy in lm.loglikelihood(requests((context, chr(best)), (context, chr(best ^ 1))))] == [
        True,
        False,
    ]


@pytest.mark.parametrize("length", [4, 7, 100])
def test_rolling(model, length):
    text = "Call me Ishmael."
    (result,) = HarnessModel(model, Bytes(), max_length=length).loglikelihood_rolling(requests((text,)))
    ids, total = [10, *text.encode()], 0.0
    for begin in range(1, len(ids), length):
        end = min(begin + length, len(ids))
        window = torch.tensor([ids[max(0, end - 1 - length) : end]])
        logs = model(window[:, :-1]).double().log_softmax(-1)[0, begin - end :]
        total += float(logs.gather(-1, window[0, begin - end :, None]).sum())
    assert result == pytest.approx(total, rel=1e-5)
    assert HarnessModel(model, Bytes()).loglikelihood_rolling(requests(("",))) == [0.0]


def test_context_is_cut_to_the_last_tokens(model):
    ((cut, _),) = HarnessModel(model, Bytes(), max_length=6).loglikelihood(requests(("0123456789", "ab")))
    assert cut == pytest.approx(by_hand(model, "56789", "ab"), rel=1e-5)
    with pytest.raises(InputError, match="Continuation must be at most the model's 6 tokens, not 7"):
        HarnessModel(model, Bytes(), max_length=6).loglikelihood(requests(("0", "abcdefg")))


def counting(ids):
    """Always the byte after the last."""
    return torch.nn.functional.one_hot((ids + 1) % 256, 256).float()


def test_generation():
    lm = HarnessModel(counting, Bytes())
    assert lm.generate_until(
        requests(
            ("abc", {"until": ["hi", "g"], "max_gen_toks": 9}),
            ("abc", {"until": "z", "max_gen_toks": 4, "do_sample": False, "temperature": 0.0}),
            ("", {"until": [], "max_gen_toks": 2}),
        )
    ) == ["def", "defg", "\v\f"]
    assert len(lm.generate_until(requests(("\x00", {"until": []})))[0]) > 200
    for sampling in ({"do_sample": True}, {"temperature": 0.7}):
        with pytest.raises(InputError, match="Generation must be greedy"):
            lm.generate_until(requests(("a", sampling)))


def metric(value, stderr):
    return Metric(task="t", metric="acc", value=value, stderr=stderr, higher_is_better=True, samples=9)


def test_within_noise():
    assert metric(0.5, 0.03).within_noise(metric(0.58, 0.04)) is True
    assert metric(0.5, 0.03).within_noise(metric(0.61, 0.04)) is False
    assert metric(0.5, None).within_noise(metric(0.6, 0.04)) is None
    assert metric(0.5, None).within_noise(metric(0.5, None)) is True


def test_refusals(folder, tasks, model, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)  # it may have been imported before
    with pytest.raises(InputError, match="Task tiny_missing must have its data on this machine") as caught:
        Tasks(["tiny_choice", "tiny_missing"], folder)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="Task lambada_openai must have its data on this machine"):
        Tasks(["lambada_openai"], folder)
    with pytest.raises(InputError, match="Task nonsense must be one the harness knows"):
        Tasks(["nonsense"], folder)
    with pytest.raises(InputError, match="must be a folder with task definitions"):
        Tasks(["tiny_choice"], folder / "nowhere")
    with pytest.raises(InputError, match="Tasks must be named"):
        Tasks([])
    with pytest.raises(InputError, match="Limit must be at least 1 question per task, not 0"):
        tasks.run(HarnessModel(model, Bytes()), limit=0)
    with pytest.raises(InputError, match="Max length must be at least 1 token, not 0"):
        HarnessModel(model, Bytes(), max_length=0)


@pytest.mark.parametrize("given", [None, "0"])
def test_nothing_is_fetched_unless_one_asks_for_it(monkeypatch, given):
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "0")
        if given is None:
            monkeypatch.delenv(name)
    runpy.run_path(harness.__file__)
    assert os.environ["HF_HUB_OFFLINE"] == os.environ["HF_DATASETS_OFFLINE"] == (given or "1")
