"""The formats that ship, as data, and formats of the user's own, from JSON.

A format is named ``NAME``, ``NAME:key=value,...`` (a preset with parameters, e.g. ``se8:L=12``) or ``FILE.json``.
"""

import os
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

from qse_hw.golden.checks import instance, integer
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.segmented import KINDS, MAX_REACH, Segment, SegmentedFormat, check_format
from qse_hw.golden.io.document_kinds import refuse_other_kinds
from qse_hw.golden.io.files import read_json
from qse_hw.golden.io.schema import check_schema


def int8(narrow_range: int = 0) -> SegmentedFormat:
    """INT8 as Quamba uses it: -128..127 at s, half away from zero (arXiv 2410.13229); narrow_range=1 stops at -127."""
    if integer(narrow_range, "Format int8: narrow_range") not in (0, 1):
        raise InputError(f"Format int8: narrow_range must be 0 or 1, not {narrow_range!r}")
    segment = Segment(codes=128, log2_step=0, first_code=0)
    return SegmentedFormat(
        name="int8", bits=8, kind="twos-complement", segments=(segment,), narrow_range=bool(narrow_range)
    )


def int8_asym(zero_point: int = 10) -> SegmentedFormat:
    """Unsigned 8 bits with a zero point: 256 codes at s, the fair baseline for SiLU outputs."""
    segment = Segment(codes=256, log2_step=0, first_code=0)
    return SegmentedFormat(name="int8-asym", bits=8, kind="offset", segments=(segment,), zero_point=zero_point)


def se8(L: int = 8) -> SegmentedFormat:
    """The paper's soft edge in exactly 8 bits (arXiv 2601.09451): sign, SE bit, six data bits split at K = 4L.

    Fine codes 0..K-1 at s/4 (SE=1, data < K), 64 at s (SE=0), 64-K at 4s (SE=1, data >= K). L is where the standard
    segment starts, in units of s: it trades resolution for reach.
    """
    if not 1 <= integer(L, "Format se8: L") <= 15:
        raise InputError(f"Format se8: L must be from 1 to 15, not {L!r}")
    K = 4 * L
    segments = (
        Segment(codes=K, log2_step=-2, first_code=64),
        Segment(codes=64, log2_step=0, first_code=0),
        Segment(codes=64 - K, log2_step=2, first_code=64 + K),
    )
    return SegmentedFormat(name="se8", bits=8, kind="sign-magnitude", segments=segments)


def se8_silu(K: int = 40, zero_point: int = 24, f: int = 1, g: int = 2) -> SegmentedFormat:
    """The soft edge for SiLU outputs (x >= -0.2785): SE bit, seven data bits, a zero point instead of a sign.

    K codes at s/2**f (SE=1, data < K), 128 at s (SE=0), 128-K at s*2**g (SE=1, data >= K). ``zero_point`` counts fine
    steps from the floor and lies in the fine segment.
    """
    if not 1 <= integer(K, "Format se8-silu: K") <= 127:
        raise InputError(f"Format se8-silu: K must be from 1 to 127, not {K!r}")
    f, g = integer(f, "Format se8-silu: f"), integer(g, "Format se8-silu: g")
    segments = (
        Segment(codes=K, log2_step=-f, first_code=128),
        Segment(codes=128, log2_step=0, first_code=0),
        Segment(codes=128 - K, log2_step=g, first_code=128 + K),
    )
    return SegmentedFormat(name="se8-silu", bits=8, kind="offset", segments=segments, zero_point=zero_point)


def se9_paper() -> SegmentedFormat:
    """What the authors' published simulation computes: sign, two segment bits, six data bits.

    0..63 at s/4 up to and including 15.75 s, 16..143 at s, 143 + 4*0..63 at 4s. +-143 s has two codes; encoders emit
    the standard one (191), decoders accept the coarse one (192) too. The step from 143 s to 147 s is already a coarse
    one; so the last standard code has a segment of its own.
    """
    segments = (
        Segment(codes=64, log2_step=-2, first_code=0, exact_end=True),
        Segment(codes=127, log2_step=0, first_code=64),
        Segment(codes=1, log2_step=2, first_code=191),
        Segment(codes=63, log2_step=2, first_code=193),
    )
    return SegmentedFormat(name="se9-paper", bits=9, kind="sign-magnitude", segments=segments, aliases=((192, 191),))


PRESETS: dict[str, Callable[..., SegmentedFormat]] = {
    "int8": int8,
    "int8-asym": int8_asym,
    "se8": se8,
    "se8-silu": se8_silu,
    "se9-paper": se9_paper,
}

_READ_BACK: dict[str, Callable[[SegmentedFormat], dict[str, int]]] = {
    "int8": lambda format: {"narrow_range": int(format.narrow_range)},
    "int8-asym": lambda format: {"zero_point": format.zero_point},
    "se8": lambda format: {"L": format.segments[0].codes // 4},
    "se8-silu": lambda format: {
        "K": format.segments[0].codes,
        "zero_point": format.zero_point,
        "f": -format.segments[0].log2_step,
        "g": format.segments[-1].log2_step,
    },
    "se9-paper": lambda format: {},
}
"""The parameters with which a format of the preset was made."""


def spec_of(format: SegmentedFormat) -> str:
    """What :func:`load_format` takes for ``format``, such as ``se8:L=12``, without parameters at their defaults.

    The name of a format that no preset gives is returned as it is.
    """
    make = PRESETS.get(format.name)
    if make is None:
        return format.name
    parameters = _READ_BACK[format.name](format)
    try:
        if make(**parameters) != format:
            return format.name
    except InputError:  # another format of that name, whose segments are beyond the preset's parameters
        return format.name
    defaults = {name: parameter.default for name, parameter in signature(make).parameters.items()}
    given = ",".join(f"{name}={value}" for name, value in parameters.items() if value != defaults[name])
    return f"{format.name}:{given}" if given else format.name


_INTEGER = {"type": "integer", "minimum": -MAX_REACH, "maximum": MAX_REACH}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name", "bits", "kind", "segments"],
    "additionalProperties": False,
    "properties": {
        "name": {  # ends up in reports and in Verilog comments
            "type": "string",
            "minLength": 1,
            "maxLength": 64,
            "not": {"pattern": r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]"},
        },
        "bits": _INTEGER,
        "kind": {"enum": list(KINDS)},
        "segments": {
            "type": "array",
            "minItems": 1,
            "maxItems": 64,
            "items": {
                "type": "object",
                "required": ["codes", "log2_step"],
                "additionalProperties": False,
                "properties": {
                    "start": {"type": "number", "minimum": 0, "maximum": MAX_REACH << 8},
                    "codes": _INTEGER,
                    "log2_step": _INTEGER,
                    "first_code": _INTEGER,
                    "exact_end": {"type": "boolean"},
                },
            },
        },
        "zero_point": _INTEGER,
        "narrow_range": {"type": "boolean"},
        "aliases": {
            "type": "array",
            "items": {"type": "array", "items": _INTEGER, "minItems": 2, "maxItems": 2},
        },
    },
}


def load_format(spec: str | os.PathLike[str] | SegmentedFormat) -> SegmentedFormat:
    """The format that ``spec`` names: a preset, a preset with parameters, or a JSON file; a format is returned itself.

    Raises:
        InputError: for an unknown name or parameter, or a file that breaks a rule.
    """
    if isinstance(spec, SegmentedFormat):
        return spec
    if isinstance(spec, os.PathLike):
        spec = str(os.fspath(spec))
    instance(spec, str, "Format", "a name, a name with parameters, or a .json file's path")
    if spec.endswith(".json"):
        return _from_file(Path(spec))
    name, _, arguments = spec.partition(":")
    if name == "tuned":
        raise InputError(f"Format {spec} must be searched for first: calibrate with it, then give that calibration")
    if name not in PRESETS:
        raise InputError(f"Format must be one of {', '.join(PRESETS)}, or a .json file, not {spec!r}")
    make = PRESETS[name]
    known = make.__annotations__.keys() - {"return"}
    parameters = {}
    for argument in filter(None, arguments.split(",")):
        key, _, value = argument.partition("=")
        if key not in known:
            takes = f"takes {', '.join(sorted(known))}" if known else "takes no parameters"
            raise InputError(f"Format {name} {takes}, not {argument!r}")
        if key in parameters:
            raise InputError(f"Format {name}: {key} must be given once, not again as {argument!r}")
        try:
            parameters[key] = int(value)
        except ValueError:
            raise InputError(f"Format {name}: {key} must be an integer, not {value!r}") from None
    return make(**parameters)


def _from_file(path: Path) -> SegmentedFormat:
    document = read_json(path, f"Format file {path}")
    refuse_other_kinds(document, f"Format file {path}", "format")
    return format_from_json(document, where=f"Format file {path}")


def format_from_json(document: object, *, where: str = "Format") -> SegmentedFormat:
    """The format that a JSON document (:data:`SCHEMA`) describes.

    A segment's ``start`` (units of s, from the axis' start) is optional; if given it must be where the previous segment
    ends. ``first_code`` defaults to the code after the previous segment's last.
    """
    instance(document, dict, where, "a JSON object")
    check_schema(document, SCHEMA, where)
    assert isinstance(document, dict)
    segments: list[Segment] = []
    end, next_code = 0.0, 0
    for number, item in enumerate(document["segments"]):
        start = item.get("start", end)
        if start != end:
            problem = "a gap" if start > end else "an overlap"
            raise InputError(
                f"{where}: segments must be contiguous, but there is {problem} before segment {number}: "
                f"it starts at {start:g} s, the one before ends at {end:g} s"
            )
        segment = Segment(
            codes=int(item["codes"]),  # JSON's 8.0 is an integer, too
            log2_step=int(item["log2_step"]),
            first_code=int(item.get("first_code", next_code)),
            exact_end=item.get("exact_end", False),
        )
        segments.append(segment)
        end += segment.codes * 2.0**segment.log2_step
        next_code = segment.first_code + segment.codes
    return SegmentedFormat(
        name=document["name"],
        bits=int(document["bits"]),
        kind=document["kind"],
        segments=tuple(segments),
        zero_point=int(document.get("zero_point", 0)),
        narrow_range=document.get("narrow_range", False),
        aliases=tuple((int(alias), int(code)) for alias, code in document.get("aliases", [])),
    )


def format_to_json(format: SegmentedFormat) -> dict[str, Any]:
    """The JSON document of ``format``; :func:`format_from_json` gives back an equal format."""
    check_format(format)
    step = 2.0**-format.fraction_bits
    return {
        "name": format.name,
        "bits": format.bits,
        "kind": format.kind,
        "segments": [
            {
                "start": start * step,
                "codes": segment.codes,
                "log2_step": segment.log2_step,
                "first_code": segment.first_code,
                "exact_end": segment.exact_end,
            }
            for segment, start in zip(format.segments, format.starts, strict=True)
        ],
        "zero_point": format.zero_point,
        "narrow_range": format.narrow_range,
        "aliases": [list(pair) for pair in format.aliases],
    }
