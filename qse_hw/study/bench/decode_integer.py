"""Generating text with the integer models of the two bundled Mambas, beside the float models."""

import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.models.integer.calibrate import calibrate_integer
from qse_hw.golden.models.integer.decode import IntegerDecoder
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.integer.parameters import Parameters, model_parameters
from qse_hw.golden.models.integer.step import library
from qse_hw.golden.models.mamba.checkpoint import load_model
from qse_hw.golden.models.mamba.decode import MambaDecoder
from qse_hw.golden.models.mamba.generate import Decoder
from qse_hw.golden.models.mamba.model import Mamba
from qse_hw.golden.models.mamba.text import read_text
from qse_hw.study.bench import SEED, Report
from qse_hw.study.console import table

WORDS = "decoding integers"
MODELS = ("mamba-bytes", "mamba2-bytes")
INTEGER = "integer"
DTYPES = {"float32": torch.float32, "float16": torch.float16}
OPTIONS = Options(spec=parse_format("se8"), objective="x")
"""Of the calibration: quick, since speed does not depend on what the codes mean."""
CALIBRATION = 512  # tokens
PROMPT, TOKENS, REPEATS = 16, 64, 11


def measure(report: Report) -> dict[str, Any]:
    """Per model: seconds and processor seconds of blocks of tokens at batch 1 and one thread; medians.

    The candidates take turns, each generating a further block of its own text. Speeds over the float models are by
    processor seconds, which hardly depend on what else the machine does.

    Raises:
        InputError: without a C++ compiler.
    """
    library.library()  # without one, IntegerDecoder would take the arrays
    models = {}
    with _one_thread():
        for number, name in enumerate(MODELS):

            def partly(share: float, number: int = number) -> None:
                report((number + share) / len(MODELS))

            models[name] = _measure_model(name, partly)
    return {"threads": 1, "batch": 1, "prompt": PROMPT, "tokens": TOKENS, "repeats": REPEATS, "models": models}


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _measure_model(name: str, report: Report) -> dict[str, Any]:
    model, ids = load_model(name), read_text(None, vocab_size=256).ids
    parameters = model_parameters(model, calibrate_integer(model, ids, tokens=CALIBRATION, options=OPTIONS))
    prompt = ids[None, :PROMPT]
    _check(parameters, prompt)
    work: dict[str, Callable[[], Any]] = {}
    for candidate, build in _candidates(model, parameters).items():
        decoder = build()
        decoder.generate(prompt, 2)  # compiles, and fills the state
        work[candidate] = partial(_block, decoder)
    spent: dict[str, dict[str, list[float]]] = {name: {"seconds": [], "processor_seconds": []} for name in work}
    turns, names = random.Random(SEED), [*work]
    for repeat in range(REPEATS):
        for candidate in turns.sample(names, len(names)):
            begun, busy = time.perf_counter(), time.process_time()
            work[candidate]()
            spent[candidate]["seconds"].append(time.perf_counter() - begun)
            spent[candidate]["processor_seconds"].append(time.process_time() - busy)
        report((repeat + 1) / REPEATS)
    return {"layers": model.config.n_layer, "d_model": model.config.d_model, **_summary(spent)}


def _summary(spent: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    medians = {name: {what: statistics.median(times) for what, times in one.items()} for name, one in spent.items()}
    floats = {name: one["processor_seconds"] for name, one in medians.items() if name != INTEGER}
    return {
        "tokens_per_second": {name: TOKENS / one["seconds"] for name, one in medians.items()},
        "tokens_per_processor_second": {name: TOKENS / one["processor_seconds"] for name, one in medians.items()},
        "all": spent,
        "fastest_float": min(floats, key=floats.__getitem__),
        "speed_over_fastest_float": min(floats.values()) / medians[INTEGER]["processor_seconds"],
    }


def _candidates(model: Mamba, parameters: Parameters) -> dict[str, Callable[[], Decoder]]:
    """The float models in each type, their operations as they are or fused by ``torch.compile``."""
    candidates: dict[str, Callable[[], Decoder]] = {INTEGER: partial(IntegerDecoder, parameters)}
    for name, dtype in DTYPES.items():
        for compiled in (False, True):
            make = partial(MambaDecoder.of, model, dtype=dtype, state=torch.float32, compiled=compiled)
            candidates[f"{name}, torch.compile" if compiled else name] = make
    return candidates


def _block(decoder: Decoder) -> None:
    advance = decoder.ready()
    for _ in range(TOKENS):
        advance()


def _check(parameters: Parameters, prompt: Tensor) -> None:
    """Stop if the decoder's logits are not those of the model on arrays: its speed would mean nothing."""
    if not torch.equal(IntegerDecoder(parameters).prefill(prompt), IntegerMamba(parameters)(prompt)[:, -1]):
        raise SystemExit("the integer decoder's logits differ from the model's; no figures")


def show(figures: dict[str, Any]) -> None:
    """A table per model."""
    for name, of in figures["models"].items():
        rows = [
            [candidate, f"{speed:,.0f}", f"{of['tokens_per_processor_second'][candidate]:,.0f}"]
            for candidate, speed in of["tokens_per_second"].items()
        ]
        table(
            f"{name}, batch 1, one thread, median of {figures['repeats']} times {figures['tokens']} tokens",
            ["model", "tokens/s", "tokens per processor s"],
            rows,
            caption=f"integer over {of['fastest_float']}: {of['speed_over_fastest_float']:.1f} times",
        )
