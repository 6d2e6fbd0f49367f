"""Single operations in C++ against those on arrays, with values at their limits."""

import ctypes
import shutil
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from qse_hw.golden.formats.presets import PRESETS, load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.functions.exponential import EXP2
from qse_hw.golden.models.integer.array_arithmetic import ArrayArithmetic
from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.products import Multiplier, Norm, Product, norm
from qse_hw.golden.models.integer.scalar_arithmetic import Saturated
from qse_hw.golden.models.integer.step import library, structs, tables
from qse_hw.golden.models.integer.step.program import Program, vector
from qse_hw.golden.reference.hadamard import transform
from tests.golden.models.integer.test_array_arithmetic import with_sum_of_squares

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


def encodable() -> list[str]:
    """Presets that the integer model can encode."""
    names = []
    for name in PRESETS:
        if not any(segment.exact_end for segment in load_format(name).segments):
            names.append(name)
    assert len(names) > 3
    return names


def computed(build: Any, *inputs: np.ndarray) -> tuple[np.ndarray, Saturated]:
    """The output of one operation on inputs, and what saturated."""
    program = Program(1)
    out = build(program, *(one.astype(np.int32) for one in inputs))
    program.run(0, 0)
    return out, Saturated({place: count for place, count in program.saturated.items() if count})


@pytest.mark.parametrize("parameters", structs.OPERATIONS, ids=structs.OPERATIONS.get)
def test_sizes_of_structs(parameters):
    size = getattr(library.library(), f"qse_size_of_{structs.OPERATIONS[parameters]}")
    size.restype = ctypes.c_int64
    assert size() == ctypes.sizeof(parameters)


def test_exp2_of_every_input():
    lines, shift = tables.exp2_lines(EXP2), EXP2.core.polynomial.sum_bits - EXP2.OUTPUT_FRACTION
    unit = structs.Exp2(EXP2.LAST, lines.cell_bits, lines.packed.ctypes.data, shift)
    v = np.append(np.arange(EXP2.LAST + 1), (EXP2.LAST + 1, 2**31 - 1)).astype(np.int32)
    out = vector(len(v))
    library.library().qse_exp2(
        ctypes.byref(unit), ctypes.c_void_p(v.ctypes.data), ctypes.c_int64(len(v)), ctypes.c_void_p(out.ctypes.data)
    )
    assert np.array_equal(out, EXP2.array(v))
    assert lines.cell_bits > 4, "a small table is what makes it fast"


@pytest.mark.parametrize("name", encodable())
def test_every_position_of_a_format(name):
    """And beyond, and between."""
    format = load_format(name)
    reach = 5 * max(abs(value) for value in format.values.values())
    values = np.arange(-reach, reach + 1)
    scale = Scale.from_step(Fraction(4) * 2**format.fraction_bits)  # inputs are quarters of fine steps
    out, saturated = computed(lambda program, inputs: program.encode("x", inputs, scale, format), values)
    expected = ArrayArithmetic(None, Saturated())
    assert np.array_equal(out, expected.encode("x", values.astype(np.float64), scale, format))
    assert saturated == expected.saturated
    assert saturated[None, "x"] > 0


@pytest.mark.parametrize("groups", [1, 4])
def test_norms_of_random_and_of_extreme_values(rng, groups):
    residual, to = FixedPoint(bits=24, exponent=-10), FixedPoint(bits=16, exponent=-12)
    own = norm(Fraction(1, 4096), residual, 512 // groups, 1e-5, "Norm")
    for values in (
        rng.integers(-residual.high - 1, residual.high + 1, 512),
        rng.integers(-3, 4, 512),
        np.zeros(512, np.int64),
        np.full(512, -residual.high - 1),
        np.array(with_sum_of_squares((1 << 54) - 1 - own.eps, 512, residual.high)),
    ):
        out, saturated = computed(lambda program, inputs: program.normalize("n", own, inputs, to, groups), values)
        expected = ArrayArithmetic(None, Saturated())
        parts = values.astype(np.float64).reshape(groups, -1)
        assert np.array_equal(out, expected.normalize("n", own, parts, to).reshape(-1))
        assert saturated == +expected.saturated


@pytest.mark.parametrize("eps", [1, 2, 3, (1 << 54) - 1, 1 << 54, (1 << 62) - 1])
def test_roots_of_single_sums(eps):
    own, to = Norm(eps=eps, scale=Scale.from_step(2.0**-40)), FixedPoint(bits=24, exponent=0)
    values = np.zeros(3, np.int64)
    values[1] = 1 if eps < (1 << 62) - 1 else 0
    out, _ = computed(lambda program, inputs: program.normalize("n", own, inputs, to), values)
    assert np.array_equal(out, ArrayArithmetic(None, Saturated()).normalize("n", own, values.astype(np.float64), to))


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 63), (257, 64), (512, 65), (6, 1536)])
def test_products_of_any_shape(rng, rows, columns):
    weights = rng.integers(-127, 128, (rows, columns))
    inputs = rng.integers(-(1 << 15), 1 << 15, columns)
    inputs[0] = -(1 << 15)
    matrix = Product(weights=weights, by=Multiplier(rng.integers(1 << 15, 1 << 16, rows), rng.integers(20, 30, rows)))
    to = FixedPoint(bits=24, exponent=0)
    out, saturated = computed(lambda program, x: program.product("p", matrix, x, to), inputs)
    expected = ArrayArithmetic(None, Saturated())
    assert np.array_equal(out, expected.product("p", matrix, inputs.astype(np.float64), to))
    assert saturated == +expected.saturated


@pytest.mark.parametrize("n", [1, 2, 64, 12, 48, 20, 160, 40, 80, 1536])
def test_transforms_of_every_kind_of_order(rng, n):
    values = rng.integers(-(1 << 15), 1 << 15, n)
    values[:2] = -(1 << 15)
    out, _ = computed(lambda program, x: program.hadamard(x, 16), values)
    assert np.array_equal(out, transform(values))
