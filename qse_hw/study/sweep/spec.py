"""SPEC files: which unit, options and targets, and what to judge them by. TOML, checked."""

import argparse
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.io.document_kinds import refuse_our_json
from qse_hw.golden.io.schema import check_schema
from qse_hw.rtl_gen.emit.unit import UNITS, unit_class
from qse_hw.rtl_gen.units.option_kinds import RUNTIME, Integer, Switch
from qse_hw.rtl_gen.units.options import options
from qse_hw.study.sources import integer
from qse_hw.study.sweep.pareto import OBJECTIVES

FITTED, CALIBRATION = "fitted", "calibration"


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "uniqueItems": True, "items": items}


def _names(sign: int) -> dict[str, Any]:
    return _list({"enum": [name for name, objective in OBJECTIVES.items() if objective.sign == sign]})


_VALUE = {"type": ["string", "integer", "number", "boolean"]}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["unit", "targets", "options", "objectives"],
    "additionalProperties": False,
    "properties": {
        "unit": {"enum": list(UNITS)},
        "targets": _list({"type": "string"}),
        "freq": {"type": "number"},
        "liberty": {"type": "string", "minLength": 1},
        "seeds": {"type": "integer", "minimum": 1, "maximum": 1000},
        "options": {"type": "object", "additionalProperties": {"anyOf": [_VALUE, _list(_VALUE)]}},
        "objectives": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {"maximise": _names(1), "minimise": _names(-1)},
        },
    },
}


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a SPEC file says.

    Attributes:
        unit, targets: names.
        options: per option, named as on the command line without the dashes, its values as text; True for a switch.
        objectives: names in :data:`qse_hw.study.sweep.pareto.OBJECTIVES`.
        freq, liberty: for the targets; the file by its absolute path, which other processes know, too.
        seeds: placements to take the median of.
        document: the file.
        folder: where the file lies, an absolute path: other files that it names are sought there.
    """

    unit: str
    targets: tuple[str, ...]
    options: dict[str, list[Any]]
    objectives: tuple[str, ...]
    freq: float
    liberty: Path | None
    seeds: int
    document: dict[str, Any]
    folder: Path

    def place(self, format: str) -> str:
        """A format that does not depend on where the SPEC lies: of a file the absolute path, else the name."""
        return str(self.folder / format) if format.endswith(".json") else format


def read_spec(path: str | os.PathLike[str]) -> Spec:
    """Read and check a file; the Liberty file and the format files in it are sought beside it.

    Raises:
        InputError: if it cannot be read, is not TOML (with the line), or breaks a rule.
    """
    where = f"Sweep {Path(path)}"
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        refuse_our_json(path, where, "sweep", "a SPEC in TOML")
        raise InputError(f"{where} must be TOML: {error}") from error
    check_schema(document, SCHEMA, where)
    folder = Path(path).absolute().parent
    try:
        spec = Spec(
            unit=document["unit"],
            targets=tuple(document["targets"]),
            options={name: _values(document["unit"], name, given) for name, given in document["options"].items()},
            objectives=tuple(name for names in document["objectives"].values() for name in names),
            freq=document.get("freq", 400.0),
            liberty=folder / document["liberty"] if "liberty" in document else None,
            seeds=document.get("seeds", 3),
            document=document,
            folder=folder,
        )
        _check(spec)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    return spec


def _values(unit: str, name: str, given: Any) -> list[Any]:
    """The values of an option, as they would be on the command line."""
    known = {name.replace("_", "-"): option for name, option in options(unit_class(unit)).items()}
    if name not in known:
        raise InputError(f"Option must be one of {unit}'s: {', '.join(sorted(known))}; not {name!r}")
    values = given if isinstance(given, list) else [given]
    switch = isinstance(known[name].kind, Switch)
    convert = integer if isinstance(known[name].kind, Integer) else str
    for value in values:
        if isinstance(value, bool) != switch:
            raise InputError(f"Option {name} must be {'true or false' if switch else 'a value'}, not {value!r}")
    try:
        return values if switch else [convert(str(value)) for value in values]
    except argparse.ArgumentTypeError as error:
        raise InputError(f"Option {name} {error}") from error


def _check(spec: Spec) -> None:
    """InputError for values that are wrong in every combination."""
    known = options(unit_class(spec.unit))
    if "format" in known and "format" not in spec.options:
        raise InputError(f"Option format must be given for unit {spec.unit}")
    wanted = [name for name in spec.objectives if OBJECTIVES[name].accuracy]
    if wanted and "format" not in known:
        raise InputError(f"Objectives must not include {wanted[0]} for unit {spec.unit}, which has no format")
    for format in spec.options.get("format", []):
        if format != CALIBRATION:
            parse_format(spec.place(format))
    for input in spec.options.get("input", []):
        input_type(input)
    for scale in spec.options.get("scale", []):
        if scale not in (RUNTIME, FITTED) and not _is_number(scale):
            raise InputError(f"Option scale must be a number, {RUNTIME} or {FITTED}, not {scale!r}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
