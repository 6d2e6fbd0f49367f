"""The integers of a selective scan, of either kind of mixer.

h = a h + (delta x) B, y = C h + D x. Sizes: ``d_inner`` d.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.formats import LayerFormats
from qse_hw.golden.models.integer.products import Multiplier, multipliers

Integers = npt.NDArray[np.int64]
MAX_SHIFT = 31


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


def scan(
    formats: LayerFormats,
    x_steps: list[Fraction],
    B_exponent: int,
    C_exponent: int,
    D: list[float],
    where: str,
) -> Scan:
    """The integers of a layer's scan.

    Args:
        formats: of the layer.
        x_steps: value of the integer 1 of x, for every channel (d).
        B_exponent, C_exponent: log2 of the value of the integer 1 of B and C.
        D: for every channel (d).
        where: what messages call the layer.

    Raises:
        InputError: naming the tensor, where its exponents do not suit the others.
    """
    channels = len(x_steps)
    state, inflow = (_of_channels(own, channels) for own in (formats.state.exponents, formats.inflow))
    inflow_shift = np.array([own + B_exponent - (unit - 15) for own, unit in zip(inflow, state, strict=True)])
    output_shift = np.array([formats.scan.exponent - (unit + C_exponent) for unit in state])
    check_shifts(inflow_shift, f"{where}: inflow")
    check_shifts(output_shift, f"{where}: scan")
    ratios = [formats.delta.step * x / Fraction(2) ** own for x, own in zip(x_steps, inflow, strict=True)]
    units = [Fraction(2) ** (unit + C_exponent) for unit in state]
    return Scan(
        inflow=multipliers(ratios, f"{where}, inflow", 1),
        inflow_shift=inflow_shift,
        D=np.array([round(Fraction(d) * x / unit) for d, x, unit in zip(D, x_steps, units, strict=True)]),
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
