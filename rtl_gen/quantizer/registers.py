"""The registers of the quantizer."""

from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import MAX_REACH, SegmentedFormat
from qse_hw.rtl_gen.bus.registers import Codes, Field, Register, RegisterMap, counter, fixed, flag, parameter
from qse_hw.rtl_gen.lane.format_family import FormatFamily

ID = int.from_bytes(b"QSEQ", "big")
VERSION = (1, 0, 0)  # of the map: incompatible, compatible, editorial changes
K_WIDTH = 9  # signed, holds every k
EFFECT = (
    "A parameter: holds what was written until CONTROL.APPLY makes it effective. While STATUS.PENDING is 1 writes are "
    "refused."
)

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
CODES = Codes(
    "ERROR",
    "Why parameters are refused (`STATUS.ERROR`): the first of these that applies, segment by segment.",
    REFUSALS,
)


def quantizer_registers(*, format: SegmentedFormat, input: InputType, scale: Scale, lanes: int) -> RegisterMap:
    """The map of a quantizer that starts with ``format`` and ``scale``."""
    family = FormatFamily.of(format)
    registers = [*_identity(family, input, scale, lanes), *_control(), *_scale(scale)]
    if format.kind == "offset":
        meaning = "fine steps from the axis' start to the value 0"
        registers.append(parameter("ZERO_POINT", 0x28, MAX_REACH.bit_length() - 1, meaning, format.zero_point))
    registers.append(parameter("MODE", 0x2C, 1, "1: the low bits of each value pass unchanged", 0, "BYPASS"))
    for n, segment in enumerate(format.segments):
        offset, prefix = 0x40 + 16 * n, f"SEGMENT{n}_"
        codes = f"codes of segment {n}" + ("" if n else "; L of the soft edge, in fine steps: K = L * 2**f")
        registers += [
            parameter(f"{prefix}COUNT", offset, family.field + 1, codes, segment.codes),
            parameter(f"{prefix}FIRST", offset + 4, family.field, f"segment {n}'s first code", segment.first_code),
            fixed(f"{prefix}LOG2_STEP", offset + 8, "log2 of the segment's step in units of s",
                   [("VALUE", 0, 32, "log2 of the step, signed", segment.log2_step % (1 << 32))], signed="VALUE"),
        ]  # fmt: skip
    registers += [
        counter("VALUES", 0x200, "values that passed, with bypassed ones, without those not kept"),
        counter("SATURATED", 0x204, "values that saturated, as they would have rounded beyond the codes"),
        counter("NAN", 0x208, "values that were NaN"),
        *(
            counter(f"SEGMENT{n}_VALUES", 0x210 + 4 * n, f"values with a code of segment {n}, saturated ones and "
                     "NaN included, bypassed ones not")
            for n in range(len(format.segments))
        ),
    ]  # fmt: skip
    return RegisterMap(registers=tuple(registers), effect=EFFECT, codes=CODES)


def _identity(family: FormatFamily, input: InputType, scale: Scale, lanes: int) -> list[Register]:
    major, minor, patch = VERSION
    return [
        fixed("ID", 0x00, "what the block is", [("ID", 0, 32, 'the letters "QSEQ"', ID)]),
        fixed("VERSION", 0x04, "version of this register map", [
            ("PATCH", 0, 8, "editorial changes", patch),
            ("MINOR", 8, 8, "compatible changes", minor),
            ("MAJOR", 16, 16, "incompatible changes", major),
        ]),
        fixed("CAPABILITIES", 0x08, "what was built: codes", [
            ("LANES", 0, 11, "values per beat", lanes),
            ("BITS", 12, 4, "bits of a code", family.bits),
            ("SEGMENTS", 16, 5, "number of segments", len(family.shifts)),
            ("OFFSET", 24, 1, "1: offset codes with a zero point, 0: sign and magnitude", int(family.kind == "offset")),
        ]),
        fixed("INPUT", 0x0C, "what was built: values", [
            ("WIDTH", 0, 6, "bits of a value", input.width),
            ("EXPONENT_BITS", 8, 4, "of an IEEE float; 0: two's complement", input.exponent_bits),
            ("SCALE_BITS", 16, 5, "bits of SCALE_M", scale.bits),
            ("EXPONENT", 24, 8, "log2 of the unit of two's complement values, signed", input.exponent % 256),
        ], signed="EXPONENT"),
    ]  # fmt: skip


def _control() -> list[Register]:
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
        parameter("SCALE_M", 0x20, scale.bits, "M of the scale, top bit set: 1/s = M * 2**-k", scale.M),
        parameter("SCALE_K", 0x24, K_WIDTH, "k of the scale, signed", scale.k % (1 << 32), signed=True),
    ]
