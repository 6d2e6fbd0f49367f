"""The scalar truth against oracles that share no code with it."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import PRESETS, format_from_json, load_format, se8, se9_paper
from qse_hw.golden.formats.scalar import Quantized, dequantize, only_zero, quantize, quantize_dyadic
from qse_hw.golden.formats.scale import Scale
from tests.golden.formats import oracles

ALL = list(oracles.ORACLES)


def units(value, scale: Scale) -> Fraction:
    return oracles.exact(value) * scale.M / Fraction(2) ** scale.k


def check(name: str, input_name: str, scale: Scale, patterns: np.ndarray) -> None:
    format, oracle, type = oracles.make(name), oracles.ORACLES[name], input_type(input_name)
    values = oracles.patterns_to_numbers(patterns, input_name)
    for pattern, value in zip(patterns.tolist(), values, strict=True):
        got = quantize(pattern, type, format, scale)
        if np.isnan(value):
            expected = Quantized(oracle.quantize(Fraction(0))[0], saturated=False, nan=True)
        elif np.isinf(value):
            expected = Quantized(oracle.points[-1 if value > 0 else 0][1], saturated=True, nan=False)
        else:
            expected = Quantized(*oracle.quantize(units(value, scale)), nan=False)
        assert got == expected, (name, input_name, scale, hex(pattern), float(value))


@pytest.mark.every(9)
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("bits", [1, 16])
def test_fp32_at_every_edge_and_beside_it(name, bits):
    scale = oracles.scale_for("fp32", bits)
    check(name, "fp32", scale, oracles.fp32_edges(oracles.ORACLES[name], scale))


@pytest.mark.every(3)
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("input_name", "bits"), [("fp32", 8), ("fp16", 20), ("bf16", 16), ("s24", 8), ("s32", 20)])
def test_random_patterns(name, input_name, bits, rng):
    width = input_type(input_name).width
    patterns = rng.integers(0, 1 << width, 200, np.uint32)
    scale = oracles.scale_for(input_name, bits)
    if input_name.startswith("fp"):  # most patterns are far from the format's range
        inside = rng.uniform(-200, 400, 200) * float(scale.step)
        dtype = oracles.NUMPY[input_name]
        patterns = np.concatenate([patterns, inside.astype(dtype).view(f"u{dtype.itemsize}").astype(np.uint32)])
    check(name, input_name, scale, patterns)


@pytest.mark.parametrize("name", ALL)
def test_s8_exhaustively(name):
    for bits in (1, 8, 16):
        check(name, "s8", oracles.scale_for("s8", bits), np.arange(256, dtype=np.uint32))


@pytest.mark.every(3)
@pytest.mark.parametrize("name", ALL)
def test_s16_at_every_edge(name):
    # 1/s = 2**-4 * 1.25: edges fall onto integers, too
    scale = Scale(M=5, k=6, bits=3)
    s = Fraction(64, 5)
    thresholds = oracles.ORACLES[name].thresholds
    edges = {(threshold * s).__floor__() + side for threshold in thresholds for side in (-1, 0, 1)}
    patterns = np.array(sorted(edge % 65536 for edge in edges if -32768 <= edge < 32768), np.uint32)
    check(name, "s16", scale, patterns)


@pytest.mark.full(2)
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("input_name", ["fp16", "bf16", "s16"])
def test_exhaustively_against_the_oracle(name, input_name):
    check(name, input_name, oracles.scale_for(input_name, 16), np.arange(65536, dtype=np.uint32))


@pytest.mark.every(6)
@pytest.mark.parametrize("input_name", ["fp16", "bf16"])
@pytest.mark.parametrize("log2_step", [-3, -6])
def test_se9_paper_is_the_published_simulation(input_name, log2_step):
    format, scale = se9_paper(), Scale.from_step(2.0**log2_step)
    patterns = np.arange(65536, dtype=np.uint32)
    values = oracles.patterns_to_numbers(patterns, input_name)
    finite = np.isfinite(values)
    expected = oracles.published_se9(values[finite], 2.0**log2_step)
    codes = [quantize(pattern, input_type(input_name), format, scale).code for pattern in patterns[finite].tolist()]
    got = np.array([dequantize(code, format) for code in codes]) * 2.0 ** (log2_step - 2)
    np.testing.assert_array_equal(got, expected)


def test_se9_paper_is_the_published_simulation_at_its_edges():
    format, scale, type = se9_paper(), Scale.from_step(0.25), input_type("fp32")
    patterns = oracles.fp32_edges(oracles.se9_paper(), scale)
    patterns = patterns[np.isfinite(patterns.view(np.float32))]
    expected = oracles.published_se9(patterns.view(np.float32), 0.25)
    got = [dequantize(quantize(pattern, type, format, scale).code, format) / 16 for pattern in patterns.tolist()]
    np.testing.assert_array_equal(got, expected)
    saturated = [quantize(pattern, type, format, scale).saturated for pattern in patterns.tolist()]
    np.testing.assert_array_equal(saturated, np.abs(patterns.view(np.float32)) >= 397 * 0.25)


@pytest.mark.parametrize("name", PRESETS)
def test_what_saturates(name):
    """From half a step beyond the last code on, below an offset format's first code beyond half a step; no less."""
    format = load_format(name)
    low, high = min(format.decoded.values()), max(format.decoded.values())
    half = 1 << format.shifts[-1]  # in half fine steps, as is what quantize_dyadic takes; here in 16ths of these
    assert not quantize_dyadic(16 * (2 * high + half) - 1, -4, format).saturated
    assert quantize_dyadic(16 * (2 * high + half), -4, format).saturated
    below = 16 * (2 * low - (half if format.signed else 1 << format.shifts[0]))
    assert not quantize_dyadic(below + 1, -4, format).saturated
    assert quantize_dyadic(below, -4, format).saturated == format.signed
    assert quantize_dyadic(below - 1, -4, format).saturated


@pytest.mark.parametrize(
    ("u", "code"),
    [
        (15.75, 63),
        (15.75 + 2**-20, 64),  # the sticky bit: already standard
        (16.4, 64),
        (142.4, 190),
        (142.5, 191),
        (143, 191),
        (-143, 191 | 256),
        (144.99, 191),
        (145, 193),
        (395, 255),
        (-1000, 255 | 256),
        (-0.0, 0),
        (-0.124, 0),
        (-0.125, 257),
    ],
)
def test_se9_paper_codes_by_hand(u, code):
    pattern = int(np.float32(u).view(np.uint32))
    assert quantize(pattern, input_type("fp32"), se9_paper(), Scale.from_step(1.0)).code == code


@pytest.mark.parametrize("L", range(1, 16))
def test_se8_is_the_contracts_formulas(L, rng):
    format = se8(L)
    positions = [*range(0, 8 * 140), *rng.integers(0, 8 * 300, 300).tolist()]
    for T in positions:
        for sixteenth in (0, 15):  # what truncation drops
            n = 16 * T + sixteenth
            segment, data, value, saturated = oracles.formula_se8(Fraction(n, 16 * 8), L)
            code = [64 | data, data, 64 | (4 * L + data)][segment]
            assert quantize_dyadic(n, -4, format) == Quantized(code, saturated, nan=False)
            assert dequantize(code, format) == value
            if value:
                assert quantize_dyadic(-n, -4, format) == Quantized(code | 128, saturated, nan=False)


@pytest.mark.parametrize("name", ALL)
def test_decoding(name):
    format, oracle = oracles.make(name), oracles.ORACLES[name]
    assert set(oracle.values) == set(format.values)
    for code, value in oracle.values.items():
        assert dequantize(code, format) == value * Fraction(2) ** format.fraction_bits


@pytest.mark.parametrize("name", ALL)
def test_every_value_quantizes_to_its_own_code(name):
    format, oracle = oracles.make(name), oracles.ORACLES[name]
    for code in range(1 << format.bits):
        if code not in format.decoded:
            continue
        value = dequantize(code, format)
        got = quantize_dyadic(value, 1, format)
        assert got == (oracle.quantize(Fraction(value) / Fraction(2) ** format.fraction_bits)[0], *got[1:])
        assert dequantize(got.code, format) == value or value < min(format.values.values())  # -128 of a narrow INT8
        assert got.code == code or code not in format.values  # only redundant codes are replaced


def test_redundant_codes_decode():
    assert dequantize(192, se9_paper()) == dequantize(191, se9_paper()) == 143 * 4
    assert dequantize(192 | 256, se9_paper()) == -143 * 4
    assert dequantize(256, se9_paper()) == 0
    assert dequantize(128 | 64, se8()) == 0
    assert dequantize(0x80, oracles.make("int8:narrow_range=1")) == -128
    assert dequantize(0x10, oracles.make("int5")) == -16


@pytest.mark.parametrize(("name", "code"), [("sticky-offset", 125), ("sticky-signed", 1), ("int8", 256), ("se8", -1)])
def test_unassigned_codes_are_refused(name, code):
    with pytest.raises(InputError, match=f"Code must be one that format .* assigns, not {code}"):
        dequantize(code, oracles.make(name))


@pytest.mark.parametrize("name", ALL)
def test_special_values(name):
    format, type, scale = oracles.make(name), input_type("fp16"), Scale.from_step(0.5)
    zero = format.zero_code
    assert quantize(0x8000, type, format, scale) == quantize(0, type, format, scale) == (zero, False, False)
    for nan in (0x7C01, 0x7E00, 0xFE00, 0xFFFF):
        assert quantize(nan, type, format, scale) == (zero, False, True)
    for infinity, end in ((0x7C00, max), (0xFC00, min)):
        got = quantize(infinity, type, format, scale)
        assert got.saturated
        assert dequantize(got.code, format) == end(format.values.values())


@pytest.mark.parametrize("name", ALL)
def test_monotone(name):
    format = oracles.make(name)
    reach = 2 * max(abs(value) for value in format.values.values()) + 64
    decoded = [dequantize(quantize_dyadic(n, -1, format).code, format) for n in range(-2 * reach, 2 * reach)]
    assert decoded == sorted(decoded)


@pytest.mark.parametrize("name", [name for name in ALL if oracles.make(name).kind == "sign-magnitude"])
def test_symmetric(name):
    format = oracles.make(name)
    for n in range(4 * max(format.values.values()) + 64):
        plus, minus = quantize_dyadic(n, -1, format), quantize_dyadic(-n, -1, format)
        assert dequantize(plus.code, format) == -dequantize(minus.code, format)
        assert plus.saturated == minus.saturated


@st.composite
def documents(draw) -> dict:
    kind = draw(st.sampled_from(["sign-magnitude", "offset"]))
    count = draw(st.integers(1, 9))
    segments = [
        {
            "codes": draw(st.integers(1, 12)),
            "log2_step": draw(st.integers(-4, 4)),
            "exact_end": number < count - 1 and draw(st.integers(0, 3)) == 0,
        }
        for number in range(count)
    ]
    for segment in segments:
        segment["codes"] += segment["exact_end"] and segment["codes"] == 1
    total, gap = sum(segment["codes"] for segment in segments), draw(st.integers(0, 3))
    code = gap
    for segment in draw(st.permutations(segments)):
        segment["first_code"] = code
        code += segment["codes"]
    bits = max(2, (total + gap - 1).bit_length() + (kind == "sign-magnitude"))
    document = {"name": "random", "bits": bits, "kind": kind, "segments": segments}
    if kind == "offset":
        finest = min(segment["log2_step"] for segment in segments)
        allowed, start = [], 0
        for segment in segments:
            end = start + (segment["codes"] << (segment["log2_step"] - finest))
            allowed += range(start, end) if segment["log2_step"] == finest else ()
            start = end
        document["zero_point"] = draw(st.sampled_from(allowed))
    return document


@given(document=documents(), data=st.data())
def test_random_formats(document, data):
    format, oracle = format_from_json(document), oracles.from_document(document)
    assert {code: value * Fraction(2) ** format.fraction_bits for code, value in oracle.values.items()} == format.values
    M = data.draw(st.integers(1, (1 << 8) - 1))
    M <<= 8 - M.bit_length()
    scale = Scale(M=M, k=data.draw(st.integers(2, 12)), bits=8)
    r = scale.M / Fraction(2) ** scale.k
    near = st.sampled_from(oracle.thresholds).map(lambda u: (u / r * 2**12).__floor__())
    for number in (*data.draw(st.lists(near, max_size=6)), data.draw(st.integers(-(1 << 22), 1 << 22))):
        for n in (number - 1, number, number + 1):
            got = quantize(n % (1 << 32), input_type("s32e-12"), format, scale)
            assert got == (*oracle.quantize(Fraction(n, 2**12) * r), False)


@pytest.mark.parametrize("name", ["int8", "int8-asym", "se8", "se8-silu", "se9-paper"])
@pytest.mark.parametrize("type", ["s4", "s8e3", "s6e-9"])
def test_only_zero_is_found_by_trying_every_input(name, type):
    format, input = load_format(name), input_type(type)
    seen = set()
    for power in range(-20, 30):
        scale = Scale.from_step(1.3 * 2.0**power)
        codes = {quantize(bits, input, format, scale).code for bits in range(1 << input.width)}
        result = only_zero(input, format, scale)
        assert result == (codes == {format.zero_code})
        seen.add(result)
    assert seen == {False, True}
