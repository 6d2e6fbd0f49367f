# amaranth: UnusedElaboratable=no
"""Baselines of the function unit: a table of values in memory, addressed by the highest bits of the input.

With all bits it is the plain table. With 1,024 entries over [-8, 8) it is hls4ml's way (nnet_activation.h: softplus and
others are read from a table of that size and range).
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.functions.constraints import STEP_BITS, values
from qse_hw.golden.functions.reduction import Reduction
from qse_hw.golden.functions.targets import function_called
from qse_hw.golden.reference.vectors import from_patterns
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.logic.select import greater_equal
from qse_hw.rtl_gen.logic.stall import stall_control


@dataclass(frozen=True, kw_only=True)
class TableConfig(UnitConfig):
    """See :class:`Table`.

    Attributes:
        function, input, output: as of :class:`qse_hw.rtl_gen.units.function.FunctionConfig`.
        low, high: inputs in steps, ``high`` not included; a power of two of them. Others are taken as the nearest.
        address_bits: log2 of the entries.
    """

    unit: ClassVar[str] = "table"
    summary: ClassVar[str] = "a table of a function's values"
    lanes: ClassVar[int] = 1  # type: ignore[misc]

    function: str
    input: InputType
    output: InputType
    low: int
    high: int
    address_bits: int

    @property
    def label(self) -> str:
        return f"{self.function} {self.input.name} {self.output.name} table of {1 << self.address_bits}"

    @property
    def dropped(self) -> int:
        """Bits of the input that the address has not."""
        return (self.high - self.low).bit_length() - 1 - self.address_bits

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """Of each run of inputs with one address the output nearest to the middle of the function's extremes."""
        exact = self._exact(np.arange(self.low, self.high, dtype=np.int64))
        run, largest = 1 << self.dropped, (1 << (self.output.width - 1)) - 1
        rows = []
        for begin in range(0, len(exact), run):
            part = exact[begin : begin + run]
            middle = (min(part) + max(part) + (1 << STEP_BITS)) >> (STEP_BITS + 1)
            rows.append(max(-largest - 1, min(largest, middle)))
        return tuple(rows)

    @cached_property
    def error(self) -> float:
        """The largest error of all inputs, absolute; those whose value the output cannot hold left out."""
        x = np.arange(-1 << (self.input.width - 1), 1 << (self.input.width - 1), dtype=np.int64)
        if self.function == "rsqrt":
            x = x[x >= max(self.low, 1)]
        pairs = zip(self._outputs(x).tolist(), self._exact(x), strict=True)
        most = (1 << (self.output.width - 1)) << STEP_BITS
        worst = max(abs((y << STEP_BITS) - value) for y, value in pairs if value < most)
        return float(Fraction(worst, 1 << STEP_BITS)) * 2.0**self.output.exponent

    def _exact(self, x: np.ndarray[Any, Any]) -> list[int]:
        reduction = Reduction(function_called(self.function), self.input)
        if self.function != "rsqrt":
            return values(reduction, self.output, x)
        inside = np.maximum(x, 1)
        return values(reduction, self.output, inside)

    def _outputs(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        address = (np.clip(x, self.low, self.high - 1) - self.low) >> self.dropped
        outputs: np.ndarray[Any, Any] = np.array(self.rows, np.int64)[address]
        return outputs

    def component(self) -> "Table":
        return Table(self)

    def parameters(self) -> dict[str, Any]:
        return {"unit": self.unit, "function": self.function, "input": self.input.name, "output": self.output.name,
                "entries": 1 << self.address_bits}  # fmt: skip

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        bits = np.arange(1 << self.input.width, dtype=np.uint32)
        return {"input_bits": bits, "outputs": self._outputs(from_patterns(bits, self.input).astype(np.int64))}


class Table(wiring.Component):
    """A memory of a function's values with a register behind it.

    Latency: :attr:`latency` cycles. Throughput: one beat per cycle; stalls as a whole.

    Parameters:
        config: what to build.

    Members:
        i: stream of one signed integer, in steps of the input.
        o: stream of one signed integer, in steps of the output.
    """

    latency = 3

    def __init__(self, config: TableConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(signed(config.input.width), 1))),
                "o": Out(stream.Signature(data.ArrayLayout(signed(config.output.width), 1))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, width = self.config, self.config.input.width
        advance, o_valid = stall_control(m, i_valid=self.i.valid, o_ready=self.o.ready, latency=self.latency)
        x = Signal(signed(width))
        m.d.comb += [x.eq(self.i.payload[0]), self.i.ready.eq(advance), self.o.valid.eq(o_valid)]
        inside: Value = x
        if config.high < 1 << (width - 1):
            inside = Mux(greater_equal(x, config.high), Const(config.high - 1, signed(width)), inside)
        if config.low > -1 << (width - 1):
            inside = Mux(greater_equal(x, config.low), inside, Const(config.low, signed(width)))
        offset = Signal(width, reset_less=True)
        with m.If(advance):
            m.d.sync += offset.eq(inside - config.low)
        outputs = [row % (1 << config.output.width) for row in config.rows]
        m.submodules.memory = memory = Memory(shape=config.output.width, depth=len(outputs), init=outputs)
        read = memory.read_port()
        y = Signal(config.output.width, reset_less=True)
        m.d.comb += [
            read.addr.eq(offset[config.dropped : config.dropped + config.address_bits]),
            read.en.eq(advance),
            Value.cast(self.o.payload).eq(y),
        ]
        with m.If(advance):
            m.d.sync += y.eq(read.data)
        return m
