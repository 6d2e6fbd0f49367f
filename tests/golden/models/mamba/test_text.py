"""Text to token ids: bytes, a local tokenizer, and what can go wrong."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.text import default_text, open_tokenizer, read_text


def save_tokenizer(folder: Path, **special: str) -> Path:
    words = {"[UNK]": 0, "quiet": 1, "flows": 2, "the": 3, "Don": 4}
    plain = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    # many a tokenizer puts a token before its texts, when it is not told not to
    plain.post_processor = processors.TemplateProcessing(single="[UNK] $A", special_tokens=[("[UNK]", 0)])
    PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="[UNK]", **special).save_pretrained(folder)
    return folder


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    return save_tokenizer(tmp_path / "tokenizer")


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


@pytest.mark.parametrize(
    ("special", "prefix"),
    [({"bos_token": "the", "eos_token": "Don"}, 3), ({"eos_token": "Don"}, 4), ({"bos_token": "[UNK]"}, 0), ({}, 0)],
)
def test_what_stands_before_a_text(special: dict[str, str], prefix: int, tmp_path: Path) -> None:
    """The token that begins texts, or else the one that ends them: here words, to have ids of their own."""
    tokenizer = open_tokenizer(5, save_tokenizer(tmp_path, **special))
    assert tokenizer.prefix == prefix
    assert tokenizer.encode("quiet flows") == [1, 2]
    assert tokenizer.decode([4, 2]) == "Don flows"


def test_what_stands_before_bytes() -> None:
    tokenizer = open_tokenizer()
    assert tokenizer.decode([tokenizer.prefix]) == "\n"
    assert tokenizer.encode("Ж") == [0xD0, 0x96]
    assert tokenizer.decode([0xD0, 0x96, 0xFF]) == "Ж\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "vocab.json", "tokenizer.model"])
def test_any_of_a_tokenizers_files_tells_that_there_is_one(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("{")
    with pytest.raises(InputError, match="cannot be loaded"):
        open_tokenizer(256, tmp_path)


def test_missing_or_damaged_tokenizer(tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="must have its tokenizer's files"):
        read_text(vocab_size=50280, directory=tmp_path)
    with pytest.raises(InputError, match="must have its tokenizer's files"):
        read_text(vocab_size=50280)
    (tokenizer / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="cannot be loaded"):
        read_text(vocab_size=5, directory=tokenizer)

    def fail(*_: object, **__: object) -> None:
        raise ValueError("\nNo such thing.\nSee there.\n")

    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", fail)
    with pytest.raises(InputError, match=r"cannot be loaded: No such thing\.$"):
        read_text(vocab_size=5, directory=tokenizer)


def test_missing_or_empty_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_text(tmp_path / "nowhere")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_text(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(InputError, match="must not be empty"):
        read_text(tmp_path / "empty")
