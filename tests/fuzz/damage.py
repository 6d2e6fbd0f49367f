"""Damage to sound files: bytes, JSON documents, headers."""

import json
import re
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

EXTREMES = (
    0, 1, -1, 2, 255, 256, 1 << 16, (1 << 31) - 1, 1 << 31, 1 << 32, 10**12, (1 << 63) - 1, 1 << 63, (1 << 64) - 1,
)  # fmt: skip
_CHUNKS = (
    b"", b"\0", b"\0" * 8, b"\xff" * 8, b"\n", b"{", b'"', b"[" * 2000, b"\xed\xa0\x80", b"9" * 5000, b"-",
    b"(" * 200,
)  # fmt: skip

_DEEP = "@deep@"
_RAW = {f"{_DEEP}{depth}": "[" * depth + "]" * depth for depth in (90, 300, 900, 980, 3000, 100_000)} | {
    f"{_DEEP}object{depth}": '{"a":' * depth + "1" + "}" * depth for depth in (300, 900)
}
_RAW |= {"@huge@": "9" * 400, "@endless@": "9" * 5000, "@1e400@": "1e400", "@-1e400@": "-1e400", "@tiny@": "1e-400"}

VALUES: Sequence[Any] = (
    None, True, False, 0, 1, -1, 2, 3, 7, 8, 16, 64, 127, 255, 256, 1.0, 2.5, -0.0, 1e308, 5e-324, float("nan"),
    float("inf"), float("-inf"), *EXTREMES, -(1 << 63), "", "a", "0", "nan", "auto", "\0", "\n", "x" * 3000, "\u2028",
    "\ud800", "../x", [], [None], {}, {"a": 1}, [[]], [0, 1], *_RAW,
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """A few edits: cut off, removed, inserted, overwritten, repeated; lengths become extreme."""
    for _ in range(draw(st.integers(1, 3))):
        # the header is where the meaning is
        at = draw(st.one_of(st.integers(0, min(len(content), 160)), st.integers(0, len(content))))
        end = min(len(content), at + draw(st.integers(0, 16)))
        kind = draw(st.sampled_from(("cut", "remove", "insert", "overwrite", "length", "repeat", "flip")))
        if kind == "cut":
            content = content[:at]
        elif kind == "remove":
            content = content[:at] + content[end:]
        elif kind == "insert":
            content = content[:at] + draw(st.sampled_from(_CHUNKS)) + content[at:]
        elif kind == "overwrite":
            content = content[:at] + draw(st.binary(max_size=8)) + content[end:]
        elif kind == "length":
            value = draw(st.sampled_from(EXTREMES)) % (1 << 64)
            content = content[:at] + value.to_bytes(8, "little") + content[at + 8 :]
        elif kind == "repeat":
            content = content[:end] + content[at:end] * draw(st.integers(1, 300)) + content[end:]
        elif at < len(content):
            content = content[:at] + bytes([content[at] ^ 1 << draw(st.integers(0, 7))]) + content[at + 1 :]
    return content


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: list[tuple[Any, Any]] = []
    if isinstance(document, dict):
        items = list(document.items())
    elif isinstance(document, list):
        items = list(enumerate(document))
    return [path, *(place for key, value in items for place in _places(value, (*path, key)))]


def _edited(document: Any, path: tuple[Any, ...], edit: Any) -> Any:
    """``document`` with ``edit(value)`` at ``path``; a list of values replaces the value there (none: delete)."""
    if not path:
        return edit(document)
    key, rest = path[0], path[1:]
    if isinstance(document, dict):
        return {name: _edited(value, rest, edit) if name == key else value for name, value in document.items()}
    return [_edited(value, rest, edit) if place == key else value for place, value in enumerate(document)]


@st.composite
def hostile_json(draw: st.DrawFn, document: Any) -> bytes:
    """The text of a document in which values are replaced, doubled, missing; or whose text is damaged."""
    for _ in range(draw(st.integers(1, 2))):
        places = _places(document)
        path = draw(st.sampled_from(places))
        kind = draw(st.sampled_from(("replace", "replace", "replace", "remove", "add", "double", "float")))
        if kind == "replace":
            value = draw(st.one_of(st.sampled_from(VALUES), st.integers(-300, 300), st.floats(), st.text(max_size=5)))
            document = _edited(document, path, lambda _, value=value: value)
        elif kind == "remove" and path:
            document = _edited(document, path[:-1], lambda parent, key=path[-1]: _without(parent, key))
        elif kind == "add":
            value = draw(st.sampled_from(VALUES))
            document = _edited(document, path, lambda here, value=value: _with(here, value))
        elif kind == "double":
            document = _edited(document, path, lambda here: here * 2 if isinstance(here, list) else here)
        elif kind == "float":
            document = _edited(document, path, lambda here: float(here) if type(here) is int else here)
    text = json.dumps(document)
    for mark, raw in _RAW.items():
        text = text.replace(f'"{mark}"', raw)
    if draw(st.integers(0, 9)) == 0:  # a key twice: the last one counts
        key = draw(st.sampled_from(re.findall(r'"\w+":', text) or ['"a":']))
        text = text.replace(key, f"{key} {draw(st.sampled_from(('1', 'null', '[]', 'NaN')))}, {key}", 1)
    rare = draw(st.integers(0, 19))
    content = text.encode({0: "utf-16", 1: "utf-8-sig"}.get(rare, "utf-8"))
    return draw(damaged(content)) if rare < 4 else content


def _without(parent: Any, key: Any) -> Any:
    if isinstance(parent, dict):
        return {name: value for name, value in parent.items() if name != key}
    return [value for place, value in enumerate(parent) if place != key]


def _with(here: Any, value: Any) -> Any:
    if isinstance(here, dict):
        return here | {"surplus": value}
    return [*here, value] if isinstance(here, list) else here
