"""An estimate of a unit's logic, in 4-input look-up tables, by which designs are compared."""

from collections.abc import Sequence
from typing import Literal

from qse_hw.golden.functions.blocks import blocks, by_code, codes
from qse_hw.golden.functions.polynomial import PiecewisePolynomial

Made = Literal["dsp", "gates", "logic"]
"""Of what a multiplier is made: the target's own, standard cells, look-up tables."""
BIT_COST = 0.3
"""Look-up tables for each bit of the argument that is compared with a border."""
BLOCK_COST = 4.5
"""Look-up tables for each block of segments of one length."""
_ROWS = 16  # of a look-up table
_JOINED = 4  # look-up tables that dedicated multiplexers join to one of six inputs
_GATES = 0.26  # a table of standard cells over one of look-up tables, beside other logic; as measured with OSU 018
_MULTIPLIED = 1.5  # for each pair of bits of the factors
_SPREAD = 1.4  # of a table with more inputs: what is made over its distinct parts, as measured


def cost(polynomial: PiecewisePolynomial, argument_bits: int, *, mirrored: bool, even: bool, multiplier: Made) -> float:
    """The look-up tables that find the segment and its coefficients, and prepare them for the multiplier.

    Args:
        polynomial: the candidate.
        argument_bits: of its argument.
        mirrored: of :class:`qse_hw.golden.functions.reduction.Reduction`.
        even: whether max(x, 0) is added, and the argument is a magnitude.
        multiplier: what the multiplier is made of; unless it is the target's own, narrow factors are better.
    """
    made = blocks(polynomial.starts, argument_bits)
    tables = [polynomial.c0, polynomial.c1, polynomial.c2]
    if polynomial.local and made is None:
        tables.append(polynomial.starts)
    if mirrored:
        tables[1] = tuple(~(c1 >> 1) if c1 else 0 for c1 in polynomial.c1)
    order = codes(polynomial.starts, argument_bits)
    total = sum(table_cost(by_code(rows, order)) for rows in tables if rows)
    total *= _GATES if multiplier == "gates" else 1
    slope = max(map(int.bit_length, polynomial.c1))
    if made is None:
        total += sum(border_cost(start, argument_bits) for start in polynomial.starts)
    else:
        total += BLOCK_COST * (len(made) - 1)
    slices = len(set(polynomial.coarse))
    factor = polynomial.offset_bits or argument_bits
    if polynomial.local and made is not None and len(made) == 1:
        factor = made[0].length_bits
    if slices > 1:  # one slice of the argument is chosen, which takes a cycle, and registers
        total += factor * (slices - 1) + argument_bits + slope + max(map(int.bit_length, polynomial.c0))
    total += _MULTIPLIED * factor * slope if multiplier != "dsp" else 0
    if mirrored:  # bits inverted
        total += slope + argument_bits - _zeros(polynomial.starts, argument_bits)
    elif even:  # added: to the slope or to c0, and to the inverted bits
        total += argument_bits + (argument_bits if polynomial.offset_bits is not None else slope)
    return total


def table_cost(rows: Sequence[int]) -> float:
    """The look-up tables of a table with a row for every index: of a large one those that are not constant or equal."""
    total, all = 0.0, -(-len(rows) // _ROWS)
    for bit in range(max(row.bit_length() for row in rows) + (min(rows) < 0)):
        column = [row >> bit & 1 for row in rows]
        if not 0 < sum(column) < len(column):
            continue
        blocks = {tuple(column[n : n + _ROWS]) for n in range(0, len(column), _ROWS)}
        made = sum(0 < sum(block) < len(block) for block in blocks)
        total += all if all <= _JOINED else max(made * _SPREAD, _JOINED * _SPREAD)
    return total


def border_cost(start: int, argument_bits: int) -> float:
    """The cost of the border at ``start``: its trailing zeros need no comparison."""
    return (argument_bits - _zeros((start,), argument_bits)) * BIT_COST


def _zeros(starts: Sequence[int], most: int = 64) -> int:
    """Trailing zeros that all starts have."""
    return min((start & -start).bit_length() - 1 if start else most for start in starts)
