"""A unit's options, declared once, as the fields of its frozen dataclass.

The check of a new configuration, the parameters in the manifest, the arguments of the command line, the options of
sweeps and the tables in the documentation all follow from the declaration.
"""

from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, TypeVar

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.units.option_kinds import Kind

T = TypeVar("T")

REQUIRED = object()
"""The default of an option that must be given."""
_SAME = object()


@dataclass(frozen=True, kw_only=True)
class Option:
    """An option's values, meaning and presentation.

    Attributes:
        kind: its values.
        help: its meaning, in a few words.
        metavar: placeholder of its value on the command line.
        default: of the field.
        text_default: the default where options are text, on the command line and in sweeps, if it differs from
            ``default``.
        measure: unit of measure.
        text_options: further options, by name, that are needed to read this one's text; they are no fields.
    """

    kind: Kind
    help: str
    metavar: str | None = None
    default: Any = REQUIRED
    text_default: Any = _SAME
    measure: str = ""
    text_options: Mapping[str, "Option"] = field(default_factory=dict)

    @property
    def default_as_text(self) -> Any:
        """The default where options are text."""
        return self.default if self.text_default is _SAME else self.text_default


def option(declared: Option | None = None, /, **attributes: Any) -> Any:
    """A dataclass field for an option: a new one, or ``declared`` with some attributes replaced."""
    made = Option(**attributes) if declared is None else replace(declared, **attributes)
    return field(default=MISSING if made.default is REQUIRED else made.default, metadata={"option": made})


def options(config: type) -> dict[str, Option]:
    """The options of a unit's dataclass by name, in the order of its fields. Fields made without :func:`option` are
    none.
    """
    declared: dict[str, Option] = {}
    for name, option in _fields(config).items():
        declared |= {name: option, **option.text_options}
    return declared


def _fields(config: type) -> dict[str, Option]:
    return {one.name: one.metadata["option"] for one in fields(config) if "option" in one.metadata}


def check(config: Any) -> None:
    """Check every option of a new configuration by itself; the configuration keeps what :meth:`Kind.check` returns."""
    for name, option in _fields(type(config)).items():
        object.__setattr__(config, name, option.kind.check(name, getattr(config, name)))


def read(
    config: type,
    given: Mapping[str, Any],
    *,
    names: Collection[str] | None = None,
    others: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The values of options given as text, by name.

    Args:
        config: the unit's dataclass.
        given: text or values by name; the default if absent or None.
        names: which options to read; default: all.
        others: options that were read before.

    Raises:
        InputError: if an option is missing that must be given, or a value is not allowed.
    """
    wanted = {name: option for name, option in options(config).items() if names is None or name in names}
    values: dict[str, Any] = {}
    for name, option in wanted.items():
        value = given.get(name)
        values[name] = option.default_as_text if value is None else value
        if values[name] is REQUIRED:
            raise InputError(f"Option {flag(name)} must be given for unit {config.unit}")  # type: ignore[attr-defined]
    known = dict(others or {}) | values
    for name, option in wanted.items():
        value = values[name]
        values[name] = option.kind.check(name, option.kind.parse(value, known) if isinstance(value, str) else value)
    return values


def configure(config: type[T], values: Mapping[str, Any]) -> T:
    """The configuration with these values; values that are no fields are ignored."""
    names = [one.name for one in fields(config) if one.name in values]  # type: ignore[arg-type]
    return config(**{name: values[name] for name in names})


def to_json(config: Any) -> dict[str, Any]:
    """The options' values, as the manifest has them."""
    return {name: option.kind.to_json(getattr(config, name)) for name, option in _fields(type(config)).items()}


def from_json(config: type, document: Mapping[str, Any]) -> dict[str, Any]:
    """The values of :func:`to_json`'s JSON. Raises InputError."""
    return {name: option.kind.from_json(document[name]) for name, option in _fields(config).items()}


def schema(config: type) -> dict[str, Any]:
    """JSON Schema of :func:`to_json`'s JSON."""
    mine = _fields(config)
    return {"required": list(mine), "properties": {name: option.kind.schema for name, option in mine.items()}}


def flag(name: str) -> str:
    """An option on the command line."""
    return f"--{name.replace('_', '-')}"
