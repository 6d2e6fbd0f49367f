"""Vectors reach every decision; patterns and values are converted as the standard casts do."""

import struct
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from qse_hw.golden.formats import scalar
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.vectors import (
    RANDOM,
    around_decisions,
    decoder_vectors,
    encoder_vectors,
    expected,
    from_patterns,
    to_patterns,
)

FORMATS = ["int8", "int8:narrow_range=1", "int8-asym", "se8", "se8:L=15", "se8-silu", "se9-paper"]
SCALES = [Scale.from_step(0.02), Scale.from_step(2.0**-100), Scale.from_step(2.0**100), Scale.from_step(3.7, 1)]
EVERY_HALF = np.arange(1 << 16, dtype=np.uint32)


def runs(bits):
    """``bits``, sorted, apart for either sign; so that neighbours are neighbouring inputs."""
    bits = np.unique(bits)
    return [half for half in (bits[bits < 1 << 31], bits[bits >= 1 << 31]) if len(half)]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_both_sides_of_every_decision(name, scale):
    format, fp32 = load_format(name), input_type("fp32")
    vectors = encoder_vectors(format, fp32, scale)
    assert set(vectors.codes.tolist()) == set(format.values)
    assert vectors.saturated.any()
    assert vectors.nan.any()
    decisions = 0
    for bits in runs(around_decisions(format, fp32, scale)):
        answers = expected(bits, format, fp32, scale)
        changes = np.flatnonzero((np.diff(answers.codes.astype(int)) != 0) | np.diff(answers.saturated))
        assert (bits[changes + 1] - bits[changes] == 1).all(), "a decision between two vectors that are no neighbours"
        decisions += len(changes)
    # from code to code; and on either side into saturation, and from infinity to NaN
    assert decisions == len(format.values) - 1 + 4


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("input", "step"), [("s32", 2.0**20), ("s32e-24", 0.019), ("s24", 3000.0), ("s17", 60.0)])
def test_fixed_point_reaches_every_code(name, input, step):
    format, type, scale = load_format(name), input_type(input), Scale.from_step(step)
    vectors = encoder_vectors(format, type, scale)
    assert set(vectors.codes.tolist()) == set(format.values)
    order = np.argsort(from_patterns(vectors.input_bits, type), kind="stable")
    values, codes = from_patterns(vectors.input_bits, type)[order].astype(np.int64), vectors.codes[order]
    changes = np.flatnonzero(codes[1:] != codes[:-1])
    assert (values[changes + 1] - values[changes] == 1).all()
    limit = 1 << (type.width - 1)
    assert {-limit, limit - 1, -1, 0, 1} <= set(values.tolist())


@pytest.mark.parametrize("input", ["fp16", "bf16", "s16e-8", "s12", "s2"])
def test_narrow_inputs_are_exhaustive(input):
    type = input_type(input)
    vectors = encoder_vectors(load_format("se8"), type, Scale.from_step(0.02))
    assert vectors.input_bits.tolist() == list(range(1 << type.width))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("input", ["fp32", "bf16", "fp16", "s32e-20", "s9e-3"])
def test_answers_are_the_scalar_models(rng, name, input):
    format, type, scale = load_format(name), input_type(input), Scale.from_step(0.031, 11)
    vectors = encoder_vectors(format, type, scale)
    assert {array.dtype.name for array in vectors} == {"uint32", "uint16", "int32", "bool"}
    for n in rng.integers(0, len(vectors.codes), 300):
        want = scalar.quantize(int(vectors.input_bits[n]), type, format, scale)
        assert (vectors.codes[n], vectors.saturated[n], vectors.nan[n]) == want
        assert vectors.decoded[n] == scalar.dequantize(want.code, format)


def test_shape_is_kept():
    bits = np.arange(12, dtype=np.uint32).reshape(3, 4)
    vectors = expected(bits, load_format("se8"), input_type("s16"), Scale.from_step(1.0))
    assert {array.shape for array in vectors} == {(3, 4)}


def test_seed():
    arguments = load_format("se8"), input_type("fp32"), Scale.from_step(0.1)
    first, again, other = (encoder_vectors(*arguments, seed=seed).input_bits for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", FORMATS)
def test_decoder_vectors_are_every_code(name):
    format = load_format(name)
    codes, values, invalid = decoder_vectors(format)
    assert codes.tolist() == list(range(1 << format.bits))
    for code, value, bad in zip(codes.tolist(), values.tolist(), invalid.tolist(), strict=True):
        assert (value, bad) == (format.decoded.get(code, 0), code not in format.decoded)


def random_floats(rng, count=1 << 16):
    special = [0x7F800001, 0xFF800001, 0x7FC00000, 0x7F800000, 0xFF800000, 0, 1 << 31, 1, 0x7F7FFFFF]
    drawn = rng.integers(0, 1 << 32, count, dtype=np.uint64).astype(np.uint32)
    usual = rng.standard_normal(count, np.float32).view(np.uint32)
    return np.concatenate([np.array(special, np.uint32), drawn, usual]).view(np.float32)


def test_fp32_patterns_are_the_bits(rng):
    x = random_floats(rng)
    bits = to_patterns(x, input_type("fp32"))
    assert np.array_equal(bits, x.view(np.uint32))
    assert np.array_equal(from_patterns(bits, input_type("fp32")).view(np.uint32), bits)


def test_bf16_is_ml_dtypes_cast(rng):
    x = random_floats(rng)
    got, nan = to_patterns(x, input_type("bf16")), np.isnan(x)
    assert np.array_equal(got[~nan], x[~nan].astype(ml_dtypes.bfloat16).view(np.uint16))
    assert np.isnan(got[nan].astype(np.uint16).view(ml_dtypes.bfloat16)).all()
    every = from_patterns(EVERY_HALF, input_type("bf16"))
    want = EVERY_HALF.astype(np.uint16).view(ml_dtypes.bfloat16).astype(np.float32)
    assert np.array_equal(every, want, equal_nan=True)
    back = to_patterns(every, input_type("bf16"))
    assert np.array_equal(back[~np.isnan(every)], EVERY_HALF[~np.isnan(every)])


def test_fp16_is_structs_cast(rng):
    x = random_floats(rng)
    x = x[~np.isnan(x)]
    got = to_patterns(x, input_type("fp16"))
    for value, bits in zip(x[:20_000].tolist(), got[:20_000].tolist(), strict=True):
        try:
            want = struct.unpack("<H", struct.pack("<e", value))[0]
        except OverflowError:  # where IEEE says infinity, struct refuses
            want = 0x7C00 | (0x8000 if value < 0 else 0)
        assert bits == want
    every = from_patterns(EVERY_HALF, input_type("fp16"))
    values = struct.unpack("<65536e", EVERY_HALF.astype("<u2").tobytes())
    assert np.array_equal(every.astype(np.float64), np.array(values), equal_nan=True)
    finite = ~np.isnan(every)
    assert np.array_equal(to_patterns(every[finite], input_type("fp16")), EVERY_HALF[finite])


@pytest.mark.parametrize("name", ["s8", "s16", "s16e-8", "s32e-20", "s31e5", "s2e-3", "s32e64", "s5e-64"])
def test_fixed_point_rounds_half_to_even_and_saturates(rng, name):
    type = input_type(name)
    limit = 1 << (type.width - 1)
    halves = (np.arange(-41, 42) / 2 * 2.0**type.exponent).astype(np.float32)  # ties
    near = ((limit + np.arange(-3, 4) / 2) * 2.0**type.exponent).astype(np.float32)
    drawn = rng.standard_normal(3000).astype(np.float32) * np.float32(limit / 2 * 2.0**type.exponent)
    x = np.concatenate([halves, near, -near, drawn, np.array([np.inf, -np.inf, np.nan], np.float32)])
    x = np.concatenate([x, np.array([0x7F800001], np.uint32).view(np.float32)])  # a signalling NaN
    for value, bits in zip(x.tolist(), to_patterns(x, type).tolist(), strict=True):
        if np.isfinite(value):
            nearest = round(Fraction(value) / Fraction(2) ** type.exponent)  # to even
        else:
            nearest = 0 if value != value else limit if value > 0 else -limit
        clamped = min(max(nearest, -limit), limit - 1)
        assert bits == clamped % (1 << type.width), value


@pytest.mark.parametrize("name", ["s2", "s7", "s8e-4", "s16", "s17", "s31", "s32"])
def test_fixed_point_patterns_are_sign_extended(rng, name):
    type = input_type(name)
    bits = rng.integers(0, 1 << type.width, 2000, dtype=np.uint64).astype(np.uint32)
    bits[:2] = (1 << (type.width - 1)), (1 << type.width) - 1
    half = 1 << (type.width - 1)
    assert from_patterns(bits, type).tolist() == [(b ^ half) - half for b in bits.tolist()]


def test_float64_is_rounded_to_float32_first():
    assert to_patterns(np.array([1 + 2.0**-30]), input_type("fp32")).tolist() == [0x3F800000]


@pytest.mark.parametrize("name", ["int8-asym", "se8", "se9-paper"])
@pytest.mark.parametrize(("input", "step"), [("s16", 91.3), ("s16e-8", 0.31), ("bf16", 0.02), ("fp16", 0.02)])
def test_two_steps_on_either_side_of_every_decision(name, input, step):
    format, type, scale = load_format(name), input_type(input), Scale.from_step(step)
    order = np.argsort(from_patterns(EVERY_HALF, type), kind="stable")
    ordered = EVERY_HALF[order][~expected(EVERY_HALF[order], format, type, scale).nan]
    answers = expected(ordered, format, type, scale)
    changes = np.flatnonzero((np.diff(answers.codes.astype(int)) != 0) | np.diff(answers.saturated))
    wanted = {int(ordered[at]) for change in changes for at in range(max(0, change - 1), min(change + 3, len(ordered)))}
    assert len(wanted) > 500
    assert wanted <= set(around_decisions(format, type, scale).tolist())


@pytest.mark.parametrize(("name", "width"), [("s16", 16), ("s24e3", 24), ("s32", 32)])
def test_the_ends_of_fixed_point_are_there(name, width):
    patterns = set(around_decisions(load_format("int8"), input_type(name), Scale.from_step(8.0)).tolist())
    limit = 1 << (width - 1)
    assert {limit, limit + 1, limit - 2, limit - 1} <= patterns  # -limit, 1 - limit and the greatest
    assert max(patterns) < 1 << width


def test_decisions_far_beyond_the_input():
    for name in ("int8", "int8-asym"):
        bits = around_decisions(load_format(name), input_type("s16e-64"), Scale.from_step(2.0**60))
        assert {0, 1, 0xFFFF, 0x7FFF, 0x8000} <= set(bits.tolist())


def test_wider_inputs_are_drawn_within_their_width():
    for name, width in (("s17", 17), ("s20", 20), ("fp32", 32)):
        type, format, scale = input_type(name), load_format("se8"), Scale.from_step(0.7)
        bits = encoder_vectors(format, type, scale).input_bits
        assert bits.max() < 1 << width
        assert len(bits) == RANDOM + 2 * len(around_decisions(format, type, scale))


@pytest.mark.parametrize(("name", "dtype"), [("fp16", np.float16), ("bf16", ml_dtypes.bfloat16), ("fp32", np.float32)])
def test_the_ends_of_floats_are_there(name, dtype):
    type, finfo = input_type(name), ml_dtypes.finfo(dtype)
    subnormal, normal = float(finfo.smallest_subnormal), float(finfo.smallest_normal)
    wanted = np.array([0.0, subnormal, normal - subnormal, normal, float(finfo.max), np.inf], np.float64).astype(dtype)
    bits = wanted.view(f"u{wanted.itemsize}").astype(int)
    infinity, sign = int(bits[-1]), 1 << (type.width - 1)
    format = set(around_decisions(load_format("int8"), type, Scale.from_step(0.01)).tolist())
    for pattern in [*bits.tolist(), infinity + 1, sign - 1]:  # and NaNs, signalling and quiet
        assert {pattern, pattern | sign} <= format


def test_dtypes():
    assert around_decisions(load_format("se8"), input_type("s16"), Scale.from_step(1.0)).dtype == np.uint32
    codes, values, invalid = decoder_vectors(load_format("se8"))
    assert (codes.dtype, values.dtype, invalid.dtype) == (np.uint16, np.int32, np.bool_)
    for name in ("fp32", "fp16", "bf16", "s16"):
        assert to_patterns(np.ones(3, np.float32), input_type(name)).dtype == np.uint32


def test_bf16_ties_go_to_even_and_nans_are_quiet():
    bits = np.array([0x3F80_8000, 0x3F81_8000, 0xBF80_8000, 0x7FC0_0000, 0x7F80_0001, 0xFFA0_0000], np.uint32)
    patterns = to_patterns(bits.view(np.float32), input_type("bf16"))
    assert patterns.tolist() == [0x3F80, 0x3F82, 0xBF80, 0x7FC0, 0x7FC0, 0xFFE0]
