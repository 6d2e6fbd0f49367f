"""Hostile files: contradictory headers of .npy and .safetensors, pickles that would run code."""

import io
import json
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from tests.fuzz.damage import EXTREMES, damaged, hostile_json
from tests.fuzz.oracle import OWNED
from tests.fuzz.sound import npy

_DESCR = (
    "'<f4'", "'<f8'", "'>f2'", "'|u1'", "'|i1'", "'<i4'", "'<u2'", "'|b1'", "'|O'", "'|V0'", "'|S0'", "'<U0'",
    "'<U99999999'", "'|V2147483647'", "'<M8[s]'", "'<c16'", "[('a', '<f4')]", "[('a', '<f4', (1000000000,))]", "[]",
    "''", "'zzz'", "None", "1", "'<f4,<f4'", "'<f4' 'x'", "[('a', '|O')]", "('<f4', (100000,))", "__import__('os')",
    "'\u00e9'", "'f\\x00'",
)  # fmt: skip
_SHAPES = (
    "()", "(0,)", "(12,)", "(3, 4)", "(-1,)", "(-3, -4)", "(4.0, 3)", "(True, 12)", "[3, 4]", "12", "None",
    "(1 << 40,)", "(1099511627776,)", "(9223372036854775807,)", "(9223372036854775808, 2)",
    "(18446744073709551616, 0)", "(0, 9223372036854775807)", "(9223372036854775807, 0, 9223372036854775807)",
    "(3037000500, 3037000500)", "(" + "1, " * 40 + ")", "(" + "1, " * 70 + ")", "'(3, 4)'", "(3, (4,))", "(1e400,)",
    "(1j,)", "((((((((3,),),),),),),),)",
)  # fmt: skip


class Bomb:
    """Unpickled, it makes the file :data:`OWNED`."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(OWNED),)


def _mostly(sound: Any, *others: Any) -> st.SearchStrategy[Any]:
    """A sound value three times out of four, so that few files have more than one fault."""
    return st.integers(0, 3).flatmap(lambda n: st.sampled_from(others) if n == 3 else st.just(sound))


@st.composite
def lying_npy(draw: st.DrawFn, content: bytes) -> bytes:
    """A .npy file whose header and data disagree, or that is damaged, or full of objects."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(damaged(content))
    if kind == 1:
        return draw(
            st.sampled_from((npy(np.array([Bomb()], object)), npy(np.array([1, None])), pickle.dumps(Bomb()), b""))
        )
    header = "{'descr': %s, 'fortran_order': %s, 'shape': %s, }" % (  # noqa: UP031 - full of braces
        draw(_mostly("'|u1'", *_DESCR)),
        draw(_mostly("False", "True", "0", "None", "'x'")),
        draw(st.one_of(st.sampled_from(_SHAPES), st.integers(-2, 70).map(lambda n: f"({n},)"))),
    )
    version = draw(_mostly(1, 2, 3, 4, 0))
    text = header.encode("utf-8") + b" " * draw(_mostly(0, 1, 20, 12000)) + b"\n" * draw(st.integers(0, 1))
    size = draw(_mostly(len(text), 0, 1, 0xFFFF))
    prefix = b"\x93NUMPY" + bytes([version, draw(_mostly(0, 1))])
    data = draw(st.sampled_from((content[128:], b"", b"\xff" * 48, pickle.dumps([Bomb()]))))
    return prefix + size.to_bytes(2 if version == 1 else 4, "little") + text + data


@st.composite
def lying_safetensors(draw: st.DrawFn, content: bytes) -> bytes:
    """A .safetensors file with wrong names, dtypes, shapes, offsets or length in its header, or that is damaged."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(damaged(content))
    if kind == 1:
        return draw(
            st.sampled_from(
                (pickle.dumps(Bomb()), b"", (1 << 62).to_bytes(8, "little") + b"{}", b"\x02" + b"\0" * 7 + b"{}")
            )
        )
    end = 8 + int.from_bytes(content[:8], "little")
    document = json.loads(content[8:end])
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from([name for name in document if name != "__metadata__"]))
        shape = draw(st.lists(st.one_of(st.sampled_from(EXTREMES), st.integers(0, 20)), max_size=4))
        offsets = draw(st.tuples(st.sampled_from((*EXTREMES, 64)), st.sampled_from((*EXTREMES, 64))))
        lie = draw(
            st.sampled_from(
                ({"shape": shape}, {"data_offsets": list(offsets)}, {"shape": shape, "data_offsets": list(offsets)})
            )
        )
        document[name] = document[name] | lie
    dtype = draw(st.sampled_from(("F32", "F32", "F32", "F16", "BF16", "F64", "I64", "BOOL", "F8_E4M3", "U8", "zz", "")))
    plain = json.dumps(document).replace('"F32"', f'"{dtype}"').encode()
    header = draw(hostile_json(document)) if draw(st.booleans()) else plain
    length = draw(st.sampled_from((len(header), len(header), len(header), len(header), *EXTREMES))) % (1 << 64)
    body = content[end:]
    data = draw(st.sampled_from((body, body, body[:-4], body + b"\0" * 4, b"", b"\xff" * len(body))))
    return length.to_bytes(8, "little") + header + data


@cache
def _legacy(content: bytes) -> bytes:
    """The same in PyTorch's old file format; made once, as it contains addresses."""
    return _saved(torch.load(io.BytesIO(content), weights_only=True), _use_new_zipfile_serialization=False)


def _saved(content: object, **how: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **how)
    return file.getvalue()


@st.composite
def hostile_bin(draw: st.DrawFn, content: bytes) -> bytes:
    """A pytorch_model.bin that is damaged, holds something else than tensors, or code."""
    tensors = torch.load(io.BytesIO(content), weights_only=True)
    legacy = draw(st.booleans())
    choices = (
        lambda: draw(damaged(content)),
        lambda: draw(damaged(_legacy(content))),
        lambda: _legacy(content),
        lambda: _saved({"x": Bomb()} | tensors, _use_new_zipfile_serialization=not legacy),
        lambda: _saved(Bomb(), _use_new_zipfile_serialization=not legacy),
        lambda: pickle.dumps(Bomb(), draw(st.integers(0, 5))),
        lambda: pickle.dumps([Bomb()], 0) + b"." * 20,
        lambda: _saved(
            draw(st.sampled_from(([1], {1: 2}, {"a": 1}, {}, None, list(tensors.values()), {b"a": torch.ones(1)})))
        ),
        lambda: _saved({name: draw(st.sampled_from(_tensors(t))) for name, t in tensors.items()}),
    )
    return draw(st.sampled_from(choices))()


def _tensors(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What may stand where a tensor belongs; the expanded one claims far more than is stored."""
    return (
        tensor, tensor.half(), tensor.double(), tensor.int(), tensor.to(torch.complex64), tensor * float("nan"),
        tensor.t() if tensor.ndim == 2 else tensor[:1], torch.zeros(1).expand(1 << 40), tensor.to_sparse(),
        torch.empty(tensor.shape, device="meta"), tensor.to(torch.bool),
    )  # fmt: skip
