"""The registers of the quantizer: hardware, headers, Python module and table are made from this description.

Offsets are in bytes; registers have 32 bits. A register has the same offset in every configuration; one that a
configuration does not need is absent, and its address is unknown.
"""

from dataclasses import dataclass
from typing import Literal

from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import MAX_REACH, SegmentedFormat
from qse_hw.rtl_gen.lane.format_family import FormatFamily

ID = int.from_bytes(b"QSEQ", "big")
VERSION = (1, 0, 0)  # of the map: incompatible, compatible, editorial changes
ADDRESS_WIDTH = 10
K_WIDTH = 9  # signed, holds every k

Access = Literal["read-only", "read-write", "command", "status", "counter"]
ACCESS: dict[Access, str] = {
    "read-only": "Writes are refused.",
    "read-write": "A parameter: holds what was written until CONTROL.APPLY makes it effective. While "
    "STATUS.PENDING is 1 writes are refused. Bytes whose strobe is 0 keep their value. A value that the register "
    "cannot hold is refused.",
    "command": "Writing 1 to a bit gives its command; reads give 0. Writing 1 to a bit without a meaning is refused.",
    "status": "Writing 1 to a sticky bit clears it; other bits written are ignored.",
    "counter": "Stops at its maximum. Any write with a strobe bit of 1 clears it; events of that cycle are counted.",
}

# values of STATUS.ERROR, why parameters are refused, in the order in which the hardware checks each segment
REFUSALS = {
    "NONE": "nothing",
    "SCALE_M": "SCALE_M must have its top bit set",
    "SCALE_K": "the step 2**SCALE_K / SCALE_M must be from 2**-100 to 2**100",
    "OVERLAP": "two segments' codes must not overlap",
    "NO_CODES": "a segment must have a code (two if it is alone and has a sign)",
    "FIELD": "a segment's codes must fit the code without its sign bit",
    "REACH": f"the last segment must end at {MAX_REACH} fine steps or before",
    "ZERO_POINT": "the zero point must lie in a segment of the finest step",
}


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
    """The registers of one configuration, in the order of their offsets."""

    registers: tuple[Register, ...]
    segments: int

    def __getitem__(self, name: str) -> Register:
        return next(register for register in self.registers if register.name == name)

    def of_access(self, access: Access) -> tuple[Register, ...]:
        """The registers of this access."""
        return tuple(register for register in self.registers if register.access == access)

    @classmethod
    def of(cls, *, format: SegmentedFormat, input: InputType, scale: Scale, lanes: int) -> "RegisterMap":
        """The map of a quantizer that starts with ``format`` and ``scale``."""
        family = FormatFamily.of(format)
        registers = [*_identity(family, input, scale, lanes), *_control(), *_scale(scale)]
        if format.kind == "offset":
            meaning = "fine steps from the axis' start to the value 0"
            registers.append(_parameter("ZERO_POINT", 0x28, MAX_REACH.bit_length() - 1, meaning, format.zero_point))
        registers.append(_parameter("MODE", 0x2C, 1, "1: the low bits of each value pass unchanged", 0, "BYPASS"))
        for n, segment in enumerate(format.segments):
            offset, prefix = 0x40 + 16 * n, f"SEGMENT{n}_"
            codes = f"codes of segment {n}" + ("" if n else "; L of the soft edge, in fine steps: K = L * 2**f")
            registers += [
                _parameter(f"{prefix}COUNT", offset, family.field + 1, codes, segment.codes),
                _parameter(f"{prefix}FIRST", offset + 4, family.field, f"segment {n}'s first code", segment.first_code),
                _fixed(f"{prefix}LOG2_STEP", offset + 8, "log2 of the segment's step in units of s",
                       [("VALUE", 0, 32, "log2 of the step, signed", segment.log2_step % (1 << 32))], signed="VALUE"),
            ]  # fmt: skip
        registers += [
            _counter("VALUES", 0x200, "values that passed, with bypassed ones, without those not kept"),
            _counter("SATURATED", 0x204, "values beyond the format's range"),
            _counter("NAN", 0x208, "values that were NaN"),
            *(
                _counter(f"SEGMENT{n}_VALUES", 0x210 + 4 * n, f"values with a code of segment {n}, saturated ones and "
                         "NaN included, bypassed ones not")
                for n in range(len(format.segments))
            ),
        ]  # fmt: skip
        return cls(registers=tuple(registers), segments=len(format.segments))


def _identity(family: FormatFamily, input: InputType, scale: Scale, lanes: int) -> list[Register]:
    major, minor, patch = VERSION
    return [
        _fixed("ID", 0x00, "what the block is", [("ID", 0, 32, 'the letters "QSEQ"', ID)]),
        _fixed("VERSION", 0x04, "version of this register map", [
            ("PATCH", 0, 8, "editorial changes", patch),
            ("MINOR", 8, 8, "compatible changes", minor),
            ("MAJOR", 16, 16, "incompatible changes", major),
        ]),
        _fixed("CAPABILITIES", 0x08, "what was built: codes", [
            ("LANES", 0, 11, "values per beat", lanes),
            ("BITS", 12, 4, "bits of a code", family.bits),
            ("SEGMENTS", 16, 5, "number of segments", len(family.shifts)),
            ("OFFSET", 24, 1, "1: offset codes with a zero point, 0: sign and magnitude", int(family.kind == "offset")),
        ]),
        _fixed("INPUT", 0x0C, "what was built: values", [
            ("WIDTH", 0, 6, "bits of a value", input.width),
            ("EXPONENT_BITS", 8, 4, "of an IEEE float; 0: two's complement", input.exponent_bits),
            ("SCALE_BITS", 16, 5, "bits of SCALE_M", scale.bits),
            ("EXPONENT", 24, 8, "log2 of the unit of two's complement values, signed", input.exponent % 256),
        ], signed="EXPONENT"),
    ]  # fmt: skip


def _control() -> list[Register]:
    def flag(name: str, low: int, meaning: str) -> Field:
        return Field(name=name, low=low, width=1, meaning=meaning, sticky=True)

    return [
        Register(name="CONTROL", offset=0x10, access="command", meaning="commands", fields=(
            Field(name="APPLY", low=0, width=1, meaning="make the parameters effective, between packets"),
            Field(name="SOFT_RESET", low=1, width=1, meaning="discard the beats inside, end an open output packet, "
                  "clear counters and sticky bits; parameters stay, the next beat starts a packet"),
        )),
        Register(name="STATUS", offset=0x14, access="status", meaning="state and sticky flags", fields=(
            Field(name="PENDING", low=0, width=1, meaning="parameters are checked or wait for the end of a packet"),
            Field(name="BUSY", low=1, width=1, meaning="beats are inside, or a packet has begun and not ended"),
            Field(name="BYPASSED", low=2, width=1, meaning="the bypass is effective"),
            flag("SATURATED", 8, "a value saturated"),
            flag("NAN", 9, "a value was NaN"),
            flag("PARAMETER_ERROR", 10, "parameters were refused; the previous ones stay effective"),
            flag("PARTIAL_KEEP", 11, "a value had some of its bytes kept, not all: it was treated as not kept"),
            Field(name="ERROR", low=16, width=3, meaning="why parameters were last refused: "
                  + ", ".join(f"{number} {name}" for number, name in enumerate(REFUSALS))),
        )),
    ]  # fmt: skip


def _scale(scale: Scale) -> list[Register]:
    return [
        _parameter("SCALE_M", 0x20, scale.bits, "M of the scale, top bit set: 1/s = M * 2**-k", scale.M),
        _parameter("SCALE_K", 0x24, K_WIDTH, "k of the scale, signed", scale.k % (1 << 32), signed=True),
    ]


def _fixed(
    name: str, offset: int, meaning: str, fields: list[tuple[str, int, int, str, int]], signed: str = ""
) -> Register:
    made = [
        Field(name=field, low=low, width=width, meaning=what, signed=field == signed)
        for field, low, width, what, _ in fields
    ]
    reset = sum(value << low for _, low, _, _, value in fields)
    return Register(
        name=name, offset=offset, access="read-only", meaning=meaning, fields=tuple(made), reset=reset
    )


def _parameter(
    name: str, offset: int, width: int, meaning: str, reset: int, field: str = "VALUE", signed: bool = False
) -> Register:
    fields = (Field(name=field, low=0, width=width, meaning=meaning, signed=signed),)
    return Register(name=name, offset=offset, access="read-write", meaning=meaning, fields=fields, reset=reset)


def _counter(name: str, offset: int, meaning: str) -> Register:
    fields = (Field(name="COUNT", low=0, width=32, meaning=meaning),)
    return Register(name=name, offset=offset, access="counter", meaning=meaning, fields=fields)
