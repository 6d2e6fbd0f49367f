"""Any model, quantized or not, as a model of lm-evaluation-harness, and the harness's tasks, offline.

Source: Gao et al., "A framework for few-shot language model evaluation" (EleutherAI/lm-evaluation-harness). The
tokenization of context and continuation, and the empty context, are those of the harness's own models, so that figures
compare.
"""

import contextlib
import functools
import io
import logging
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

# nothing is downloaded unasked; read when datasets is imported
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")

from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.evaluator import evaluate
from lm_eval.tasks import TaskManager
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from qse_hw.golden.errors import InputError
from qse_hw.golden.evaluate.score import Forward
from qse_hw.golden.models.mamba.text import Tokenizer

MAX_LENGTH = 2048  # tokens of context, as in the training of the published Mambas
MAX_NEW_TOKENS = 256  # if a task does not state it
_BATCH_TOKENS = 4096
_BOOTSTRAP = 1000  # resamples of a perplexity's standard error


class HarnessModel(TemplateLM):
    """Ids to logits, and a tokenizer, as a language model of the harness.

    Args:
        forward: ids (b, l) -> logits (b, l, v).
        tokenizer: of those ids; its ``prefix`` stands for an empty context.
        max_length: the most tokens that ``forward`` is given; earlier ones are cut off.
    """

    def __init__(self, forward: Forward, tokenizer: Tokenizer, *, max_length: int = MAX_LENGTH) -> None:
        super().__init__()
        if max_length < 1:
            raise InputError(f"Max length must be at least 1 token, not {max_length}")
        self._forward, self._codec, self._max_length = forward, tokenizer, max_length

    @property
    def eot_token_id(self) -> int:
        return self._codec.prefix

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> list[int]:
        return self._codec.encode(string)

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        """Per (context, continuation): the continuation's log likelihood in nats, and whether it is the greedy one."""
        answers: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=True)
        return answers

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = True) -> list[float]:
        """Per (text,) its log likelihood in nats: each token counts once, with as much context as fits."""
        pieces: list[tuple[list[int], list[int]]] = []
        owners: list[int] = []
        for owner, request in enumerate(requests):
            ids = self._codec.encode(request.args[0])
            for window in get_rolling_token_windows(ids, self._codec.prefix, self._max_length, 1):
                pieces.append(make_disjoint_window(window))
                owners.append(owner)
        totals = [0.0] * len(requests)
        for owner, (total, _) in zip(owners, self._score(pieces), strict=True):
            totals[owner] += total
        return totals

    @torch.no_grad()
    def generate_until(self, requests: list[Instance], disable_tqdm: bool = True) -> list[str]:
        """Per (context, settings) the greedy continuation up to a stop; every token recomputes all earlier ones.

        Raises:
            InputError: when a task wants sampling.
        """
        texts = []
        for request in requests:
            context, settings = request.args
            if settings.get("do_sample") or settings.get("temperature"):
                raise InputError("Generation must be greedy (do_sample: false, temperature: 0); change the task")
            until = settings.get("until") or []
            texts.append(
                self._generate(
                    context,
                    [until] if isinstance(until, str) else list(until),
                    int(settings.get("max_gen_toks", MAX_NEW_TOKENS)),
                )
            )
        return texts

    def _generate(self, context: str, until: Sequence[str], most: int) -> str:
        ids = self._codec.encode(context) or [self._codec.prefix]
        new: list[int] = []
        while len(new) < most:
            logits = self._forward(torch.tensor([(ids + new)[-self._max_length :]]))
            new.append(int(logits[0, -1].argmax()))
            text = self._codec.decode(new)
            stops = [text.index(stop) for stop in until if stop and stop in text]
            if stops:
                return text[: min(stops)]
        return self._codec.decode(new)

    def _loglikelihood_tokens(
        self, requests: list[tuple[tuple[str, str], list[int], list[int]]], **kwargs: Any
    ) -> list[tuple[float, bool]]:
        # a context of spaces alone is empty: they have been moved to the continuation
        return self._score([(context or [self._codec.prefix], after) for _, context, after in requests])

    @torch.no_grad()
    def _score(self, pairs: Sequence[tuple[list[int], list[int]]]) -> list[tuple[float, bool]]:
        """Log likelihood (nats, float64) of each continuation after its context, and whether it is the greedy one."""
        rows = [(context + continuation)[-(self._max_length + 1) :] for context, continuation in pairs]
        for row, (_, continuation) in zip(rows, pairs, strict=True):
            if len(continuation) >= len(row):
                raise InputError(
                    f"Continuation must be at most the model's {self._max_length} tokens, not {len(continuation)}"
                )
        order = sorted(range(len(rows)), key=lambda number: -len(rows[number]))  # batches of similar lengths
        scores: list[tuple[float, bool]] = [(0.0, True)] * len(rows)
        begin = 0
        while begin < len(order):
            length = len(rows[order[begin]]) - 1
            batch = order[begin : begin + max(1, _BATCH_TOKENS // max(1, length))]
            ids = torch.zeros(len(batch), max(1, length), dtype=torch.int64)
            for place, number in enumerate(batch):
                ids[place, : len(rows[number]) - 1] = torch.tensor(rows[number][:-1], dtype=torch.int64)
            logits = self._forward(ids)  # padding after a row does not change it: the model is causal
            for place, number in enumerate(batch):
                count, end = len(pairs[number][1]), len(rows[number]) - 1
                if count:
                    wanted = torch.tensor(pairs[number][1], device=logits.device)
                    q = F.log_softmax(logits[place, end - count : end].double(), dim=-1)
                    total = float(q.gather(-1, wanted.unsqueeze(-1)).sum())
                    scores[number] = total, bool((q.argmax(-1) == wanted).all())
            begin += len(batch)
        return scores


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A task's result: its value, its standard error (None where the harness has none), and which way is better."""

    task: str
    metric: str
    value: float
    stderr: float | None
    higher_is_better: bool | None
    samples: int

    def within_noise(self, other: "Metric") -> bool | None:
        """Whether the values are less than 2 standard errors of their difference apart; None: errors are unknown.

        The errors are treated as independent, though both answer the same questions: this favors "=".
        """
        if self.value == other.value:
            return True
        if self.stderr is None or other.stderr is None:
            return None
        return abs(self.value - other.value) < 2 * math.hypot(self.stderr, other.stderr)


class Tasks:
    """Tasks of the harness by name, with their data loaded.

    Args:
        names: tasks of the harness, or of ``folder``.
        folder: with further task definitions (YAML).

    Raises:
        InputError: for an unknown task, or one whose data is not on this machine.
    """

    def __init__(self, names: Sequence[str], folder: Path | str | None = None) -> None:
        if folder is not None and not Path(folder).is_dir():
            raise InputError(f"Task path {folder} must be a folder with task definitions (YAML), and is not")
        if not names:
            raise InputError("Tasks must be named, e.g. lambada_openai,piqa")
        self._manager = _manager(None if folder is None else str(folder))
        for name in names:
            if name not in self._manager.all_tasks:
                raise InputError(f"Task {name} must be one the harness knows, or be defined in --task-path, and is not")
        self.names = list(dict.fromkeys(names))
        for name in self.names:  # before any long work
            self._load([name])

    def run(self, model: HarnessModel, *, limit: int | None = None) -> list[Metric]:
        """All tasks on a model, zero-shot unless a task says otherwise; at most ``limit`` questions of each.

        Every metric of every task is in the result, in the harness's order.
        """
        if limit is not None and limit < 1:
            raise InputError(f"Limit must be at least 1 question per task, not {limit}")
        loaded = self._load(self.names)
        for task in loaded["tasks"].values():
            if task.get_config("num_fewshot") is None:
                task.set_config(key="num_fewshot", value=0)
            task.set_fewshot_seed(seed=1234)  # the harness's own default
        with _quiet():
            document: dict[str, Any] = evaluate(
                model, loaded, limit=limit, bootstrap_iters=_BOOTSTRAP, log_samples=False
            )
        return _metrics(document)

    def _load(self, names: list[str]) -> Any:
        try:
            with _quiet():
                return self._manager.load(list(names))
        except InputError:
            raise
        except Exception as error:  # datasets and its readers raise many types
            reason = str(error).strip().split("\n")[0].rstrip(".")
            raise InputError(
                f"Task {', '.join(names)} must have its data on this machine, and it cannot be loaded ({reason}); "
                f"fetch it once with HF_HUB_OFFLINE=0 and HF_DATASETS_OFFLINE=0 in the environment"
            ) from error


@functools.cache
def _manager(folder: str | None) -> TaskManager:
    """The index of all tasks, which takes seconds to make."""
    with _quiet():
        return TaskManager(include_path=folder)


def _metrics(document: dict[str, Any]) -> list[Metric]:
    metrics = []
    for task, results in document["results"].items():
        directions = document.get("higher_is_better", {}).get(task, {})
        samples = document.get("n-samples", {}).get(task, {}).get("effective", 0)
        for key, value in results.items():
            name, _, filter = key.partition(",")
            if not filter or name.endswith("_stderr") or not isinstance(value, int | float | np.number):
                continue
            stderr = results.get(f"{name}_stderr,{filter}")
            known = isinstance(stderr, int | float | np.number) and math.isfinite(stderr)
            metrics.append(
                Metric(
                    task=task,
                    metric=name if filter == "none" else f"{name} ({filter})",
                    value=float(value),
                    stderr=float(stderr) if known else None,
                    higher_is_better=directions.get(name),
                    samples=int(samples),
                )
            )
    return metrics


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the harness, which prints to both streams and logs, and keeps it from forking for its bootstrap."""
    logger, before = logging.getLogger("lm_eval"), os.environ.get("DISABLE_MULTIPROC")
    level = logger.level
    logger.setLevel(logging.ERROR)
    os.environ["DISABLE_MULTIPROC"] = "1"
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
        if before is None:
            del os.environ["DISABLE_MULTIPROC"]
        else:
            os.environ["DISABLE_MULTIPROC"] = before
