"""Checks the parameters that software has written, and computes the lanes' constants from them."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.formats.scale import MAX_LOG2_STEP, Scale
from qse_hw.golden.formats.segmented import MAX_REACH, SegmentedFormat
from qse_hw.rtl_gen.bus.register_block import parameter_layout
from qse_hw.rtl_gen.bus.registers import RegisterMap
from qse_hw.rtl_gen.lane.format_family import FormatFamily
from qse_hw.rtl_gen.quantizer.parameter_rules import least_count
from qse_hw.rtl_gen.quantizer.registers import K_WIDTH, REFUSALS

_NUMBER = {name: number for number, name in enumerate(REFUSALS)}
_PHASES = 4  # cycles per step: operands, sums, differences, verdict


class ApplyParameters(wiring.Component):
    """Walks through the segments, once to check them and once to compute the regions' constants.

    Arithmetic: :func:`qse_hw.rtl_gen.quantizer.parameter_rules.refusal`, :meth:`FormatFamily.constants`. One step of
    four cycles, which keeps paths short, per pair of segments: each segment with every earlier one, then alone.

    Parameters:
        format: the format after a reset; software can set the formats of its family.
        scale: the scale after a reset.
        registers: the register map; its read-write registers are the parameters.

    Members:
        parameters: what software has written; must not change from ``check`` until they are refused or loaded.
        check, load: high for one cycle while ``done``: check the parameters; make checked parameters effective.
        done: no walk is in progress.
        refused: result of the last check: a number in REFUSALS, 0 if the parameters are legal.
        scale_m, scale_k, bypass, regions: the effective parameters.

    Raises:
        TypeError, InputError: for a format that has no family.
    """

    def __init__(self, *, format: SegmentedFormat, scale: Scale, registers: RegisterMap) -> None:
        self.family = FormatFamily.of(format)
        self._scale = scale
        super().__init__(
            {
                "parameters": In(parameter_layout(registers)),
                "check": In(1),
                "load": In(1),
                "done": Out(1, init=1),
                "refused": Out(range(len(REFUSALS))),
                "scale_m": Out(scale.bits, init=scale.M),
                "scale_k": Out(signed(K_WIDTH), init=scale.k),
                "bypass": Out(1),
                "regions": Out(self.family.layout, init=self.family.constants(format)),
            }
        )

    @property
    def steps(self) -> int:
        """Steps of a walk."""
        count = len(self.family.shifts)
        return count * (count + 1) // 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count = len(self.family.shifts)
        row = Signal(range(count))  # a segment
        column = Signal(range(count))  # one before it, or itself
        phase = Signal(range(_PHASES))
        loading = Signal()
        itself = Signal()
        verdict = Signal()
        m.d.comb += [itself.eq(row == column), verdict.eq(~self.done & (phase == _PHASES - 1))]
        start = Signal(range(MAX_REACH + 1))
        place = self._place(m, row, column, start)
        problem = self._problem(m, row, itself, verdict, place)

        with m.If(self.check | self.load):
            m.d.sync += [self.done.eq(0), loading.eq(self.load)]
        with m.If(self.check):
            m.d.sync += self.refused.eq(self._scale_problem(m))
        m.d.sync += phase.eq(phase + 1)
        with m.If(verdict):
            with m.If((self.refused == 0) & (problem != 0)):
                m.d.sync += self.refused.eq(problem)
            m.d.sync += column.eq(column + 1)
            with m.If(itself):
                m.d.sync += [column.eq(0), row.eq(row + 1), start.eq(place["end"])]
        with m.If(self.done):
            m.d.sync += [row.eq(0), column.eq(0), phase.eq(0), start.eq(0)]
        # a cycle later, while the segment's registers still hold
        decided = verdict & itself
        last = Signal()
        storing = Signal(count)
        m.d.sync += [
            last.eq(decided & (row == count - 1)),
            storing.eq(Cat(decided & loading & (row == number) for number in range(count))),
        ]
        with m.If(last):
            m.d.sync += self.done.eq(1)
        with m.If(storing[0]):
            m.d.sync += [
                self.scale_m.eq(self.parameters.scale_m),
                self.scale_k.eq(self.parameters.scale_k),
                self.bypass.eq(self.parameters.mode),
            ]
        self._store(m, storing, place)
        return m

    def _place(self, m: Module, row: Signal, column: Signal, start: Signal) -> dict[str, Signal]:
        """Registers, by phase, of the segment of ``row``: where it lies on the axis and among the codes."""
        family, shifts = self.family, self.family.shifts
        registers: dict[str, Signal] = {}

        def register(name: str, shape: Shape, value: Value) -> Signal:
            registers[name] = Signal(shape, name=name, reset_less=True)
            m.d.sync += registers[name].eq(value)
            return registers[name]

        def of_segment(number: Signal, values: list[Value]) -> Value:
            return Array(values)[number]

        def parameter(number: Signal, name: str) -> Value:
            return of_segment(number, [self.parameters[f"segment{n}_{name}"] for n in range(len(shifts))])

        field, codes, sum_ = unsigned(family.field), unsigned(family.field + 1), unsigned(family.field + 2)
        signed_place = signed(MAX_REACH.bit_length() + 1)  # -MAX_REACH to MAX_REACH
        longest = max(family.field + 1 + max(shifts), MAX_REACH.bit_length()) + 1  # of any end, also an illegal one
        # phase 0
        count = register("count", codes, parameter(row, "count"))
        first = register("first", field, parameter(row, "first"))
        other_count = register("other_count", codes, parameter(column, "count"))
        other_first = register("other_first", field, parameter(column, "first"))
        point = self.parameters.zero_point if family.kind == "offset" else Const(0)
        base = register("base", signed_place, start - point)
        # phase 1
        span = of_segment(row, [count << e for e in shifts])
        register("end", unsigned(longest), start + span)
        beyond = register("beyond", signed(longest + 1), base + span)
        code_end = register("code_end", sum_, first + count)
        other_end = register("other_end", sum_, other_first + other_count)
        half = [Const(1 << e) for e in shifts]
        doubled = Cat(Const(0, 1), base).as_signed()
        addend = register("addend", signed(len(base) + 2), of_segment(row, half) - doubled)
        for name, constant in (("formula_from", False), ("constant_from", True)):
            borders = [Const(self._border(n, constant)) for n in range(len(shifts))]
            register(name, self.family.threshold_shape, doubled - of_segment(row, borders))
        # phase 2
        shifted = [addend >> (e + 1) for e in shifts]
        register("high", field, first + of_segment(row, shifted))
        register("low", unsigned(max(shifts) + 1), addend)
        register("saturated_from", self.family.threshold_shape, Cat(Const(0, 1), beyond).as_signed() - half[-1])
        register("last_code", field, code_end - 1)
        register("overlaps", unsigned(1), (first < other_end) & (other_first < code_end))
        register("no_codes", unsigned(1), count < least_count(family))
        register("no_field", unsigned(1), code_end > 1 << family.field)
        register("no_reach", unsigned(1), registers["end"] > MAX_REACH)
        finest = of_segment(row, [Const(int(e == 0), 1) for e in shifts])
        register("holds_zero", unsigned(1), finest & (base <= 0) & (beyond > 0))
        return registers

    def _border(self, segment: int, constant: bool) -> int:
        """``border`` of the segment's region with a formula, or of its ``constant`` one; 0 if it has none."""
        for n, region in enumerate(self.family.regions[:-1]):
            if region.segment == segment and region.constant == constant and (n or not constant):
                return region.border
        return 0

    def _problem(
        self, m: Module, row: Signal, itself: Signal, verdict: Signal, place: dict[str, Signal]
    ) -> Signal:
        """The number in REFUSALS of the problem in this step, 0 for none."""
        holds_zero = Signal()  # an earlier segment holds the value 0
        with m.If(self.check):
            m.d.sync += holds_zero.eq(0)
        with m.Elif(verdict & itself & place["holds_zero"]):
            m.d.sync += holds_zero.eq(1)
        problem = Signal(range(len(REFUSALS)), name="found")
        with m.If(~itself):
            m.d.comb += problem.eq(Mux(place["overlaps"], _NUMBER["OVERLAP"], 0))
        with m.Elif(place["no_codes"]):
            m.d.comb += problem.eq(_NUMBER["NO_CODES"])
        with m.Elif(place["no_field"]):
            m.d.comb += problem.eq(_NUMBER["FIELD"])
        with m.Elif(place["no_reach"]):
            m.d.comb += problem.eq(_NUMBER["REACH"])
        with m.Elif((row == len(self.family.shifts) - 1) & ~(holds_zero | place["holds_zero"])):
            if self.family.kind == "offset":
                m.d.comb += problem.eq(_NUMBER["ZERO_POINT"])
        return problem

    def _scale_problem(self, m: Module) -> Value:
        M, k, bits = self.parameters.scale_m, self.parameters.scale_k, self._scale.bits
        least = bits - MAX_LOG2_STEP
        low = (k < least - 1) | ((k == least - 1) & M[:-1].any())
        small = low | (k >= bits + MAX_LOG2_STEP)
        return Mux(M[-1], Mux(small, _NUMBER["SCALE_K"], 0), _NUMBER["SCALE_M"])

    def _store(self, m: Module, storing: Signal, place: dict[str, Signal]) -> None:
        regions, last = self.family.regions, len(self.family.regions) - 1
        for n, region in enumerate(regions):
            with m.If(storing[region.segment]):
                if n:
                    kind = "saturated" if n == last else "constant" if region.constant else "formula"
                    m.d.sync += self.regions[f"first{n}"].eq(place[f"{kind}_from"])
                if region.constant:
                    m.d.sync += self.regions[f"constant{n}"].eq(place["last_code" if n == last else "first"])
                else:
                    m.d.sync += self.regions[f"high{n}"].eq(place["high"])
                if region.low is None:
                    m.d.sync += self.regions[f"low{n}"].eq(place["low"])
