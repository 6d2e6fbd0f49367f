"""Local checkpoints of any model that is known: a Mamba as our own model, its relatives as transformers' own."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.checkpoint import load_model, locate
from qse_hw.golden.models.mamba.families import FAMILIES, known_models
from qse_hw.golden.models.mamba.hugging_face import HuggingFace, hugging_face
from qse_hw.golden.models.mamba.layout import read_config, read_json
from qse_hw.golden.models.mamba.model import Mamba

_OURS = ("mamba", "mamba2")


def is_relative(directory: Path | str | None) -> bool:
    """Whether the checkpoint is of a family that only transformers implements, by ``model_type`` in its config.json.

    Raises:
        InputError: for a ``model_type`` that is not known.
    """
    settings = locate(directory) / "config.json"
    kind = read_json(settings).get("model_type") if settings.is_file() else None  # what is missing is said on loading
    if kind is None or kind in _OURS:
        return False
    if kind in [family.package for family in FAMILIES]:
        return True
    raise InputError(
        f"Checkpoint {directory} must be a Mamba or of transformers a {known_models()}, but in its config.json "
        f"model_type is {kind!r}"
    )


def vocabulary(directory: Path | str | None) -> int:
    """The size of the checkpoint's vocabulary, by its config.json."""
    if not is_relative(directory):
        return read_config(locate(directory)).vocab_size
    size = read_json(locate(directory) / "config.json").get("vocab_size")
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise InputError(f"vocab_size in the config.json of {directory} must be a positive integer, not {size!r}")
    return size


def load_any(directory: Path | str | None = None) -> Mamba | HuggingFace:
    """The model in ``directory`` in float32, on the CPU, in evaluation mode; nothing is downloaded.

    A Mamba-1 or Mamba-2 as :func:`qse_hw.golden.models.mamba.checkpoint.load_model` loads it; a relative by
    transformers, whole.

    Raises:
        InputError: when the folder does not hold a sound checkpoint of a known model.
    """
    return load_relative(locate(directory)) if is_relative(directory) else load_model(directory)


def load_relative(directory: Path) -> HuggingFace:
    """The same for a relative."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before transformers is imported
    from transformers import AutoModelForCausalLM

    loader: Any = AutoModelForCausalLM
    try:
        with _quiet():
            model, loading = loader.from_pretrained(
                directory, local_files_only=True, trust_remote_code=False, dtype=torch.float32,
                output_loading_info=True, use_safetensors=True,  # the other kind of file is a pickle
            )  # fmt: skip
    except Exception as error:  # transformers raises many types on damaged files
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"Checkpoint {directory} cannot be loaded by transformers: {reason}") from error
    lacking = loading["missing_keys"] or [name for name, *_ in loading["mismatched_keys"]]
    if lacking:  # which transformers has filled with random values
        raise InputError(f"Checkpoint {directory} must have all of the model's tensors, but lacks {min(lacking)}")
    loaded = hugging_face(model.eval())
    if loaded is None:
        raise InputError(f"Checkpoint {directory} must be of a {known_models()}, not a {type(model).__name__}")
    return loaded


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bar, and its report of what it lacks, which is said in one sentence."""
    from transformers import utils

    speech: Any = utils.logging
    verbosity, bars = speech.get_verbosity(), speech.is_progress_bar_enabled()
    speech.set_verbosity(logging.CRITICAL)
    speech.disable_progress_bar()
    try:
        yield
    finally:
        speech.set_verbosity(verbosity)
        if bars:
            speech.enable_progress_bar()
