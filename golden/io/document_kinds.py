"""The kinds of JSON documents of this package, so that a message can say which of our files was given by mistake."""

import json
import os
from pathlib import Path
from typing import Any

from qse_hw.golden.errors import InputError

_KINDS = {
    "calibration": "a calibration",
    "integer": "the formats of an integer model",
    "manifest": "a manifest of a generated unit",
    "quamba": "the scales of a Mamba-1's other tensors",
    "quamba-mamba2": "the scales of a Mamba-2's other tensors",
    "synth-cache": "a kept result of synthesis",
}
_REMEDIES = {
    ("format", "calibration"): (
        "give what it has under layers, K, least_squares, format, as a file of its own, or where the command takes it "
        "--calibration FILE with --layer K"
    ),
    ("format", "manifest"): "give what it has under parameters, format, as a file of its own",
    ("calibration", "format"): "give it as --format FILE",
    ("calibration", "manifest"): "give the file that calibrate wrote",
    ("calibration", "report"): "give the file that calibrate -o wrote",
    ("calibration", "quamba"): "give the file that calibrate wrote, and this one to eval --scales",
    ("calibration", "quamba-mamba2"): "give the file that calibrate wrote, and this one to eval --scales",
    ("calibration", "integer"): "calibrate without --recipe integer, or give this file to eval --recipe integer",
    ("integer", "calibration"): "give the file that calibrate --recipe integer wrote",
    ("integer", "report"): "give the file that calibrate --recipe integer -o wrote",
    ("sweep", "format"): "name it in the SPEC, under options, format",
    ("sweep", "calibration"): "give it as --calibration FILE, and calibration as a format in the SPEC",
}
_WRITERS = {
    "calibration": "calibrate",
    "integer": "calibrate --recipe integer",
    "quamba": "eval --scales",
    "quamba-mamba2": "eval --scales",
}
"""The commands that write a kind: the remedy where what is given is one of :data:`_OTHERS`."""
_OTHERS = ("settings", "other")
"""Kinds of documents that no command of this package writes as what is wanted."""


def kind_of(document: Any) -> tuple[str, str] | None:
    """The kind of one of this package's JSON documents, as a key and in words; None for other documents."""
    if not isinstance(document, dict):
        return None
    family, _, rest = str(document.get("schema", "")).partition("/")
    name = rest.partition("/")[0]
    if family == "qse-hw" and name:
        return (name, _KINDS[name]) if name in _KINDS else ("report", f"a report of {name}")
    if {"bits", "kind", "segments"} <= document.keys():
        return "format", "a format"
    if {"modules", "creator"} <= document.keys():
        return "netlist", "a netlist"
    if {"d_model", "n_layer"} <= document.keys() or "model_type" in document:
        return "settings", "the config.json of a checkpoint"
    return None


def refuse_other_kinds(document: Any, where: str, wanted: str) -> None:
    """InputError that names the document's kind, if that is known and not ``wanted``, a key of :func:`kind_of`."""
    kind = kind_of(document)
    if kind is not None and kind[0] != wanted:
        raise _refusal(where, _KINDS.get(wanted, f"a {wanted}"), kind, wanted)


def refuse_without_schema(document: Any, where: str, wanted: str) -> None:
    """InputError unless the document has a schema, as all of this package's but formats have."""
    if not (isinstance(document, dict) and "schema" in document):
        raise _refusal(where, _KINDS.get(wanted, f"a {wanted}"), ("other", "another JSON document"), wanted)


def refuse_our_json(path: str | os.PathLike[str], where: str, wanted: str, words: str) -> None:
    """The same for a file that should not be JSON at all; ``words`` name what it should be."""
    try:
        kind = kind_of(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return
    if kind is not None:
        raise _refusal(where, words, kind, wanted)


def _refusal(where: str, words: str, kind: tuple[str, str], wanted: str) -> InputError:
    remedy = _REMEDIES.get((wanted, kind[0]))
    if kind[0] in _OTHERS and wanted in _WRITERS:
        remedy = f"give the file that {_WRITERS[wanted]} wrote"
    return InputError(f"{where} must be {words}, and is {kind[1]}" + (f"; {remedy}" if remedy else ""))
