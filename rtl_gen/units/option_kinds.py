"""Kinds of option values: how a value is checked, read from text, written as JSON and read back."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from operator import index
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType, input_type
from qse_hw.golden.formats.presets import format_from_json, format_to_json, load_format
from qse_hw.golden.formats.scale import SCALE_SCHEMA, Scale, scale_from_json, scale_from_text
from qse_hw.golden.formats.segmented import SegmentedFormat

RUNTIME = "runtime"
"""As text and in JSON: a scale that is set at run time."""

_TEXT: Mapping[str, Any] = {"type": "string"}
_BOOLEAN: Mapping[str, Any] = {"type": "boolean"}


class Kind:
    """The values that an option takes.

    Attributes:
        rule: the values in a few words.
        schema: JSON Schema of a value; empty if :meth:`from_json` checks instead.
    """

    rule: str = ""
    schema: Mapping[str, Any] = {}

    def check(self, name: str, value: Any) -> Any:
        """``value`` as it is kept, NumPy's integers as int.

        Raises:
            TypeError: if its type is wrong.
            InputError: if it is out of range. Sentences begin with the option's ``name``.
        """
        raise NotImplementedError

    def parse(self, text: str, others: Mapping[str, Any]) -> Any:
        """The value of ``text``; ``others``: the unit's options read before. Raises InputError."""
        return text

    def to_json(self, value: Any) -> Any:
        """The value as JSON, for the manifest."""
        return value

    def from_json(self, value: Any) -> Any:
        """The value of :meth:`to_json`'s JSON. Raises InputError."""
        return value


@dataclass(frozen=True)
class Integer(Kind):
    """An integer from ``low`` to ``high``; without ``low`` the configuration checks its range. ``zero``: what 0 means.

    ``optional``: None leaves the choice to the hardware.
    """

    low: int | None = None
    high: int | None = None
    zero: str = ""
    optional: bool = False

    @property
    def rule(self) -> str:  # type: ignore[override]
        if self.low is None:
            return "an integer"
        return f"{self.low}{f' ({self.zero})' if self.zero else ''} to {self.high}"

    @property
    def schema(self) -> Mapping[str, Any]:  # type: ignore[override]
        return {"type": ["integer", "null"] if self.optional else "integer"}

    def check(self, name: str, value: Any) -> int | None:
        if value is None and self.optional:
            return None
        number = index(value)
        if self.low is not None and self.high is not None and not self.low <= number <= self.high:
            raise InputError(f"{subject(name)} must be from {self.rule}, not {number!r}")
        return number

    def from_json(self, value: Any) -> int | None:
        return None if value is None else int(value)  # in JSON, 8.0 is an integer


@dataclass(frozen=True)
class Integers(Kind):
    """One to ``most`` integers from ``low`` to ``high``; as text separated by commas."""

    low: int
    high: int
    most: int

    @property
    def rule(self) -> str:  # type: ignore[override]
        return f"1 to {self.most} integers from {self.low} to {self.high}"

    @property
    def schema(self) -> Mapping[str, Any]:  # type: ignore[override]
        return {"type": "array", "items": {"type": "integer"}}

    def check(self, name: str, value: Any) -> tuple[int, ...]:
        if isinstance(value, str):
            raise TypeError(f"{subject(name)} must be integers, not {value!r}")
        numbers = tuple(index(number) for number in value)
        if not 1 <= len(numbers) <= self.most:
            raise InputError(f"{subject(name)} must be {self.rule}, not {len(numbers)} of them")
        for number in numbers:
            if not self.low <= number <= self.high:
                raise InputError(f"{subject(name)} must be {self.rule}, not {number}")
        return numbers

    def parse(self, text: str, others: Mapping[str, Any]) -> tuple[int, ...]:
        if not re.fullmatch(r"-?[0-9]{1,40}(,-?[0-9]{1,40})*", text):
            raise InputError(f"Integers must be written like 768,1536, not {text!r}")
        return tuple(map(int, text.split(",")))

    def to_json(self, value: tuple[int, ...]) -> list[int]:
        return list(value)

    def from_json(self, value: Any) -> tuple[int, ...]:
        return tuple(int(number) for number in value)


@dataclass(frozen=True)
class OneOf(Kind):
    """One of some names."""

    names: tuple[str, ...]
    schema = _TEXT

    @property
    def rule(self) -> str:  # type: ignore[override]
        return " or ".join(self.names)

    def check(self, name: str, value: Any) -> str:
        if value not in self.names:
            raise InputError(f"{subject(name)} must be one of {', '.join(self.names)}, not {value!r}")
        return str(value)


class Switch(Kind):
    """True or False."""

    rule = "on or off"
    schema = _BOOLEAN

    def check(self, name: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise TypeError(f"{subject(name)} must be a bool, not {value!r}")
        return value


@dataclass(frozen=True)
class Text(Kind):
    """Any text, such as the name of a file. ``optional``: None stands for no text."""

    optional: bool = False

    rule = "text"

    @property
    def schema(self) -> Mapping[str, Any]:  # type: ignore[override]
        return {"type": ["string", "null"] if self.optional else "string"}

    def check(self, name: str, value: Any) -> str | None:
        if not isinstance(value, str) and not (self.optional and value is None):
            raise TypeError(f"{subject(name)} must be a str{' or None' if self.optional else ''}, not {value!r}")
        return value


class Format(Kind):
    """A number format; as text a preset or a file (:func:`qse_hw.golden.formats.presets.load_format`)."""

    rule = "a format"

    def check(self, name: str, value: Any) -> SegmentedFormat:
        if not isinstance(value, SegmentedFormat):
            raise TypeError(f"{subject(name)} must be a SegmentedFormat, not {value!r}")
        return value

    def parse(self, text: str, others: Mapping[str, Any]) -> SegmentedFormat:
        return load_format(text)

    def to_json(self, value: SegmentedFormat) -> Any:
        return format_to_json(value)

    def from_json(self, value: Any) -> SegmentedFormat:
        return format_from_json(value)


@dataclass(frozen=True)
class Number(Kind):
    """A number, exactly; as text 0.001, -3/8 or 2^-12. ``optional``: None leaves it open."""

    optional: bool = False

    rule = "a number"

    @property
    def schema(self) -> Mapping[str, Any]:  # type: ignore[override]
        return {"type": ["string", "null"] if self.optional else "string"}

    def check(self, name: str, value: Any) -> Fraction | None:
        if value is None and self.optional:
            return None
        if not isinstance(value, int | Fraction) or isinstance(value, bool):
            raise TypeError(f"{subject(name)} must be an int or a Fraction, not {value!r}")
        return Fraction(value)

    def parse(self, text: str, others: Mapping[str, Any]) -> Fraction:
        power = re.fullmatch(r"([+-]?)2\^([+-]?\d{1,3})", text)
        if power is not None:
            return Fraction(-1 if power[1] == "-" else 1) * Fraction(2) ** int(power[2])
        if re.fullmatch(r"[+-]?(\d{1,40}/\d{1,40}|\d{0,40}\.?\d{0,40}(e[+-]?\d{1,2})?)", text, re.ASCII):
            try:
                return Fraction(text)
            except (ValueError, ZeroDivisionError):
                pass
        raise InputError(f"Number must be written like 0.001, -3/8 or 2^-12, not {text!r}")

    def to_json(self, value: Fraction | None) -> str | None:
        return None if value is None else str(value)

    def from_json(self, value: str | None) -> Fraction | None:
        return None if value is None else self.parse(value, {})


class Input(Kind):
    """A type of input values; as text its name (:func:`qse_hw.golden.formats.inputs.input_type`)."""

    rule = "a type"
    schema = _TEXT

    def check(self, name: str, value: Any) -> InputType:
        if not isinstance(value, InputType):
            raise TypeError(f"{subject(name)} must be an InputType, not {value!r}")
        return value

    def parse(self, text: str, others: Mapping[str, Any]) -> InputType:
        return input_type(text)

    def to_json(self, value: InputType) -> str:
        return value.name

    def from_json(self, value: Any) -> InputType:
        return input_type(value)


@dataclass(frozen=True)
class Step(Kind):
    """A scale; as text its step s, with M as wide as option ``scale_bits`` says.

    ``optional``: None, as text and in JSON "runtime", stands for a scale that is set at run time.
    """

    optional: bool = False

    @property
    def rule(self) -> str:  # type: ignore[override]
        return f"a number or {RUNTIME}" if self.optional else "a number"

    @property
    def schema(self) -> Mapping[str, Any]:  # type: ignore[override]
        return {"anyOf": [{"const": RUNTIME}, SCALE_SCHEMA]} if self.optional else SCALE_SCHEMA

    def check(self, name: str, value: Any) -> Scale | None:
        if not isinstance(value, Scale) and not (self.optional and value is None):
            raise TypeError(f"{subject(name)} must be a Scale{' or None' if self.optional else ''}, not {value!r}")
        return value

    def parse(self, text: str, others: Mapping[str, Any]) -> Scale | None:
        if self.optional and text == RUNTIME:
            return None
        return scale_from_text(text, others["scale_bits"])

    def to_json(self, value: Scale | None) -> Any:
        return RUNTIME if value is None else asdict(value)

    def from_json(self, value: Any) -> Scale | None:
        return None if self.optional and value == RUNTIME else scale_from_json(value, "scale")


def subject(name: str) -> str:
    """An option's name, to begin a sentence with."""
    return name.replace("_", " ").capitalize()
