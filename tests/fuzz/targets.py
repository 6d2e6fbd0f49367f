"""The targets of fuzzing: for each kind of input its cases, and the number in a quick run."""

import json
from typing import NamedTuple

from hypothesis import strategies as st

from qse_hw.cli import COMMANDS
from tests.fuzz.arguments import command_lines, parser
from tests.fuzz.damage import damaged, hostile_json
from tests.fuzz.hostile import hostile_bin, lying_npy, lying_safetensors
from tests.fuzz.oracle import Case
from tests.fuzz.sound import TOKENS, files, some


class Target(NamedTuple):
    """``cases``: what may come; ``quick``: how many of them take about a second."""

    cases: st.SearchStrategy[Case]
    quick: int


def _one(
    path: str, content: st.SearchStrategy[bytes], *lines: tuple[str, ...], beside: tuple[str, ...] = ()
) -> st.SearchStrategy[Case]:
    """A file of that path, given to one of the command lines; what else is in its folder, and ``beside``, is sound."""
    folders = (f"{path.partition('/')[0]}/",) if "/" in path else ()
    sound = {name: document for name, document in some(*folders, *beside).items() if name != path}
    files = content.map(lambda document: {**sound, path: document})
    return st.builds(Case, argv=st.sampled_from(lines), files=files)


def _json(path: str) -> st.SearchStrategy[bytes]:
    return hostile_json(json.loads(files()[path]))


def _checkpoint(folder: str) -> tuple[tuple[str, ...], ...]:
    """What reads a whole checkpoint."""
    model = ("--model", f"IN/{folder}", "--tokens", str(TOKENS))
    return (
        ("capture", *model, "-o", "OUT/a.safetensors"),
        ("calibrate", *model, "-o", "OUT/c.json"),
    )


_NUMERICS = ("--scale", "0.02")
_ARRAY = (
    ("quantize", "IN/x.npy", "--format", "se8", *_NUMERICS, "-o", "OUT/y.npy"),
    ("quantize", "IN/x.npy", "--format", "se8-silu", *_NUMERICS, "-o", "OUT/y.npy"),
    ("quantize", "IN/x.npy", "--format", "int8", *_NUMERICS, "--exponent", "-3", "-o", "OUT/y.npy"),
)
_CODES = (
    ("dequantize", "IN/codes.npy", "--format", "se8", *_NUMERICS, "-o", "OUT/y.npy"),
    ("dequantize", "IN/codes.npy", "--format", "se9-paper", *_NUMERICS, "-o", "OUT/y.npy"),
)
_ACTIVATIONS = (
    ("calibrate", "--activations", "IN/a.safetensors", "-o", "OUT/c.json"),
    ("compare", "--activations", "IN/a.safetensors", "--json", "OUT/j.json"),
    ("replay", "--activations", "IN/a.safetensors", "--json", "OUT/j.json"),
    ("eval", "--activations", "IN/a.safetensors", "--held-out", "IN/b.safetensors", "--json", "OUT/j.json"),
    ("eval", "--activations", "IN/b.safetensors", "--held-out", "IN/a.safetensors", "--json", "OUT/j.json"),
)
_FORMAT = (
    ("gen", "decoder", "--format", "IN/f.json", "-o", "OUT/d"),
    ("gen", "encoder", "--format", "IN/f.json", *_NUMERICS, "-o", "OUT/e"),
    ("gen", "quantizer", "--format", "IN/f.json", "-o", "OUT/q"),
    ("gen", "linear", "--format", "IN/f.json", "--inputs", "4", "--outputs", "2", "-o", "OUT/l"),
)
_CALIBRATION = (
    ("gen", "decoder", "--calibration", "IN/c.json", "--layer", "0", "-o", "OUT/d"),
    ("gen", "encoder", "--calibration", "IN/c.json", "--layer", "1", "--format", "se8", "-o", "OUT/e"),
    ("gen", "quantizer", "--calibration", "IN/c.json", "--layer", "1", "-o", "OUT/e"),
)
_EVAL = ("eval", "--model", "IN/ck", "--formats", "int8", "--tokens", "512", "--calibration-tokens", "512")
_ENGINE = ("--rows", "1", "--columns", "1", "--scan-lanes", "1", "--norm-lanes", "1", "--hadamard-lanes", "1")
_PLAN = ("plan", "--model", "IN/ck", *_ENGINE, "--json", "OUT/j.json")
_INTEGER = (
    "eval", "--recipe", "integer", "--model", "IN/ck", "--calibration", "IN/i.json", "--parts", "",
    "--tokens", "512", "--calibration-tokens", "512",
)  # fmt: skip
_ON_TEXT = (
    ("capture", "--model", "IN/ck", "-o", "OUT/a.safetensors"),
    ("eval", "--model", "IN/ck", "--formats", "int8"),
)
_TOKENIZERS = (
    {"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}},
    {"tokenizer_class": "GPT2Tokenizer", "auto_map": {"AutoTokenizer": ["t.T", None]}},
)

TARGETS: dict[str, Target] = {
    "npy": Target(
        st.one_of(
            _one("x.npy", lying_npy(files()["x.npy"]), *_ARRAY),
            _one("codes.npy", lying_npy(files()["codes.npy"]), *_CODES),
        ),
        60,
    ),
    "vectors": Target(
        st.one_of(
            _one("v.npy", damaged(files()["v.npy"]), (_ARRAY[0][0], "IN/v.npy", *_ARRAY[0][2:])),
            _one("codes.npy", damaged(files()["codes.npy"]), *_CODES),
        ),
        60,
    ),
    "activations": Target(
        _one(
            "a.safetensors", lying_safetensors(files()["a.safetensors"]), *_ACTIVATIONS, beside=("b.safetensors",)
        ),
        10,
    ),
    "format": Target(_one("f.json", _json("f.json"), *_FORMAT), 8),
    "numerics": Target(
        _one(
            "f.json",
            _json("f.json"),
            ("quantize", "IN/x.npy", "--format", "IN/f.json", *_NUMERICS, "-o", "OUT/y.npy"),
            beside=("x.npy",),
        ),
        50,
    ),
    "manifest": Target(
        _one(
            "unit/manifest.json",
            _json("unit/manifest.json"),
            ("compare", "--verilog", "IN/unit", "--activations", "IN/a.safetensors", "--json", "OUT/j.json"),
            beside=("a.safetensors",),
        ),
        20,
    ),
    "calibration": Target(_one("c.json", _json("c.json"), *_CALIBRATION), 8),
    "integer": Target(_one("i.json", _json("i.json"), _INTEGER, beside=("ck/",)), 4),
    "config": Target(
        st.one_of(
            _one(f"{name}/config.json", _json(f"{name}/config.json"), *_checkpoint(name)) for name in ("ck", "m2")
        )
        | _one("ck/config.json", _json("ck/config.json"), _PLAN),
        12,
    ),
    "weights": Target(
        st.one_of(
            _one(
                f"{name}/model.safetensors", lying_safetensors(files()[f"{name}/model.safetensors"]), *_checkpoint(name)
            )
            for name in ("ck", "m2")
        ),
        12,
    ),
    "pickle": Target(
        _one("bin/pytorch_model.bin", hostile_bin(files()["bin/pytorch_model.bin"]), *_checkpoint("bin")), 12
    ),
    "scales": Target(
        _one("q.json", _json("q.json"), (*_EVAL, "--recipe", "quamba", "--scales", "IN/q.json"), beside=("ck/",)), 10
    ),
    "text": Target(
        _one(
            "t",
            st.one_of(st.binary(max_size=600), st.text(max_size=100).map(str.encode), damaged(files()["text.txt"])),
            *((*line, "--text", "IN/t", "--tokens", tokens) for line in _ON_TEXT for tokens in ("1", "16", "600")),
            beside=("ck/",),
        ),
        15,
    ),
    "tokenizer": Target(
        st.one_of(
            _one(
                f"ck/{name}",
                st.one_of(*map(hostile_json, _TOKENIZERS), st.binary(max_size=50)),
                ("capture", "--model", "IN/ck", "--text", "IN/text.txt", "-o", "OUT/a.safetensors"),
                beside=("text.txt",),
            )
            for name in ("tokenizer.json", "tokenizer_config.json", "vocab.json", "tokenizer.model")
        ),
        3,
    ),
    "arguments": Target(command_lines({command: parser(command) for command in COMMANDS}), 30),
}
