"""The comment above a unit's Verilog says what the unit is, and belongs to the text below it."""

import hashlib
import re

import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.emit.heading import WIDTH, headed
from qse_hw.rtl_gen.units.argmax import ArgmaxConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig


@pytest.fixture(scope="module")
def encoder():
    format = load_format("se8:L=12")
    return EncoderConfig(format=format, input=input_type("s16"), scale=Scale.from_step(0.5), lanes=2)


@pytest.fixture(scope="module")
def heading(encoder):
    return headed(emit(encoder)).text.partition("\n\n")[0]


def test_it_is_a_comment_above_the_text(encoder):
    unit = emit(encoder)
    text = headed(unit).text
    heading, _, below = text.partition("\n\n")
    assert below == unit.text
    assert all(line.startswith("//") and len(line) <= WIDTH + 20 for line in heading.splitlines())
    assert re.search(r"SHA-256 .*: (\w+)$", heading)[1] == hashlib.sha256(below.encode()).hexdigest()
    assert headed(emit(encoder)).text == text


def test_format_in_words(heading):
    lines = heading.splitlines()
    (at,) = (n for n, line in enumerate(lines) if line.startswith("// Format se8:L=12: codes of 8 bits, the top bit "))
    assert lines[at + 1 : at + 4] == [
        "//   codes 64 to 111: 0 s to 11.75 s in steps of 0.25 s",
        "//   codes 0 to 63: 12 s to 75 s in steps of 1 s",
        "//   codes 112 to 127: 76 s to 136 s in steps of 4 s",
    ]


def test_options_and_ports(encoder, heading):
    words = heading.replace("\n//   ", " ")
    assert "Options: format=se8:L=12, input=s16, scale=0.5 (M=32768 k=14), " in words
    for port in emit(encoder).ports:
        line = rf"^//   {port['direction']} +{port['name']} +{port['width']}  {port['meaning']}"
        assert re.search(line, heading, re.M)


def test_a_unit_without_a_format():
    heading = headed(emit(ArgmaxConfig(size=4, width=8))).text.partition("\n\n")[0]
    assert heading.startswith("// qse_argmax: ")
    assert "codes of" not in heading
