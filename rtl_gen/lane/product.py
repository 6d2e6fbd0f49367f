"""First part of a lane: the product of an input's significand and M, with sign, shift and special cases beside it."""

from typing import NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Value

from qse_hw.rtl_gen.lane.geometry import Geometry, Preshift
from qse_hw.rtl_gen.lane.multiplier import Multiplier, multiplier_latency
from qse_hw.rtl_gen.logic.select import greater_equal, pick, resize, subtract_from, table
from qse_hw.rtl_gen.logic.stages import Stages

BEFORE_PRODUCT = ("fields", "range", "operands", "shifted")
"""The optional steps before the multiplier."""


class Product(NamedTuple):
    """``product`` is to be shifted right by ``distance`` (None: not at all). ``too_large``: x saturates, or is ``nan``.

    ``lost``: whether the shift will truncate a set bit; None if x alone does not tell.
    """

    product: Value
    distance: Value | None
    negative: Value
    too_large: Value
    nan: Value
    lost: Value | None


class _Operands(NamedTuple):
    """The multiplier's operands ``a`` and ``b``, and, delayed as the product is, what passes beside it."""

    a: Value
    b: Value
    distance: Value | None
    negative: Value | None
    too_large: Value
    nan: Value
    lost: Value | None


def multiply(m: Module, stages: Stages, geometry: Geometry, x: Value, M: Value, k: Value, enable: Value) -> Product:
    """The product of ``x``, an input's bits, :func:`product_latency` cycles later."""
    if not geometry.input.is_float:
        operands = _fixed(stages, geometry, x, M, k)
    elif geometry.preshift is not None:
        operands = _preshifted(stages, geometry, geometry.preshift, x)
    else:
        operands = _float(stages, geometry, x, M, k)
    m.submodules.multiplier = multiplier = Multiplier(operands.a.shape(), operands.b.shape(), target=geometry.target)
    m.d.comb += [multiplier.a.eq(operands.a), multiplier.b.eq(operands.b), multiplier.enable.eq(enable)]
    _, _, distance, negative, too_large, nan, lost = operands
    # M is positive, and 0 has no sign
    return Product(multiplier.p, distance, multiplier.p[-1] if negative is None else negative, too_large, nan, lost)


def _multiplier_latency(geometry: Geometry) -> int:
    a = geometry.input.significand_bits
    if geometry.preshift is not None:
        a += _coarse(geometry.preshift)[-1]
    return multiplier_latency(a, geometry.target)


def product_latency(geometry: Geometry) -> int:
    """Cycles from x to its product."""
    return _multiplier_latency(geometry) + len(set(BEFORE_PRODUCT) & set(geometry.registered_steps))


def _fixed(stages: Stages, geometry: Geometry, x: Value, M: Value, k: Value) -> _Operands:
    decisive = geometry.decisive_bits
    lost = None
    if decisive is not None and not geometry.never_exact:
        lost = stages.delay(x[:decisive].any(), _multiplier_latency(geometry), "lost")
    distance = None
    if geometry.window.distance is not None:
        distance, _ = _distance(stages, geometry, k, Const(0, 1))
    return _Operands(x.as_signed(), M, distance, None, Const(0, 1), Const(0, 1), lost)


def _float(stages: Stages, geometry: Geometry, x: Value, M: Value, k: Value) -> _Operands:
    latency = _multiplier_latency(geometry)
    fraction, biased = _fields(geometry, x)
    special = stages.name(biased.all(), "special")
    nan = stages.name(special & fraction.any(), "is_nan")
    window = geometry.window
    assert window.distance is not None
    constant, from_k = window.distance
    if not from_k and constant - 1 > window.width and not geometry.only_zero_is_zero:
        # Subnormals are shifted out whole, so their missing hidden bit and other exponent make no difference.
        hidden, exponent = Const(1, 1), biased
    else:
        hidden = stages.name(biased.any(), "hidden")
        exponent = stages.name(Mux(hidden, biased, 1), "exponent")
    distance, left = _distance(stages, geometry, k, exponent)
    late_nan = stages.delay(nan, latency, "late_nan")
    # Shifted to the left of the window, even the smallest normal number saturates. A subnormal there saturates or is
    # 0 with distance 0 too.
    normal, special = stages.delay(hidden, latency, "late_hidden"), stages.delay(special, latency, "late_special")
    return _Operands(
        a=Cat(fraction, hidden),
        b=M,
        distance=distance | late_nan.replicate(len(distance)),
        negative=stages.delay(x[-1] & ~nan, latency, "late_negative"),  # NaN becomes the one zero code
        too_large=left & normal | special,
        nan=late_nan,
        lost=None,
    )


class _Fields(NamedTuple):
    """First step of a shift before the multiplication: each signal is a function of few bits of the float."""

    fraction: Value
    some_fraction: list[Value]  # any is set: the fraction is not 0
    upper: Value  # the exponent's upper bits: 0 below plan.first's, 1 at those, 2 at the end's if others, then above
    lower_begins: Value  # the lower bits are at least those of plan.first
    lower_ends: Value  # the lower bits are at least those of the end, plan.first + plan.count
    special: list[Value]  # all are set: infinite or NaN
    coarse: Value
    fine: Value
    negative: Value


class _Ranged(NamedTuple):
    """``near``: the exponent is in the range that is shifted; ``large``: it is above."""

    fraction: Value
    near: Value
    large: Value
    nan: Value
    coarse: Value
    fine: Value
    negative: Value


class _Chosen(NamedTuple):
    near: Value
    fraction: Value
    coarse: Value
    fine: Value
    negative: Value
    too_large: Value
    nan: Value


def _preshifted(stages: Stages, geometry: Geometry, plan: Preshift, x: Value) -> _Operands:
    assert geometry.scale is not None
    fraction, biased = _fields(geometry, x)
    bits = max(4, (plan.count - 1).bit_length())  # lower bits: the range spans one or two values of the upper bits
    lower, upper = biased[:bits], biased[bits:]
    begin, end = plan.first >> bits, (plan.first + plan.count) >> bits
    coarse, fine = _coarse(plan), range(min(plan.radix, plan.count))

    def select(part: int, most: int) -> Value:
        # (exponent - first) // radix or % radix, as a table of the exponent's lower part
        rows = [divmod((n - plan.first) % (1 << bits), plan.radix)[part] for n in range(1 << bits)]
        return table(lower, [min(row, most) for row in rows])

    fields = stages.step(
        "fields",
        _Fields(
            fraction=fraction,
            some_fraction=[fraction[n : n + 4].any() for n in range(0, len(fraction), 4)],
            upper=table(upper, [(n >= begin) + (n >= end > begin) + (n > end) for n in range(1 << len(upper))], 2),
            lower_begins=greater_equal(lower, plan.first % (1 << bits)),
            lower_ends=greater_equal(lower, (plan.first + plan.count) % (1 << bits)),
            special=[upper.all(), lower.all()],
            coarse=select(0, len(coarse) - 1),
            fine=select(1, len(fine) - 1),
            negative=x[-1],
        ),
    )
    last = 2 if end > begin else 1
    large = (fields.upper == last + 1) | (fields.upper == last) & fields.lower_ends
    near = (fields.upper == 1) & fields.lower_begins
    near = near | (fields.upper == 2) & ~fields.lower_ends if end > begin else near & ~fields.lower_ends
    nan = fields.special[0] & fields.special[1] & Cat(fields.some_fraction).any()
    ranged = stages.step(
        "range", _Ranged(fields.fraction, near, large, nan, fields.coarse, fields.fine, fields.negative)
    )
    chosen = stages.step(
        "operands",
        _Chosen(
            near=ranged.near,
            fraction=ranged.fraction,
            coarse=ranged.coarse,
            fine=ranged.fine,
            # a sign-magnitude code of 0 has no sign anyway
            negative=ranged.negative & (geometry.sign_magnitude | (ranged.near | ranged.large) & ~ranged.nan),
            too_large=ranged.large,
            nan=ranged.nan,
        ),
    )
    significand = Cat(chosen.fraction, Const(1, 1))
    width = len(significand) + coarse[-1]
    a = pick(chosen.coarse, [resize(Cat(Const(0, n), significand), width) for n in coarse])
    # a product of 0 unless near
    b = table(Cat(chosen.fine, chosen.near), [0] * (1 << len(chosen.fine)) + [geometry.scale.M << n for n in fine])
    shifted = stages.step("shifted", _Operands(a, b, None, chosen.negative, chosen.too_large, chosen.nan, None))
    latency = _multiplier_latency(geometry)
    return shifted._replace(
        negative=stages.delay(shifted.negative, latency, "late_negative"),
        too_large=stages.delay(shifted.too_large, latency, "late_too_large"),
        nan=stages.delay(shifted.nan, latency, "late_nan"),
    )


def _coarse(plan: Preshift) -> range:
    """The shifts of the significand."""
    return range(0, plan.count, plan.radix)


def _fields(geometry: Geometry, x: Value) -> tuple[Value, Value]:
    """Fraction and biased exponent."""
    return x[: geometry.input.fraction_bits], x[geometry.input.fraction_bits : -1]


def _distance(stages: Stages, geometry: Geometry, k: Value, exponent: Value) -> tuple[Value, Value]:
    """``(distance, left)``, delayed as the product is and pipelined if the product is late enough.

    ``distance``: the right shift, 0 to the window's width, or all ones if no bit remains. ``left``: it is negative.
    """
    window = geometry.window
    assert window.distance is not None
    constant, from_k = window.distance
    bits = window.width.bit_length()
    latency = _multiplier_latency(geometry)
    steps = min(latency, 3)  # registers: after the sum of the constants, the difference, the distance
    if from_k:
        # |constant| + |k| + exponent < 2**11: k has 9 bits, the exponent 8, the constant as many as both
        base = stages.delay(constant + k, steps == 3, "distance_base")
        exponent = stages.delay(exponent, steps == 3, "distance_exponent")
        wanted = stages.delay((base - exponent)[:12].as_signed(), steps >= 2, "wanted")
        wanted = stages.name(wanted, "wanted")
        negative = wanted[-1]
        nothing = ~negative & greater_equal(wanted[:-1], window.width + 1)
        low = wanted[:bits]
    else:
        # of the exponent alone: comparisons with constants, and the low bits of a difference
        negative = stages.delay(greater_equal(exponent, constant + 1), steps - 1, "distance_negative")
        nothing = stages.delay(~greater_equal(exponent, constant - window.width), steps - 1, "nothing_left")
        low = stages.delay(subtract_from(constant, exponent, bits), steps - 1, "distance_low")
    negative, nothing = stages.name(negative, "left"), stages.name(nothing, "nothing")
    distance = low & (~negative).replicate(bits) | nothing.replicate(bits)
    rest = latency - steps + 1
    return stages.delay(distance, rest, "distance"), stages.delay(negative, rest, "left_by")
