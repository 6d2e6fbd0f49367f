"""The scan as an operation of a program."""

from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.functions.exponential import EXP2
from qse_hw.golden.models.integer import lfsr
from qse_hw.golden.models.integer.array_arithmetic import factor
from qse_hw.golden.models.integer.formats import LOCAL_BITS, FixedPoint, LayerFormats, State
from qse_hw.golden.models.integer.scan import Scan
from qse_hw.golden.models.integer.step import structs, tables
from qse_hw.golden.models.integer.step.program import Array, Program, Vector, vector

_INFLOW = FixedPoint(bits=LOCAL_BITS, exponent=0)


class LayerMemory:
    """What a layer carries over to the next token.

    Attributes:
        window: the convolution's last inputs, int32 (sequences, width - 1, channels).
        h: the SSM state, int32 (sequences, n, d).
        words: the LFSR's, uint32 (sequences).
    """

    def __init__(self, number: int, window: Array, h: Array) -> None:
        self.window, self.h, self._first_word = window, h, number + 1
        self.words = np.full(len(h), self._first_word, np.uint32)

    def reset(self) -> None:
        """The empty state."""
        self.window[:], self.h[:], self.words[:] = 0, 0, self._first_word


def add_scan(
    program: Program,
    scan: Scan,
    formats: LayerFormats,
    memory: LayerMemory,
    vectors: tuple[Vector, Vector, Vector, Vector],
    rates: npt.NDArray[np.float64],
    groups: int,
) -> Vector:
    """C h + D x (d); the state moves on.

    Args:
        program: the operation is added to it.
        scan: the layer's integers.
        formats: of the layer.
        memory: of the layer.
        vectors: x (d); delta (d), or one for several channels; B and C (groups n).
        rates: A, such that delta A is the exponent with 16 fraction bits: (n, d), or (d) if equal for all states.
        groups: of channels that share B and C.
    """
    x, delta, B, C = vectors
    channels, out = len(x), vector(len(x))
    numbers = {
        "rates": rates,
        "inflow": factor(scan.inflow),
        "places": np.ldexp(1.0, scan.inflow_shift - 15),
        "D": scan.D.astype(np.float64),
        "output": np.ldexp(1.0, -scan.output_shift),
    }
    program.add(
        structs.Scan, channels=channels, states=len(B) // groups, groups=groups, per_delta=channels // len(delta),
        by_state=rates.ndim == 2, x=program.keep(x), delta=program.keep(delta), B=program.keep(B), C=program.keep(C),
        **{name: program.keep(np.ascontiguousarray(values)) for name, values in numbers.items()},
        h=program.keep(memory.h), exp2=_exp2(program), random=_random(program, formats.state, memory),
        segments=_segments(program, formats.state), to_inflow=program.type_of("inflow", _INFLOW),
        to_state=_state(program, formats.state), to=program.type_of("scan", formats.scan), out=program.keep(out),
    )  # fmt: skip
    return out


def _exp2(program: Program) -> structs.Exp2:
    lines, core = tables.exp2_lines(EXP2), EXP2.core
    shift = core.polynomial.sum_bits - EXP2.OUTPUT_FRACTION
    return structs.Exp2(EXP2.LAST, lines.cell_bits, program.keep(lines.packed), shift)


def _random(program: Program, state: State, memory: LayerMemory) -> structs.Random:
    if state.rounding == "nearest":
        return structs.Random()
    return structs.Random(program.keep(memory.words), program.keep(lfsr.leaps()))


def _segments(program: Program, state: State) -> structs.Segments:
    format = state.format
    if not isinstance(format, SegmentedFormat):
        return structs.Segments()
    starts, steps = np.array(format.starts, np.float64), np.ldexp(1.0, np.array(format.shifts))
    return structs.Segments(
        len(starts), program.keep(starts), program.keep(steps), format.kind == "offset", format.zero_point
    )


def _state(program: Program, state: State) -> Any:
    """Of values in units of the state, which are the fine steps of a segmented format."""
    if isinstance(state.format, SegmentedFormat):
        return program.type_of("state", state.format, 2.0**-state.format.fraction_bits)
    return program.type_of("state", FixedPoint(bits=state.format, exponent=0))
