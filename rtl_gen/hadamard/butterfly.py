"""The stages of a streaming Hadamard transform of order 2: sums and differences across lanes, and across beats."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.logic.delay import Delay
from qse_hw.rtl_gen.logic.reset import omit_reset


class Stage(wiring.Component):
    """A stage of ``lanes`` signed values per slot.

    A *slot* is a cycle in which ``enable`` is high and with it the ``sync`` domain enabled. A vector enters in
    consecutive slots and leaves in as many consecutive slots; between vectors there may be any number of slots.

    The domain ``always`` has the same clock as ``sync``; ``enable`` does not enable it.

    Parameters:
        lanes: values per slot.
        width: bits of an input.
        growth: bits that an output has more.
        slots: see below.

    Members:
        enable: whether this cycle is a slot.
        coming: whether the next cycle will be one.
        x0 ...: the input beat, a value per lane.
        start: high in the slot before that of a vector's first beat at the input.
        y0 ...: the output beat, a value per lane.
        y_start: high in the slot before that of a vector's first beat at the output.

    Attributes:
        x, y: the ports ``x0 ...`` and ``y0 ...`` as lists.
        slots: from a vector's first beat at the input to its first beat at the output.
    """

    def __init__(self, *, lanes: int, width: int, growth: int, slots: int) -> None:
        self.lanes = lanes
        self.width = width
        self.slots = slots
        inputs, outputs = ([f"{name}{lane}" for lane in range(lanes)] for name in "xy")
        super().__init__(
            {
                "enable": In(1),
                "coming": In(1),
                **dict.fromkeys(inputs, In(signed(width))),
                "start": In(1),
                **dict.fromkeys(outputs, Out(signed(width + growth))),
                "y_start": Out(1),
            }
        )
        omit_reset(self, *outputs)
        self.x, self.y = ([getattr(self, name) for name in names] for names in (inputs, outputs))


class LaneButterfly(Stage):
    """Lanes ``distance`` apart, a and b, become a + b and a - b."""

    def __init__(self, *, lanes: int, width: int, distance: int) -> None:
        super().__init__(lanes=lanes, width=width, growth=1, slots=1)
        self._distance = distance

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.y_start.eq(self.start)
        for lane in range(self.lanes):
            if lane & self._distance == 0:
                a, b = self.x[lane], self.x[lane + self._distance]
                m.d.sync += [self.y[lane].eq(a + b), self.y[lane + self._distance].eq(a - b)]
        return m


class BeatButterfly(Stage):
    """Beats ``distance`` apart, a and b, become a + b and a - b.

    The first half of each ``2 * distance`` beats waits in a delay line of ``distance`` beats. When the second half
    comes, the sums leave, and the differences enter the delay line, to leave while the next first half enters. Two
    adders per lane, each between registers: ``y = waiting + (0 or b)``, ``back = (0 or waiting) + (a or ~b + 1)``.
    ``target``: see :class:`qse_hw.rtl_gen.logic.block_ram.BlockRam`.
    """

    def __init__(self, *, lanes: int, width: int, distance: int, target: str) -> None:
        super().__init__(lanes=lanes, width=width, growth=1, slots=distance + 2)
        self._distance = distance
        self._target = target

    def elaborate(self, platform: object) -> Module:
        m = Module()
        second, first_slot = self._phase(m)
        subtract = Signal(reset_less=True)
        m.d.sync += subtract.eq(second)
        back: list[Value] = []
        waiting, gated = (
            [Signal(signed(self.width + 1), name=f"{name}{lane}", reset_less=True) for lane in range(self.lanes)]
            for name in ("waiting", "gated")
        )
        for lane in range(self.lanes):
            addend, subtrahend = (
                Signal(signed(self.width), name=f"{name}{lane}", reset_less=True) for name in ("addend", "subtrahend")
            )
            self._gate(m, first_slot, addend, self.x[lane])
            m.d.sync += [
                subtrahend.eq(self.x[lane] ^ second.replicate(self.width)),
                self.y[lane].eq(waiting[lane] + addend),
            ]
            # the carry enters through an extra low bit
            total = Cat(subtract, gated[lane]).as_signed() + Cat(subtract, subtrahend).as_signed()
            back.append(total[1 : self.width + 2])

        line: Value = Cat(*back)  # from here back to the registers of the two sums: distance slots
        if self._distance > 1:
            m.submodules.line = delay = Delay(width=len(line), slots=self._distance - 2, target=self._target)
            register = Signal.like(delay.i, reset_less=True)
            m.d.sync += register.eq(line)
            m.d.comb += [delay.enable.eq(self.enable), delay.i.eq(register)]
            line = delay.o
        for lane in range(self.lanes):
            word = line.word_select(lane, self.width + 1).as_signed()
            self._gate(m, first_slot, gated[lane], word)
            m.d.sync += waiting[lane].eq(word)
        return m

    def _gate(self, m: Module, first_slot: Signal, register: Signal, value: Value) -> None:
        """Set ``register`` to ``value`` in second halves, else to 0, by the flip-flops' own reset and enable."""
        with m.If(first_slot):
            m.d.always += register.eq(0)
        with m.Elif(self.enable):
            m.d.always += register.eq(value)

    def _phase(self, m: Module) -> tuple[Signal, Signal]:
        """``(second, first_slot)``: the beat at ``x`` belongs to a second half; this is a slot and the beat does not.

        ``first_slot`` is a register, since it drives many. After a vector the phases continue until the next vector
        starts: empty first halves do no harm, and by the next second half all differences have left.
        """
        second = Signal()
        fresh = Signal()
        first_slot = Signal()
        next_second = Signal()
        _, last = count(m, self._distance, "position", restart=self.start)
        m.d.comb += next_second.eq((second ^ last) & ~self.start)
        m.d.sync += [second.eq(next_second), fresh.eq(self.start | (fresh & ~second))]
        m.d.always += first_slot.eq(self.coming & ~Mux(self.enable, next_second, second))
        m.d.sync += self.y_start.eq(fresh & second)
        return second, first_slot
