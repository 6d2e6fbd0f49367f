"""Small function units, which Amaranth simulates in no time."""

from fractions import Fraction

from qse_hw.golden.formats.inputs import input_type

SMALL = {"input": input_type("s8e-4"), "output": input_type("s10e-6"), "error": Fraction(1, 64)}
