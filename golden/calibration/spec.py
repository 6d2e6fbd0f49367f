"""What a user asks a calibration for: a format, a search for a format, or a baseline of the accuracy tables.

The words for it (``se8``, ``se8:L=12``, ``mine.json``, ``tuned:segments=4``, ``quamba:alpha=0.999``, ``lloyd-max``) are
parsed where they enter, at the command line or in a public function; from there on only these objects are passed.
``str`` of one gives the words back as they were given, for tables and JSON.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qse_hw.golden.calibration.headroom import check_headroom
from qse_hw.golden.calibration.percentile import check_alpha
from qse_hw.golden.calibration.tune import SIGNS, Budget
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.segmented import SegmentedFormat

TUNED = "tuned"
FAMILIES = ("se8", "se8-silu", "int8-asym")  # presets whose bare names leave parameters open
FLOAT8 = {"fp8-e4m3": "float8_e4m3fn", "fp8-e3m4": "float8_e3m4"}
PERCENTILE = {"quamba": "int8", "quamba-se": "se9-paper", "quamba-se8": "se8:L=8"}
LLOYD_MAX = "lloyd-max"
GROUPED = "quamba2"
GROUPS = 8  # of channels, each with a scale of its own

BASELINES = {
    "quamba": "INT8 at Quamba's percentile, the alpha of least error",
    "quamba-se": "the paper's 9-bit simulation at Quamba's percentile, the alpha of least error",
    "quamba-se8": "the paper's layout in 8 bits, se8:L=8, at Quamba's percentile, the alpha of least error",
    GROUPED: f"INT8 with a scale for each of {GROUPS} groups of channels, sorted by their maxima",
    "fp8-e4m3": "float8, 4 exponent and 3 mantissa bits",
    "fp8-e3m4": "float8, 3 exponent and 4 mantissa bits",
    LLOYD_MAX: "256 levels wherever they serve best: the limit of any 8-bit scalar quantizer",
}

_INTEGER: tuple[Callable[[str], float], str] = (int, "an integer")
_PARAMETERS = {"segments": _INTEGER, "bits": _INTEGER, "sign": _INTEGER, "headroom": (float, "a number")}


@dataclass(frozen=True)
class _Named:
    name: str
    """The words, as they were given."""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class GivenFormat(_Named):
    """One format, of which only the scale is sought."""

    format: SegmentedFormat


@dataclass(frozen=True)
class FormatFamily(_Named):
    """A preset with open parameters (one of :data:`FAMILIES`): its best member and a scale are sought."""


@dataclass(frozen=True)
class TunedFormat(_Named):
    """Any segmented format within a budget."""

    budget: Budget


@dataclass(frozen=True)
class PercentileBaseline(_Named):
    """A format at Quamba's percentile of x; ``alpha`` None: the percentile with the least error is sought."""

    format: SegmentedFormat
    alpha: float | None


@dataclass(frozen=True)
class GroupedBaseline(_Named):
    """INT8 with a scale per group of channels, as in Quamba2."""


@dataclass(frozen=True)
class Float8Baseline(_Named):
    """A scaled float8; ``dtype`` is its name in ``ml_dtypes``."""

    dtype: str


@dataclass(frozen=True)
class LloydMaxBaseline(_Named):
    """The best 256 levels."""


FormatSpec = GivenFormat | FormatFamily | TunedFormat
CandidateSpec = FormatSpec | PercentileBaseline | GroupedBaseline | Float8Baseline | LloydMaxBaseline


def parse_format(spec: FormatSpec | SegmentedFormat | str | os.PathLike[str]) -> FormatSpec:
    """What ``spec`` asks for: a preset's name, a name with parameters, a JSON file, ``tuned``, or a format itself.

    Raises:
        InputError: for an unknown name or parameter, one out of range, or a file that breaks a rule.
    """
    if isinstance(spec, FormatSpec):
        return spec
    if isinstance(spec, str) and spec.partition(":")[0] == TUNED:
        return TunedFormat(spec, _budget(spec))
    return parse_preset(spec) if isinstance(spec, str) else GivenFormat(str(spec), load_format(spec))


def parse_preset(text: str) -> GivenFormat | FormatFamily:
    """As :func:`parse_format`, of anything but a tuned format."""
    format = load_format(text)
    return FormatFamily(text) if text in FAMILIES else GivenFormat(text, format)


def _budget(text: str) -> Budget:
    """The budget of ``tuned`` or ``tuned:segments=N,bits=B,sign=S,headroom=M``; sign 1: with a sign bit, 0: without."""
    parameters: dict[str, Any] = {}
    for argument in filter(None, text.partition(":")[2].split(",")):
        key, _, value = argument.partition("=")
        if key not in _PARAMETERS:
            raise InputError(f"Format tuned takes {', '.join(_PARAMETERS)}, not {argument!r}")
        if key in parameters:
            raise InputError(f"Format tuned: {key} must be given once, not again as {argument!r}")
        number, words = _PARAMETERS[key]
        try:
            parameters[key] = number(value)
        except ValueError:
            raise InputError(f"Format tuned: {key} must be {words}, not {value!r}") from None
    sign = parameters.pop("sign", None)
    if sign not in (None, 0, 1):
        raise InputError(f"Format tuned: sign must be 0 or 1, not {sign}")
    return Budget(signs=SIGNS if sign is None else (SIGNS[sign],), **parameters)


def add_headroom(spec: FormatSpec, headroom: float | None) -> FormatSpec:
    """A tuned format with that headroom in its budget; None: ``spec`` as it is.

    Raises:
        InputError: if ``spec`` is no tuned format, or states its headroom already.
    """
    if headroom is None:
        return spec
    if not isinstance(spec, TunedFormat):
        raise InputError(f"Headroom must be for a tuned format, not for {spec}; leave it out")
    if "headroom=" in spec.name:
        raise InputError(f"Headroom must be given once, not as {headroom:g} and in {spec}")
    check_headroom(headroom)
    return parse_format(f"{spec.name.removesuffix(':')}{',' if '=' in spec.name else ':'}headroom={headroom:g}")


def parse_candidate(text: str) -> CandidateSpec:
    """What one entry of the accuracy tables asks for: a baseline (:data:`BASELINES`), or a format.

    Raises:
        InputError: for anything else.
    """
    name, _, alpha = text.partition(":alpha=")
    if name in PERCENTILE and (alpha or text == name):
        return PercentileBaseline(text, load_format(PERCENTILE[name]), _alpha(name, alpha) if alpha else None)
    if text == GROUPED:
        return GroupedBaseline(text)
    if text in FLOAT8:
        return Float8Baseline(text, FLOAT8[text])
    if text == LLOYD_MAX:
        return LloydMaxBaseline(text)
    try:
        return parse_format(text)
    except InputError as error:
        if ":" in text or text.endswith(".json"):
            raise
        raise InputError(f"{error} nor one of {', '.join(BASELINES)}, tuned") from error


def _alpha(name: str, text: str) -> float:
    try:
        alpha = float(text)
        check_alpha(alpha)
    except ValueError as error:  # InputError is one, too
        raise InputError(f"Alpha of {name} must be a number above 0 and at most 1, not {text!r}") from error
    return alpha


def parse_candidates(text: str) -> list[CandidateSpec]:
    """A comma-separated list without duplicates; commas within an entry, as in ``se8-silu:K=40,f=1``, belong to it."""
    entries: list[str] = []
    for word in text.split(","):
        if entries and "=" in word and ":" not in word and ":" in entries[-1]:
            entries[-1] += f",{word.strip()}"
        else:
            entries.append(word.strip())
    return [parse_candidate(entry) for entry in dict.fromkeys(entries)]
