"""Text to token ids: bytes, a local tokenizer, and what can go wrong."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from golden.errors import InputError
from golden.mamba.text import default_text, read_text


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    words = {"[UNK]": 0, "quiet": 1, "flows": 2, "the": 3, "Don": 4}
    plain = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path / "tokenizer"
    PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="[UNK]").save_pretrained(folder)
    return folder


def test_bytes(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(bytes(range(256)))
    text = read_text(path)
    assert text.ids.tolist() == list(range(256))
    assert text.source == str(path)
    assert text.sha256 == "40aff2e9d2d8922e47afd4648e6967497158785fbd1da870e7110266bf944880"


def test_default_is_pythons_own_english() -> None:
    text = read_text()
    assert text.source == "pydoc_data.topics"
    assert len(text.ids) > 400_000
    assert bytes(text.ids.tolist()).decode() == default_text()
    assert "statement" in default_text()


def test_local_tokenizer(tokenizer: Path, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("quiet flows the Don")
    assert read_text(path, vocab_size=5, directory=tokenizer).ids.tolist() == [1, 2, 3, 4]
    assert read_text(path, vocab_size=256, directory=tokenizer).ids.tolist() == [1, 2, 3, 4]
    with pytest.raises(InputError, match="below vocab_size 4"):
        read_text(path, vocab_size=4, directory=tokenizer)
    path.write_bytes(b"quiet \xff")
    with pytest.raises(InputError, match="must be UTF-8, but byte 6 is not"):
        read_text(path, vocab_size=5, directory=tokenizer)


def test_missing_or_damaged_tokenizer(tokenizer: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must have its tokenizer's files"):
        read_text(vocab_size=50280, directory=tmp_path)
    with pytest.raises(InputError, match="must have its tokenizer's files"):
        read_text(vocab_size=50280)
    (tokenizer / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="cannot be loaded"):
        read_text(vocab_size=5, directory=tokenizer)


def test_missing_or_empty_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_text(tmp_path / "nowhere")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_text(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(InputError, match="must not be empty"):
        read_text(tmp_path / "empty")
