"""The multiplier: its products, and a proof that the ECP5 cell's model equals the simulated multiplier."""

import re

import pytest
from amaranth.back import verilog
from amaranth.hdl import EnableInserter, Module, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.emit import MODELS, VerilogPlatform
from qse_hw.rtl_gen.lane.multiplier import Multiplier, multiplier_latency
from qse_hw.synth.yosys import YOSYS, run
from tests.rtl_gen.bench import refused, simulate

CELL = MODELS / "MULT18X18D.v"
SHAPES = [
    (signed(16), unsigned(16)), (unsigned(18), unsigned(18)), (unsigned(8), unsigned(18)), (signed(18), signed(18)),
    (unsigned(24), unsigned(16)), (signed(32), signed(17)), (signed(19), unsigned(18)), (unsigned(35), unsigned(18)),
]  # fmt: skip


class Alone(wiring.Component):
    """A multiplier with an enable around it, as a lane has it."""

    def __init__(self, a, b, target="ecp5"):
        self.multiplier = Multiplier(a, b, target=target)
        self.latency = multiplier_latency(self.multiplier.a.shape().width, target)
        super().__init__({"a": In(a), "b": In(b), "enable": In(1), "p": Out(self.multiplier.p.shape())})

    def elaborate(self, platform):
        m = Module()
        m.submodules.multiplier = self.multiplier
        m.d.comb += [
            self.multiplier.a.eq(self.a),
            self.multiplier.b.eq(self.b),
            self.multiplier.enable.eq(self.enable),
            self.p.eq(self.multiplier.p),
        ]
        return EnableInserter(self.enable)(m)


@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_products(a, b, target, rng):
    dut = Alone(a, b, target)
    values = [
        tuple(int(rng.choice([low, high, rng.integers(low, high + 1)])) for low, high in map(limits, (a, b)))
        for _ in range(200)
    ]

    async def process(ctx, rst):
        ctx.set(dut.enable, 1)
        for cycle in range(len(values) + dut.latency):
            if cycle < len(values):
                ctx.set(dut.a, values[cycle][0])
                ctx.set(dut.b, values[cycle][1])
            if cycle >= dut.latency:
                x, y = values[cycle - dut.latency]
                assert ctx.get(dut.p) == x * y
            await ctx.tick()
            if rng.integers(4) == 0:  # a stall
                ctx.set(dut.enable, 0)
                await ctx.tick().repeat(int(rng.integers(1, 4)))
                ctx.set(dut.enable, 1)

    simulate(dut, process)


def limits(shape):
    return (-(1 << (shape.width - 1)), (1 << (shape.width - 1)) - 1) if shape.signed else (0, (1 << shape.width) - 1)


def prove(a, b, cell, folder):
    """Yosys proves by induction that the simulated multiplier equals the instantiated cells in every cycle."""
    for name, platform in (("simulated", None), ("instantiated", VerilogPlatform())):
        text = verilog.convert(Alone(a, b), name=name, platform=platform, emit_src=False, strip_internal_attrs=True)
        (folder / f"{name}.v").write_text(text)
    (folder / "cell.v").write_text(cell)
    # Registers with equal inputs are merged, which leaves the solver no multiplication to reason about.
    simplify = "opt -full; wreduce; opt -full; wreduce; opt -full"
    return run(
        YOSYS,
        [
            "-p",
            "read_verilog simulated.v instantiated.v cell.v; hierarchy -check; proc; "
            f"miter -equiv -flatten simulated instantiated miter; hierarchy -top miter; flatten; {simplify}; "
            "sat -verify -seq 1 -set-at 1 in_rst 0 -tempinduct -prove trigger 0 miter",
        ],
        folder,
        log="log",
    )


@pytest.mark.every(6)
@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_the_model_is_proved(a, b, tmp_path):
    prove(a, b, CELL.read_text(), tmp_path)


@pytest.mark.every(3)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SIGNEDA & a_used[17]", "a_used[17]"),
        ("output_register <= piped", "output_register <= product"),
        ("if (CE0) begin", "begin"),
    ],
)
def test_a_wrong_model_is_found(old, new, tmp_path):
    text = CELL.read_text()
    assert old in text
    with pytest.raises(InputError, match=r"proof|failed"):
        prove(unsigned(18), unsigned(18), text.replace(old, new), tmp_path)


def test_the_cells_registers_are_used():
    text = verilog.convert(Alone(*SHAPES[0]), platform=VerilogPlatform())
    used = re.findall(r"\.(REG_\w+)\(\"CLK0\"\)", text)
    assert set(used) == {f"REG_{name}_CLK" for name in ("INPUTA", "INPUTB", "OUTPUT", "PIPELINE")}


def test_too_wide():
    text = "Second factor must have at most 18 bits for ecp5, not 20"
    refused(InputError, text, lambda: Multiplier(8, 20, target="ecp5"))
    text = "First factor must have at most 35 bits for ecp5, not 36"
    refused(InputError, text, lambda: Multiplier(36, 18, target="ecp5"))
