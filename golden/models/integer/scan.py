"""The integers of a selective scan, of either kind of mixer.

h = a h + (delta x) B, y = C h + D x. Sizes: ``d_inner`` d.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.models.integer.formats import LayerFormats, State, local_exponent, local_reach
from qse_hw.golden.models.integer.products import Multiplier, fine_step, multipliers, reach_of

Integers = npt.NDArray[np.int64]
MAX_SHIFT, MAX_SUM = 31, 1 << 53


@dataclass(frozen=True, kw_only=True)
class Scan:
    """The integers of every channel (d).

    Attributes:
        inflow: multipliers of delta x, to its unit.
        inflow_shift: how far delta x B is shifted left to the state's unit with 15 fraction bits.
        D: x's weight in units of C h.
        output_shift: how far C h + D x is shifted right.
    """

    inflow: Multiplier
    inflow_shift: Integers
    D: Integers
    output_shift: Integers


def scan(formats: LayerFormats, D: list[float], states: int, where: str) -> Scan:
    """The integers of a layer's scan.

    Args:
        formats: of the layer.
        D: for every channel (d).
        states: of a channel.
        where: what messages call the layer.

    Raises:
        InputError: naming the tensor, where its exponents do not suit the others, or a sum can pass 2^53, whatever the
            inputs.
    """
    channels, x, B_exponent, C_exponent = len(D), fine_step(formats.x), *map(local_exponent, (formats.B, formats.C))
    state, inflow = (_of_channels(own, channels) for own in (formats.state.exponents, formats.inflow))
    inflow_shift = np.array([own + B_exponent - (unit - 15) for own, unit in zip(inflow, state, strict=True)])
    output_shift = np.array([formats.scan.exponent - (unit + C_exponent) for unit in state])
    check_shifts(inflow_shift, f"{where}: inflow")
    check_shifts(output_shift, f"{where}: scan")
    direct = [round(Fraction(d) * x / Fraction(2) ** (unit + C_exponent)) for d, unit in zip(D, state, strict=True)]
    reach = max(map(abs, direct)) * reach_of(formats.x) + states * _reach(formats.state) * local_reach(formats.C)
    if reach >= MAX_SUM:
        raise InputError(f"{where}: scan's sums must be below 2^53, but reach {reach}; calibrate again")
    return Scan(
        inflow=multipliers([formats.delta.step * x / Fraction(2) ** own for own in inflow], f"{where}, inflow", 1),
        inflow_shift=inflow_shift,
        D=np.array(direct),
        output_shift=output_shift,
    )


def check_shifts(shifts: Integers, name: str) -> None:
    """InputError, which begins with ``name``, for a shift that hardware does not have."""
    if shifts.min() < 0 or shifts.max() > MAX_SHIFT:
        raise InputError(
            f"{name} must be shifted by 0 to {MAX_SHIFT} places, not {shifts.min()} to {shifts.max()}: its exponents "
            "do not suit those of what it is added to; calibrate again"
        )


def _of_channels(exponents: tuple[int, ...], channels: int) -> tuple[int, ...]:
    if len(exponents) not in (1, channels):
        raise InputError(f"Formats must have an exponent for each of {channels} channels, not {len(exponents)}")
    return exponents if len(exponents) == channels else exponents * channels


def _reach(state: State) -> int:
    """The greatest magnitude of a state's integers."""
    if isinstance(state.format, SegmentedFormat):
        return max(abs(value) for value in state.format.values.values())
    return 1 << (state.format - 1)
