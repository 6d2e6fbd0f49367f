"""From text to token ids and back: bytes for the bundled models, a local Hugging Face tokenizer for the others."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from qse_hw.golden.errors import InputError

BYTES = 256
_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.uint8)
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "tokenizer.model")


@dataclass(frozen=True)
class Text:
    """Token ids (count,) int64, what they were read from, and the SHA-256 (hex) and number of that text's bytes."""

    ids: Tensor
    source: str
    sha256: str
    size: int


class Tokenizer(Protocol):
    """Text to ids and back."""

    @property
    def prefix(self) -> int:
        """The id that stands for the empty context before a text."""

    def encode(self, text: str) -> list[int]:
        """Ids, without special tokens."""

    def decode(self, ids: Sequence[int]) -> str:
        """Text; bytes that are not UTF-8 become U+FFFD."""


class Bytes:
    """The tokenizer of the byte-level models; a text begins after a line end."""

    prefix = ord("\n")

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(ids).decode(errors="replace")


def sequences(ids: Tensor, tokens: int, length: int) -> Tensor:
    """The first ``tokens`` ids (count,) as int64 sequences (count, length); what does not fill a sequence is left out.

    Raises:
        InputError: if the text has fewer tokens, or ``tokens`` are fewer than one sequence.
    """
    if not length <= tokens <= len(ids):
        raise InputError(f"Tokens must be from one sequence of {length} to the text's {len(ids)}, not {tokens}")
    return ids[: tokens // length * length].long().view(-1, length)


def check_ids(ids: Any, vocab_size: int, shapes: Sequence[str] = ("(count,)",)) -> None:
    """InputError unless ``ids`` is an integer tensor of tokens of the vocabulary, of 1 to ``len(shapes)`` axes."""
    whole = isinstance(ids, Tensor) and ids.dtype in _INTEGERS and ids.numel() > 0
    if not whole or not 1 <= ids.dim() <= len(shapes):
        what = f"{ids.dtype} {tuple(ids.shape)}" if isinstance(ids, Tensor) else type(ids).__name__
        raise InputError(f"Ids must be an integer tensor of tokens {' or '.join(shapes)}, not {what}")
    if not 0 <= int(ids.min()) <= int(ids.max()) < vocab_size:
        raise InputError(f"Ids must be from 0 to {vocab_size - 1}, not {int(ids.min())} to {int(ids.max())}")


def read_text(path: Path | str | None = None, *, vocab_size: int = BYTES, directory: Path | str | None = None) -> Text:
    """Token ids of a text file (None: the English in Python's own help).

    Args:
        path: the file; any bytes for a byte-level model, else UTF-8.
        vocab_size: that of the model. 256, with no tokenizer in ``directory``, means bytes.
        directory: the checkpoint's folder, where the tokenizer's files are.

    Raises:
        InputError: for an unreadable, empty or undecodable file, or a tokenizer that is missing or does not fit.
    """
    if path is None:
        raw, source = default_text().encode(), "pydoc_data.topics"
    else:
        raw, source = _read(Path(path)), str(path)
    tokenizer = open_tokenizer(vocab_size, directory)
    if isinstance(tokenizer, Bytes):
        ids = torch.frombuffer(bytearray(raw), dtype=torch.uint8).long()
    else:
        ids = _tokenize(raw, source, tokenizer, vocab_size, directory)
    return Text(ids, source, hashlib.sha256(raw).hexdigest(), len(raw))


def open_tokenizer(vocab_size: int = BYTES, directory: Path | str | None = None) -> Tokenizer:
    """The tokenizer in ``directory``, or bytes if there is none and the model's ``vocab_size`` is 256.

    Raises:
        InputError: when it is missing or cannot be loaded.
    """
    if directory is not None and any((Path(directory) / name).is_file() for name in _TOKENIZER_FILES):
        return _HuggingFace(directory)
    if vocab_size == BYTES:
        return Bytes()
    raise InputError(
        f"A model of {vocab_size} tokens must have its tokenizer's files (tokenizer.json and so on) beside it, and "
        f"{directory} has none; copy them there (the state-spaces/mamba models use EleutherAI/gpt-neox-20b's)"
    )


def default_text() -> str:
    """About 465 kB of English that is on every machine: the topics of Python's ``help()``, in sorted order."""
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))


def _read(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"Text {path} cannot be read: {error.strerror}") from error
    if not raw:
        raise InputError(f"Text {path} must not be empty")
    return raw


class _HuggingFace:
    def __init__(self, directory: Path | str) -> None:
        from transformers import AutoTokenizer

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        except Exception as error:  # transformers raises many types on damaged files
            reason = str(error).strip().split("\n")[0]
            raise InputError(f"The tokenizer in {directory} cannot be loaded: {reason}") from error

    @property
    def prefix(self) -> int:
        for token in (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id):
            if token is not None:
                return int(token)
        return 0  # in the vocabulary of every model; <|endoftext|> in EleutherAI/gpt-neox-20b's

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids)))


def _tokenize(raw: bytes, source: str, tokenizer: Tokenizer, vocab_size: int, directory: Path | str | None) -> Tensor:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"Text {source} must be UTF-8, but byte {error.start} is not") from error
    ids = torch.tensor(tokenizer.encode(text), dtype=torch.int64)
    if len(ids) == 0 or int(ids.max()) >= vocab_size:
        raise InputError(f"The tokenizer in {directory} must give ids below vocab_size {vocab_size}, and does not")
    return ids
