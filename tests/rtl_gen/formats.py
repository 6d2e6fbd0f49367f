"""Formats, input types and scales for tests of the hardware."""

import numpy as np

from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scale import MAX_LOG2_STEP, Scale
from qse_hw.golden.formats.segmented import Segment, SegmentedFormat
from qse_hw.golden.reference.vectors import around_decisions, expected, from_patterns
from tests.golden.formats import oracles

SHIPPED = tuple(oracles.SHIPPED)
DOCUMENTS = tuple(oracles.DOCUMENTS)
ALL = tuple(oracles.ORACLES)
INPUTS = ("fp32", "fp16", "bf16", "s8", "s16", "s16e-8", "s32e-20")
SCALE_BITS = tuple(oracles.FLOAT_STEPS)
make = oracles.make


def scale_for(input: InputType, bits: int) -> Scale:
    """A scale at which inputs of the type reach every part of the shipped formats."""
    step = oracles.FLOAT_STEPS.get(bits, 0.0147)
    return Scale.from_step(step if input.is_float else step * 2.0 ** (input.width - 3 + input.exponent), bits)


def random_scale(rng: np.random.Generator, bits: int) -> Scale:
    """A random scale of the whole range."""
    k = int(rng.integers(bits - MAX_LOG2_STEP, bits + MAX_LOG2_STEP))
    return Scale(M=int(rng.integers(1 << (bits - 1), 1 << bits)), k=k, bits=bits)


def patterns(
    format: SegmentedFormat, input: InputType, scale: Scale, rng: np.random.Generator, random: int = 200
) -> np.ndarray:
    """Input patterns on both sides of every change of code or flags, specials, random ones; all there are up to 8 bits.

    In random order.
    """
    if input.width <= 8:
        return rng.permutation(1 << input.width)
    near = around_decisions(format, input, scale)
    near = near[np.argsort(from_patterns(near, input), kind="stable")]  # NaNs last
    answers = expected(near, format, input, scale)
    keys = answers.codes * 4 + answers.saturated * 2 + answers.nan
    change = np.flatnonzero(keys[1:] != keys[:-1])
    edges = near[np.unique(np.clip(change[:, None] + np.arange(-1, 3), 0, len(near) - 1))]
    others = rng.choice(near, min(random, len(near)))
    drawn = rng.integers(0, 1 << input.width, random)
    parts = (edges, special_patterns(input), others, drawn)
    return rng.permutation(np.concatenate([part.astype(np.int64) for part in parts]))


def special_patterns(input: InputType) -> np.ndarray:
    """Both zeros, the ends of subnormals and normals, infinities, quiet and signalling NaNs; or the integers' ends."""
    sign = 1 << (input.width - 1)
    if not input.is_float:
        return np.array([0, 1, sign - 1, sign, sign + 1, 2 * sign - 1])
    normal, infinity = 1 << input.fraction_bits, (sign - 1) >> input.fraction_bits << input.fraction_bits
    positive = [0, 1, normal - 1, normal, infinity - 1, infinity, infinity + 1, infinity + normal // 2, sign - 1]
    return np.array([*positive, *(pattern | sign for pattern in positive)])


def random_format(rng: np.random.Generator) -> SegmentedFormat:
    """1 to 8 segments, steps in any order, codes in any order with gaps, aliases: at random within the rules."""
    kind = str(rng.choice(["sign-magnitude", "offset", "offset", "sign-magnitude", "twos-complement"]))
    if kind == "twos-complement":
        bits = int(rng.integers(2, 11))
        segment = Segment(codes=1 << (bits - 1), log2_step=int(rng.integers(-8, 9)), first_code=0)
        narrow = bool(rng.integers(2))
        return SegmentedFormat(name="random", bits=bits, kind=kind, segments=(segment,), narrow_range=narrow)
    count = int(rng.integers(1, 9))
    center, spread = int(rng.integers(-4, 5)), int(rng.integers(0, 5))
    codes = rng.integers(1, rng.choice([3, 8, 40]), count)
    steps = np.clip(center + rng.integers(-spread, spread + 1, count), -8, 8)
    sticky = [n < count - 1 and codes[n] > 1 and rng.integers(4) == 0 for n in range(count)]
    order = np.arange(count) if rng.integers(2) else rng.permutation(count)
    first, next_code = np.zeros(count, int), int(rng.integers(4))
    for n in order:
        first[n] = next_code
        next_code += int(codes[n]) + int(rng.integers(8) == 0)
    bits = max(2, next_code.bit_length() + (kind == "sign-magnitude"))
    segments = [
        Segment(codes=codes[n], log2_step=steps[n], first_code=first[n], exact_end=bool(sticky[n]))
        for n in range(count)
    ]
    zero_point = 0
    if kind == "offset":
        shifts = steps - steps.min()
        starts = np.concatenate([[0], np.cumsum(codes << shifts)])
        finest = int(rng.choice(np.flatnonzero(shifts == 0)))
        zero_point = int(rng.integers(starts[finest], starts[finest + 1]))
    field = bits - (kind == "sign-magnitude")
    used = {code for s in segments for code in range(s.first_code, s.first_code + s.codes)}
    unused = [code for code in range(1 << field) if code not in used]
    chosen = rng.permutation(unused)[: int(rng.integers(3))] if unused and rng.integers(2) else []
    aliases = tuple((int(alias), int(rng.choice(sorted(used)))) for alias in chosen)
    return SegmentedFormat(
        name="random", bits=bits, kind=kind, segments=tuple(segments), zero_point=zero_point, aliases=aliases
    )
