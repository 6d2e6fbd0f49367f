"""What the register block does in the cycle of an event; for reads and writes see tests/sim/test_quantizer_axi.py."""

import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.bus.axi_lite import SETTLE
from qse_hw.rtl_gen.bus.register_block import RegisterBlock
from qse_hw.rtl_gen.quantizer.registers import quantizer_registers
from tests.rtl_gen.bench import simulate
from tests.rtl_gen.formats import make

MAP = quantizer_registers(
    format=make("se8-silu"), input=input_type("bf16"), scale=Scale.from_step(0.0176), lanes=1
)


async def write(ctx, dut, name, value, strobe=0b1111, active=1):
    """Returns whether it is refused, in the cycle in which the write has its effect."""
    ctx.set(dut.write_index, MAP[name].index)
    ctx.set(dut.write_data, value)
    ctx.set(dut.write_strobe, strobe)
    await ctx.tick().repeat(SETTLE)
    refused = ctx.get(dut.write_error)
    ctx.set(dut.write, active)
    await ctx.tick()
    ctx.set(dut.write, 0)
    return refused


async def status(ctx, dut):
    ctx.set(dut.read_index, MAP["STATUS"].index)
    await ctx.tick().repeat(SETTLE)
    return ctx.get(dut.read_data)


@pytest.mark.parametrize("name", [flag.lower() for flag in MAP.flags()])
def test_a_flag_that_is_set_while_it_is_cleared_stays(name):
    dut = RegisterBlock(registers=MAP)
    mask = MAP["STATUS"].field(name.upper()).mask

    async def process(ctx, rst):
        for together in (False, True):
            ctx.set(dut.noticed[name], 1)
            await ctx.tick()
            ctx.set(dut.noticed[name], 0)
            assert await status(ctx, dut) == mask
            assert not await write(ctx, dut, "STATUS", mask)
            ctx.set(dut.noticed[name], int(together))
            await ctx.tick()
            ctx.set(dut.noticed[name], 0)
            assert await status(ctx, dut) == (mask if together else 0)
        await write(ctx, dut, "CONTROL", 2)
        await ctx.tick()
        assert (ctx.get(dut.commands.soft_reset), ctx.get(dut.commands.apply)) == (1, 0)
        ctx.set(dut.forget, 1)
        await ctx.tick()
        ctx.set(dut.forget, 0)
        assert (ctx.get(dut.commands.soft_reset), await status(ctx, dut)) == (0, 0)

    simulate(dut, process)


def test_without_a_write_nothing_happens():
    """Without ``write``, and if a write is refused, no register changes."""
    dut = RegisterBlock(registers=MAP)

    async def process(ctx, rst):
        before = ctx.get(dut.parameters.as_value())
        for register in MAP.registers:
            for locked, active in ((0, 0), (1, 1)):
                if active and register.access != "read-write":
                    continue
                ctx.set(dut.locked, locked)
                refused = await write(ctx, dut, register.name, 1, active=active)
                assert not ctx.get(dut.clear.as_value())
                assert refused or not locked
                await ctx.tick()
                assert not ctx.get(dut.commands.apply)
                assert ctx.get(dut.parameters.as_value()) == before
        ctx.set(dut.locked, 0)
        await write(ctx, dut, "VALUES", 0, strobe=0)
        assert not ctx.get(dut.clear.values)
        await write(ctx, dut, "VALUES", 0, strobe=8)
        assert ctx.get(dut.clear.values)

    simulate(dut, process)
