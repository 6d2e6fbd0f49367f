"""Choosing and resizing, for every small case."""

import pytest
from amaranth.hdl import Const, Module, Signal, signed
from amaranth.sim import Simulator

from qse_hw.rtl_gen.logic.select import choose, resize


def evaluate(value):
    out = Signal(len(value))
    m = Module()
    m.d.comb += out.eq(value)
    seen = []

    async def testbench(ctx):
        seen.append(ctx.get(out))

    simulator = Simulator(m)
    simulator.add_testbench(testbench)
    simulator.run()
    return seen[0]


@pytest.mark.parametrize("count", range(5))
def test_choose_takes_the_last_that_is_set(count):
    values = [Const(3 * n + 1, 4) for n in range(count + 1)]
    for set_ in range(count + 1):  # thermometer: all up to one
        flags = [Const(n < set_, 1) for n in range(count)]
        assert evaluate(choose(values, flags)) == 3 * set_ + 1


def test_choose_wants_one_flag_fewer():
    with pytest.raises(ValueError, match="longer"):
        choose([Const(0), Const(1), Const(2)], [Const(0)])


@pytest.mark.parametrize("width", [1, 3, 4, 5, 9])
@pytest.mark.parametrize("number", [-8, -3, -1, 0, 1, 7])
def test_resize(width, number):
    assert evaluate(resize(Const(number, signed(4)), width)) == number % (1 << width)
    assert evaluate(resize(Const(number % 16, 4), width)) == number % 16 % (1 << width)
    assert len(resize(Const(number, signed(4)), width)) == width
