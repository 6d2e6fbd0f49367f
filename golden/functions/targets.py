"""The functions, and their cores: what symmetry and range reduction leave to approximate.

* softplus(v) - max(v, 0) and SiLU(v) - max(v, 0) are even in v: the core is a function of |v|.
* exp2(v) = 2**n * exp2(m), n an integer and 0 <= m < 1.
* rsqrt(v) = 2**n * rsqrt(m), v = m * 4**-n and 1 <= m < 4.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from qse_hw.golden.checks import one_of

FRACTION_BITS = 120
"""Fraction bits of the core's values."""
_DIGITS = 50  # 2**-120 needs 37

Kind = Literal["even", "exponential", "root"]


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function and its core.

    Attributes:
        name: of the function.
        kind: how it is reduced: to |v|, by the integer part, by an even power of two.
        curvature: at least the magnitude of the core's second derivative.
        increasing: True or False if it is monotone, else None.
        value: the function of an mpmath number, in mpmath's current precision.
        core: likewise the core, of |v| or m.
    """

    name: str
    kind: Kind
    curvature: Fraction
    increasing: bool | None
    value: Callable[[Any], Any]
    core: Callable[[Any], Any]


def _softplus_core(a: Any) -> Any:
    from mpmath import mp

    return mp.log1p(mp.exp(-a))


def _silu_core(a: Any) -> Any:
    from mpmath import mp

    return -a / (1 + mp.exp(a))


def _softplus(v: Any) -> Any:
    from mpmath import mp

    return mp.log1p(mp.exp(v))


def _silu(v: Any) -> Any:
    from mpmath import mp

    return v / (1 + mp.exp(-v))


def _exp2(v: Any) -> Any:
    from mpmath import mp

    return mp.power(2, v)


def _rsqrt(v: Any) -> Any:
    from mpmath import mp

    return 1 / mp.sqrt(v)


FUNCTIONS = {
    function.name: function
    for function in (
        Function(name="exp2", kind="exponential", curvature=Fraction(961, 1000), increasing=True,
                 value=_exp2, core=_exp2),
        Function(name="softplus", kind="even", curvature=Fraction(1, 4), increasing=True,
                 value=_softplus, core=_softplus_core),
        Function(name="silu", kind="even", curvature=Fraction(1, 2), increasing=None,
                 value=_silu, core=_silu_core),
        Function(name="rsqrt", kind="root", curvature=Fraction(3, 4), increasing=False,
                 value=_rsqrt, core=_rsqrt),
    )
}  # fmt: skip


def function_called(name: str) -> Function:
    """The function of that name. Raises InputError if there is none."""
    one_of(name, FUNCTIONS, "Function")
    return FUNCTIONS[name]


def fixed(function: Callable[[Any], Any], arguments: Sequence[int], fraction_bits: int) -> list[int]:
    """``function(a * 2**-fraction_bits) * 2**FRACTION_BITS`` of every argument, rounded down."""
    from mpmath import mp

    with mp.workdps(_DIGITS):
        scale = mp.mpf(2) ** FRACTION_BITS
        return [int(mp.floor(function(mp.ldexp(a, -fraction_bits)) * scale)) for a in arguments]
