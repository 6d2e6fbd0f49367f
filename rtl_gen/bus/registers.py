"""Registers of a block on a bus: hardware, headers, Python module and table are made from their description.

Offsets are in bytes; registers have 32 bits. A register has the same offset in every configuration of its block; one
that a configuration does not need is absent, and its address is unknown.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

ADDRESS_WIDTH = 10

Access = Literal["read-only", "read-write", "command", "status", "counter"]
ACCESS: dict[Access, str] = {
    "read-only": "Writes are refused.",
    "read-write": "Bytes whose strobe is 0 keep their value. A value that the register cannot hold is refused.",
    "command": "Writing 1 to a bit gives its command; reads give 0. Writing 1 to a bit without a meaning is refused.",
    "status": "Writing 1 to a sticky bit clears it; other bits written are ignored.",
    "counter": "Stops at its maximum. Any write with a strobe bit of 1 clears it; events of that cycle are counted.",
}
"""How a register behaves; :attr:`RegisterMap.effect` adds to what is said of read-write registers."""


class Codes(NamedTuple):
    """Meanings of a field's values, from 0 on, by their names; ``name``, ``title``: the field, in headers and table."""

    name: str
    title: str
    meanings: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Field:
    """Bits ``low`` to ``low + width - 1`` of a register; ``sticky``: a flag that stays until software clears it."""

    name: str
    low: int
    width: int
    meaning: str
    signed: bool = False
    sticky: bool = False

    @property
    def mask(self) -> int:
        """Ones where the field is."""
        return ((1 << self.width) - 1) << self.low

    def of(self, word: int) -> int:
        """The field's value in ``word``."""
        value = (word & self.mask) >> self.low
        return value - (1 << self.width) if self.signed and value >> (self.width - 1) else value


@dataclass(frozen=True, kw_only=True)
class Register:
    """A word; ``reset`` is its value as read after a reset (signed parameters read sign-extended)."""

    name: str
    offset: int
    access: Access
    meaning: str
    fields: tuple[Field, ...]
    reset: int = 0

    @property
    def index(self) -> int:
        """Its address in words."""
        return self.offset >> 2

    def field(self, name: str) -> Field:
        """The field called ``name``."""
        return next(field for field in self.fields if field.name == name)


@dataclass(frozen=True, kw_only=True)
class RegisterMap:
    """The registers of one configuration.

    Attributes:
        registers: in the order of their offsets.
        effect: when what is written to a read-write register becomes effective: sentences.
        codes: meanings of a field's values.
    """

    registers: tuple[Register, ...]
    effect: str
    codes: Codes

    def __getitem__(self, name: str) -> Register:
        return next(register for register in self.registers if register.name == name)

    def of_access(self, access: Access) -> tuple[Register, ...]:
        """The registers of this access."""
        return tuple(register for register in self.registers if register.access == access)

    def flags(self) -> tuple[str, ...]:
        """Names of the sticky fields, in the order of registers and fields."""
        return tuple(field.name for one in self.of_access("status") for field in one.fields if field.sticky)

    def facts(self) -> list[dict[str, object]]:
        """The registers, as JSON."""
        return [
            {
                "name": register.name,
                "offset": register.offset,
                "access": register.access,
                "reset": register.reset,
                "meaning": register.meaning,
                "fields": [asdict(field) for field in register.fields],
            }
            for register in self.registers
        ]


def fixed(
    name: str, offset: int, meaning: str, fields: list[tuple[str, int, int, str, int]], signed: str = ""
) -> Register:
    """A register that always reads the same; ``fields``: name, lowest bit, width, meaning, value."""
    made = [
        Field(name=field, low=low, width=width, meaning=what, signed=field == signed)
        for field, low, width, what, _ in fields
    ]
    reset = sum(value << low for _, low, _, _, value in fields)
    return Register(
        name=name, offset=offset, access="read-only", meaning=meaning, fields=tuple(made), reset=reset
    )


def parameter(
    name: str, offset: int, width: int, meaning: str, reset: int, field: str = "VALUE", signed: bool = False,
    low: int = 0,
) -> Register:
    """A read-write register of one field; a value with bits below ``low``, the field's lowest, is refused."""
    fields = (Field(name=field, low=low, width=width, meaning=meaning, signed=signed),)
    return Register(name=name, offset=offset, access="read-write", meaning=meaning, fields=fields, reset=reset)


def counter(name: str, offset: int, meaning: str) -> Register:
    """A counter of 32 bits."""
    fields = (Field(name="COUNT", low=0, width=32, meaning=meaning),)
    return Register(name=name, offset=offset, access="counter", meaning=meaning, fields=fields)


def flag(name: str, low: int, meaning: str) -> Field:
    """A sticky bit."""
    return Field(name=name, low=low, width=1, meaning=meaning, sticky=True)
