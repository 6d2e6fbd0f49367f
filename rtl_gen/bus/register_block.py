"""The registers in hardware: storage, decoding and refusals, built from the register map."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.bus.axi_lite import AxiLite
from qse_hw.rtl_gen.bus.registers import ADDRESS_WIDTH, Field, RegisterMap

_ACCESS = (
    "write", "write_index", "write_data", "write_strobe", "write_error",
    "read", "read_index", "read_data", "read_error",
)  # fmt: skip


def parameter_layout(registers: RegisterMap) -> data.StructLayout:
    """The values of the read-write registers, by their names in lower case."""
    return data.StructLayout({
        register.name.lower(): (signed if register.fields[0].signed else unsigned)(register.fields[0].width)
        for register in registers.of_access("read-write")
    })  # fmt: skip


def counter_layout(registers: RegisterMap) -> data.StructLayout:
    """The counters, by their names in lower case."""
    return data.StructLayout({register.name.lower(): unsigned(32) for register in registers.of_access("counter")})


def flag_layout(registers: RegisterMap) -> data.StructLayout:
    """The sticky bits, by their names in lower case."""
    return data.StructLayout(dict.fromkeys(map(str.lower, registers.flags()), 1))


def command_layout(registers: RegisterMap) -> data.StructLayout:
    """The fields of the command registers, by their names in lower case."""
    return data.StructLayout({one.name.lower(): unsigned(one.width) for one in _fields(registers, "command")})


def _fields(registers: RegisterMap, *accesses: str) -> list[Field]:
    """Fields that are not sticky."""
    return [
        field for one in registers.registers if one.access in accesses for field in one.fields if not field.sticky
    ]


class RegisterBlock(wiring.Component):
    """Serves the accesses of :class:`qse_hw.rtl_gen.bus.axi_lite.AxiLite`, decoding them while they settle.

    Parameters:
        registers: the register map.

    Members:
        write, write_index, write_data, write_strobe, write_error, read, read_index, read_data, read_error: the bus.
        parameters: what software has written.
        locked: writes to parameters are refused.
        commands: high for one cycle, two cycles after the command was written; wider fields have what was written with
            it.
        status: the status registers' fields that are not sticky.
        noticed: sets sticky bits, also in a cycle in which software clears them.
        forget: clears all sticky bits.
        counts: values of the counters.
        clear: per counter, high in the cycle after it was written.
    """

    def __init__(self, *, registers: RegisterMap) -> None:
        self.registers = registers
        counters = counter_layout(registers)
        super().__init__(
            {
                "write": In(1),
                "write_index": In(ADDRESS_WIDTH - 2),
                "write_data": In(32),
                "write_strobe": In(4),
                "write_error": Out(1),
                "read": In(1),
                "read_index": In(ADDRESS_WIDTH - 2),
                "read_data": Out(32),
                "read_error": Out(1),
                "parameters": Out(parameter_layout(registers)),
                "locked": In(1),
                "commands": Out(command_layout(registers)),
                "status": In(
                    data.StructLayout({one.name.lower(): unsigned(one.width) for one in _fields(registers, "status")})
                ),
                "noticed": In(flag_layout(registers)),
                "forget": In(1),
                "counts": In(counters),
                "clear": Out(data.StructLayout(dict.fromkeys(counters.members, 1))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held = {
            register.name: Signal(
                Shape.cast(self.parameters[register.name.lower()].shape()),
                init=register.fields[0].of(register.reset),
                name=register.name.lower(),
            )
            for register in self.registers.of_access("read-write")
        }
        m.d.comb += [self.parameters[name.lower()].eq(value) for name, value in held.items()]
        clear = self._write(m, held)
        status: dict[str, list[Value]] = {}
        for register in self.registers.of_access("status"):
            values = status[register.name] = []
            for field in register.fields:
                name = field.name.lower()
                values.append(Signal(name=f"sticky_{name}") if field.sticky else self.status[name])
                if field.sticky:
                    kept = values[-1] & ~clear[register.name][field.low]
                    m.d.sync += values[-1].eq((kept | self.noticed[name]) & ~self.forget)
        self._read(m, held, status)
        return m

    def _selected(self, m: Module, index: Value, name: str) -> dict[str, Value]:
        """Per register, whether the index of the cycle before selects it."""
        selected = Signal(len(self.registers.registers), name=name)
        m.d.sync += selected.eq(Cat(index == register.index for register in self.registers.registers))
        return {register.name: selected[n] for n, register in enumerate(self.registers.registers)}

    def _read(self, m: Module, held: dict[str, Signal], status: dict[str, list[Value]]) -> None:
        selected = self._selected(m, self.read_index, "read_selected")
        words: list[Value] = []
        for register in self.registers.registers:
            word = Signal(32, name=f"{register.name.lower()}_word")
            if register.access == "read-only":
                m.d.comb += word.eq(register.reset)
            elif register.access == "counter":
                m.d.comb += word.eq(self.counts[register.name.lower()])
            elif register.access == "read-write":  # sign-extends
                m.d.comb += word[register.fields[0].low :].eq(held[register.name])
            elif register.access == "status":
                m.d.comb += [
                    word[f.low : f.low + f.width].eq(value)
                    for f, value in zip(register.fields, status[register.name], strict=True)
                ]
            words.append(word & selected[register.name].replicate(32))
        m.d.sync += [
            self.read_data.eq(reduce(or_, words)),
            self.read_error.eq(~Cat(selected.values()).any()),
        ]

    def _write(self, m: Module, held: dict[str, Signal]) -> dict[str, Signal]:
        """Decode and perform writes; returns which bits of each status register to clear.

        Selection, range check and refusal take a cycle each; ``write`` follows, and its effect a cycle later.
        """
        selected = self._selected(m, self.write_index, "write_selected")
        strobed = Signal(32)
        masked = Signal(32)
        clear: dict[str, Signal] = {}
        m.d.sync += [
            strobed.eq(Cat(bit.replicate(8) for bit in self.write_strobe)),
            masked.eq(self.write_data & Cat(bit.replicate(8) for bit in self.write_strobe)),
        ]
        excess: dict[int, Signal] = {}  # by width, which many registers share
        refusals: list[Value] = []
        m.d.sync += self.commands.eq(0)
        for register in self.registers.registers:
            name, width = register.name.lower(), register.fields[-1].low + register.fields[-1].width
            chosen = selected[register.name]
            accepted = Signal(name=f"{name}_written")
            m.d.sync += accepted.eq(chosen & self.write & ~self.write_error)
            if register.access in ("read-write", "command") and width not in excess:
                excess[width] = Signal(name=f"wider_than_{width}")
                m.d.sync += excess[width].eq(masked[width:].any())
            refused: Value = Const(0, 1)
            if register.access == "read-only":
                refused = Const(1, 1)
            elif register.access == "status":
                bits = clear[register.name] = Signal(32, name=f"{name}_clear")
                m.d.comb += bits.eq(masked & accepted.replicate(32))
            elif register.access == "counter":
                m.d.comb += self.clear[name].eq(accepted & strobed.any())
            elif register.access == "command":
                refused = excess[width]
                with m.If(accepted):
                    m.d.sync += [
                        self.commands[field.name.lower()].eq(masked[field.low : field.low + field.width])
                        for field in register.fields
                    ]
            else:
                value, merged = held[register.name], Signal(32, name=f"{name}_merged")
                old = Signal(32, name=f"{name}_old")
                low = register.fields[0].low
                m.d.comb += [old[low:].eq(value), merged.eq(masked | (old & ~strobed))]
                unfit: Value = excess[width]
                if low:
                    below = Signal(name=f"{name}_below")
                    m.d.sync += below.eq(masked[:low].any())
                    unfit = unfit | below
                if register.fields[0].signed:
                    unfit = Signal(name=f"{name}_unfit")
                    m.d.sync += unfit.eq(merged[width - 1 :].any() & ~merged[width - 1 :].all())
                refused = self.locked | unfit
                with m.If(accepted):
                    m.d.sync += value.eq(merged[low:width])
            refusals.append(chosen & refused)
        m.d.sync += self.write_error.eq(Cat(refusals).any() | ~Cat(selected.values()).any())
        return clear


def serve(m: Module, bus: AxiLite, registers: RegisterBlock) -> None:
    """Connect a bus to its registers."""
    for name in _ACCESS:
        from_bus = bus.signature.members[name].flow == Out
        source, sink = (bus, registers) if from_bus else (registers, bus)
        m.d.comb += getattr(sink, name).eq(getattr(source, name))
