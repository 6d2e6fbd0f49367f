"""docs/reference: the codes worked by hand, recomputed; every public name, command and option is there."""

import re
from contextlib import redirect_stdout, suppress
from fractions import Fraction
from io import StringIO

import pytest

import qse_hw
from qse_hw.cli import COMMANDS, main
from qse_hw.golden.formats.scalar import dequantize, quantize
from tests.docs.pages import DOCS, blocks, rows

REFERENCE = DOCS / "reference"
FORMATS = (REFERENCE / "formats.md").read_text(encoding="utf-8")
BF16 = qse_hw.input_type("bf16")


def worked(block, format, scale):
    """Checks every number of a value's way to its code; gives its bits, its exact value and the code."""
    (bits,) = re.findall(r"pattern `0x([0-9a-f]{4})`", block)
    sign, significand, exponent, shown = re.search(r"is (-?)(\d+) \* 2\^(-?\d+) = (-?[\d.]+)\.\n", block).groups()
    value = Fraction(int(significand)) * Fraction(2) ** int(exponent) * (-1 if sign else 1)
    assert Fraction(shown) == value
    assert re.search(r"s = ([\d.]+) is .* M = (\d+) and k = (\d+)\.", block).groups() == (
        f"{float(scale.step):.6g}", str(scale.M), str(scale.k)
    )  # fmt: skip
    first, M, product, power = map(int, re.search(r"(\d+) \* (\d+) = (\d+)\. In .* \* 2\^(-?\d+), bec", block).groups())
    assert (first, M, product) == (int(significand), scale.M, first * M)
    fraction = -min(segment.log2_step for segment in format.segments)
    assert power == int(exponent) - scale.k + fraction + 1
    half_steps = value * scale.reciprocal * 2 ** (fraction + 1)
    (T,) = {int(found) for found in re.findall(r"(?:T = |= )(-?\d+)\.$", block, re.MULTILINE)} & {
        (abs(half_steps) if format.signed else half_steps).__floor__() + 2 * format.zero_point
    }
    for position, half, end, said in re.findall(r": (\d+) \+ (\d+) < 2 \* (\d+) is (\w+)", block):
        assert int(position) == T
        assert said == str(T + int(half) < 2 * int(end)).lower()
    position, half, start, shift, index = map(
        int, re.search(r"\((\d+) \+ (\d+) - 2 \* (\d+)\) >> (\d+) = (\d+)\.", block).groups()
    )
    assert index == (position + half - 2 * start) >> shift
    first, index_again, code = map(int, re.search(r"code is (\d+) \+ (\d+) = (\d+): ", block).groups())
    assert (index_again, code) == (index, first + index)
    assert int(re.search(r": `([01 ]+)` of", block)[1].replace(" ", ""), 2) == code
    return int(bits, 16), value, code


def decoded(block, format, scale, code, value):
    """Checks every number of the way back."""
    start, index, shift, axis = map(int, re.search(r"(\d+) \+ \((\d+) << (\d+)\) = (\d+)\.", block).groups())
    assert axis == start + (index << shift)
    first = re.search(r"number (\d+) - (\d+) = (\d+) of", block).groups()
    assert [int(one) for one in first] == [code, code - index, index]
    fine, bits, shown, error, half = re.search(
        r"(-?\d+) \* s / 2\^(\d+) = (-?[\d.]+)\. It is ([\d.e-]+) away .* half a step is ([\d.]+) here", block
    ).groups()
    assert int(fine) == axis - format.zero_point == dequantize(code, format)
    exact = int(fine) * scale.step / 2 ** int(bits)
    assert shown == f"{float(exact):.6g}"
    assert error == f"{float(abs(exact - value)):.2g}"
    assert float(half) == pytest.approx(float(scale.step * 2**shift / 2 ** int(bits) / 2), rel=0.05)
    assert abs(exact - value) <= scale.step * 2**shift / 2 ** int(bits) / 2


def test_a_code_by_hand():
    format, scale = qse_hw.load_format("se8:L=12"), qse_hw.Scale.from_step(0.0327)
    bits, value, code = worked(blocks(FORMATS)["encode"], format, scale)
    assert quantize(bits, BF16, format, scale).code == code
    decoded(blocks(FORMATS)["decode"], format, scale, code, value)


def test_a_code_by_hand_with_a_zero_point():
    format, scale = qse_hw.load_format("se8-silu"), qse_hw.Scale.from_step(0.02)
    block, back = blocks(FORMATS)["zero"].split("And back:")
    bits, value, code = worked(block, format, scale)
    assert quantize(bits, BF16, format, scale).code == code
    decoded(back, format, scale, code, value)


def test_the_codes_of_the_presets():
    shown = {name: 0 for name in qse_hw.PRESETS}
    for row in rows(blocks(FORMATS)["codes"]):
        name = row["format"].strip("`")
        format = qse_hw.load_format(name)
        first, last = (int(code.replace(" ", ""), 2) for code in re.findall(r"`([01 ]+)`", row["codes"]))
        low, high = map(Fraction, row["values, in s"].split(" to "))
        assert [dequantize(code, format) for code in (first, last)] == [low * 2**format.fraction_bits,
                                                                       high * 2**format.fraction_bits]  # fmt: skip
        assert int(row["number"]) == last - first + 1
        shown[name] += last - first + 1
    for row in rows(blocks(FORMATS)["presets"]):
        name = row["format"].strip("`")
        values = {*qse_hw.load_format(name).values.values()}
        step = Fraction(1, 2 ** qse_hw.load_format(name).fraction_bits)
        assert int(row["values"]) == len(values)
        assert row["from ... to, in s"] == " to ".join(f"{float(end * step):g}" for end in (min(values), max(values)))
        assert shown[name] == sum(value >= 0 or row["kind"] == "offset" for value in values)


def test_every_public_name():
    page = (REFERENCE / "python.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == qse_hw.__all__
    assert ":func:" not in page
    assert ":class:" not in page


def test_every_command():
    page = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("command", ["quantize", "capture", "calibrate", "sweep", "doctor"])
def test_every_option_of_a_command(command):
    page = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {command}\n")[2].partition("\n## ")[0]
    said = StringIO()
    with redirect_stdout(said), suppress(SystemExit):
        main([command, "--help"])
    helped = {*re.findall(r"(?<![\w-])--[a-z][a-z-]+", said.getvalue().partition("\noptions:")[2])} - {"--help"}
    assert {*re.findall(r"`(--[a-z-]+)", section)} == {
        flag for flag in helped if re.search(rf"^ +(?:-\w[^\n]*)?{flag}(?![\w-])", said.getvalue(), re.MULTILINE)
    }
