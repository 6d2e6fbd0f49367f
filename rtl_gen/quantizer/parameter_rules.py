"""The rules for parameters that software sets at run time, in Python integers: the reference for the hardware."""

from collections.abc import Mapping

from qse_hw.golden.formats.scale import MAX_LOG2_STEP, Scale
from qse_hw.golden.formats.segmented import MAX_REACH, Segment, SegmentedFormat
from qse_hw.rtl_gen.lane.format_family import FormatFamily


def parameters_of(format: SegmentedFormat, scale: Scale, *, bypass: bool = False) -> dict[str, int]:
    """The values of the read-write registers, by their names in lower case, for ``format`` and ``scale``."""
    values = {"scale_m": scale.M, "scale_k": scale.k}
    if format.kind == "offset":
        values["zero_point"] = format.zero_point
    values["mode"] = int(bypass)
    for n, segment in enumerate(format.segments):
        values |= {f"segment{n}_count": segment.codes, f"segment{n}_first": segment.first_code}
    return values


def format_of(family: FormatFamily, parameters: Mapping[str, int]) -> SegmentedFormat:
    """The inverse of :func:`parameters_of`.

    Raises:
        InputError: if there is no such format.
    """
    segments = tuple(
        Segment(codes=parameters[f"segment{n}_count"], log2_step=step, first_code=parameters[f"segment{n}_first"])
        for n, step in enumerate(family.log2_steps)
    )
    return SegmentedFormat(
        name="runtime",
        bits=family.bits,
        kind=family.kind,
        segments=segments,
        zero_point=parameters.get("zero_point", 0),
    )


def refusal(family: FormatFamily, scale_bits: int, parameters: Mapping[str, int]) -> str:
    """The first of :data:`qse_hw.rtl_gen.quantizer.registers.REFUSALS` that applies; NONE if the parameters are legal.

    Parameters are legal if :func:`format_of` and :class:`Scale` accept them and there are at least the family's fewest
    codes.
    """
    M, k = parameters["scale_m"], parameters["scale_k"]
    if M < 1 << (scale_bits - 1):
        return "SCALE_M"
    # 2**-100 <= 2**k / M <= 2**100, and M is from 2**(bits-1) to 2**bits - 1
    least = scale_bits - MAX_LOG2_STEP - (M == 1 << (scale_bits - 1))
    if not least <= k < scale_bits + MAX_LOG2_STEP:
        return "SCALE_K"
    point = parameters.get("zero_point", 0)
    start, has_zero = 0, False
    runs: list[tuple[int, int]] = []  # (first, one past the last) code of each segment so far
    for n, e in enumerate(family.shifts):
        count, first = parameters[f"segment{n}_count"], parameters[f"segment{n}_first"]
        if any(first < end and begin < first + count for begin, end in runs):
            return "OVERLAP"
        runs.append((first, first + count))
        if count < least_count(family):
            return "NO_CODES"
        if first + count > 1 << family.field:
            return "FIELD"
        end = start + (count << e)
        if end > MAX_REACH:
            return "REACH"
        has_zero |= e == 0 and start <= point < end
        start = end
    return "NONE" if has_zero or family.kind != "offset" else "ZERO_POINT"


def least_count(family: FormatFamily) -> int:
    """Fewest codes of a segment: 2 for a single one with a sign, as the code 0 alone has none."""
    return 2 if family.kind != "offset" and len(family.shifts) == 1 else 1
