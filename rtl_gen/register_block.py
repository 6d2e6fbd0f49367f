"""The registers in hardware: storage, decoding and refusals, all from the register map."""

from amaranth.hdl import Cat, Module, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.registers import ADDRESS_WIDTH, RegisterMap

STICKY = ("saturated", "nan", "parameter_error", "partial_keep")


def parameter_layout(registers: RegisterMap) -> data.StructLayout:
    """The values of the read-write registers, by their names in lower case."""
    return data.StructLayout({
        register.name.lower(): (signed if register.fields[0].signed else unsigned)(register.fields[0].width)
        for register in registers.of_access("read-write")
    })  # fmt: skip


def counter_layout(registers: RegisterMap) -> data.StructLayout:
    """The counters, by their names in lower case."""
    return data.StructLayout({register.name.lower(): unsigned(32) for register in registers.of_access("counter")})


class RegisterBlock(wiring.Component):
    """Answers the accesses of :class:`rtl_gen.axi_lite.AxiLite` in the cycle in which they are made.

    Parameters:
        registers: what there is.

    Members:
        write, write_index, write_data, write_strobe, write_error, read, read_index, read_data, read_error: the bus.
        parameters: what software wrote.
        locked: parameters are in use, so that writes to them are refused.
        apply, soft_reset: high for one cycle, the one after the command was written.
        pending, busy, bypassed, error: of STATUS.
        noticed: sets the sticky bit of that name, also in the cycle in which software clears it.
        counts: of the counters.
        clear: per counter, high in the cycle in which it is written.
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
                "apply": Out(1),
                "soft_reset": Out(1),
                "pending": In(1),
                "busy": In(1),
                "bypassed": In(1),
                "error": In(registers["STATUS"].field("ERROR").width),
                "noticed": In(data.StructLayout(dict.fromkeys(STICKY, 1))),
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
        m.d.comb += self.write_error.eq(1)  # unless a register takes it
        with m.Switch(self.write_index):
            clear = self._write(m, held)
        status = {"PENDING": self.pending, "BUSY": self.busy, "BYPASSED": self.bypassed, "ERROR": self.error}
        for name in STICKY:
            flag = status[name.upper()] = Signal(name=f"sticky_{name}")
            kept = flag & ~clear[self.registers["STATUS"].field(name.upper()).low]
            m.d.sync += flag.eq((kept | self.noticed[name]) & ~self.soft_reset)
        self._read(m, held, status)
        return m

    def _read(self, m: Module, held: dict[str, Signal], status: dict[str, Value]) -> None:
        with m.Switch(self.read_index):
            for register in self.registers.registers:
                with m.Case(register.index):
                    if register.access == "read-only":
                        m.d.comb += self.read_data.eq(register.reset)
                    elif register.access == "counter":
                        m.d.comb += self.read_data.eq(self.counts[register.name.lower()])
                    elif register.access == "read-write":  # sign-extends
                        m.d.comb += self.read_data.eq(held[register.name])
                    elif register.access == "status":
                        for field in register.fields:
                            m.d.comb += self.read_data[field.low : field.low + field.width].eq(status[field.name])
            with m.Default():
                m.d.comb += self.read_error.eq(1)

    def _write(self, m: Module, held: dict[str, Signal]) -> Signal:
        """Returns which bits of STATUS to clear."""
        strobed, masked, clear = Signal(32), Signal(32), Signal(32)
        m.d.comb += [
            strobed.eq(Cat(bit.replicate(8) for bit in self.write_strobe)),
            masked.eq(self.write_data & strobed),
        ]
        excess: dict[int, Signal] = {}  # by width, which many registers share
        for register in self.registers.registers:
            width = register.fields[-1].low + register.fields[-1].width
            if register.access in ("read-write", "command") and width not in excess:
                excess[width] = Signal(name=f"wider_than_{width}")
                m.d.comb += excess[width].eq(masked[width:].any())

        m.d.sync += [self.apply.eq(0), self.soft_reset.eq(0)]
        for register in self.registers.registers:
            if register.access == "read-only":
                continue
            with m.Case(register.index):
                if register.access == "status":
                    m.d.comb += [self.write_error.eq(0), clear.eq(masked & self.write.replicate(32))]
                elif register.access == "counter":
                    cleared = self.clear[register.name.lower()]
                    m.d.comb += [self.write_error.eq(0), cleared.eq(self.write & self.write_strobe.any())]
                elif register.access == "command":
                    m.d.comb += self.write_error.eq(excess[len(register.fields)])
                    with m.If(self.write & ~self.write_error):
                        m.d.sync += Cat(self.apply, self.soft_reset).eq(masked)
                else:
                    value, width = held[register.name], register.fields[0].width
                    old, merged = (Signal(32, name=f"{register.name.lower()}_{what}") for what in ("old", "merged"))
                    m.d.comb += [old.eq(value), merged.eq(masked | (old & ~strobed))]
                    unfit: Value = excess[width]
                    if register.fields[0].signed:
                        unfit = merged[width - 1 :].any() & ~merged[width - 1 :].all()
                    m.d.comb += self.write_error.eq(self.locked | unfit)
                    with m.If(self.write & ~self.write_error):
                        m.d.sync += value.eq(merged[:width])
        return clear
