"""One lane of the encoder as the paper draws it: comparators, a quantizer per segment, a multiplexer.

The same function as :class:`qse_hw.rtl_gen.lane.lane.Lane`, with a multiplier per segment: it exists so that this cost
can be measured. Source: Quamba-SE (arXiv 2601.09451), the hardware description.
"""

from dataclasses import replace
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.lane.align import Position, align
from qse_hw.rtl_gen.lane.compare import compare
from qse_hw.rtl_gen.lane.geometry import Geometry
from qse_hw.rtl_gen.lane.product import multiply, product_latency
from qse_hw.rtl_gen.lane.regions import LaneRegion, lane_regions
from qse_hw.rtl_gen.lane.thresholds import least_input
from qse_hw.rtl_gen.logic.reset import omit_reset
from qse_hw.rtl_gen.logic.select import pick, table
from qse_hw.rtl_gen.logic.stages import Stages


class ParallelLane(wiring.Component):
    """Quantizes one value per cycle.

    Latency: :func:`parallel_latency` cycles. Throughput: one value per cycle.

    Parameters:
        geometry: what to build; its scale is a constant, its format too.

    Members:
        x, enable, code, saturated, nan: as those of :class:`qse_hw.rtl_gen.lane.lane.Lane`.
    """

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        outputs = {"code": Out(geometry.format.bits), "saturated": Out(1), "nan": Out(1)}
        super().__init__({"x": In(geometry.input.width), "enable": In(1, init=1)} | outputs)
        omit_reset(self, *outputs)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        geometry, regions = self._geometry, lane_regions(self._geometry)
        fields: list[Value] = []
        for number, region in enumerate(regions):
            if not region.formula:
                fields.append(region.addend)
                continue
            m.submodules[f"quantiser{number}"] = quantizer = _Quantizer(geometry, region)
            m.d.comb += [quantizer.x.eq(self.x), quantizer.enable.eq(self.enable)]
            fields.append(quantizer.field)
        stages = Stages(m, geometry.registered_steps)
        select = compare(stages, geometry, self._on_input(regions), self._place(stages), self._least_nonzero())
        wait = _quantizer_latency(geometry) - len({"compare", "place", "number"} & set(geometry.registered_steps))
        region = stages.delay(select.region, wait, "region")
        minus, nan = stages.delay(select.minus, wait, "minus"), stages.delay(select.nan, wait, "was_nan")
        field = pick(region, fields)
        m.d.sync += [
            self.code.eq(Cat(field, minus) if geometry.sign_magnitude else field),
            self.saturated.eq(table(region, [int(region.saturated) for region in regions])),
            self.nan.eq(nan),
        ]
        return m

    def _on_input(self, regions: list[LaneRegion]) -> list[LaneRegion]:
        """The regions, reduced to their thresholds, on the input instead of on D."""
        return [
            replace(region, first=None if region.first is None else self._least_of(region.first), formula=False)
            for region in regions
        ]

    def _least_of(self, first: int) -> int:
        geometry = self._geometry
        assert geometry.scale is not None
        return least_input(geometry.format, geometry.input, geometry.scale, first)

    def _least_nonzero(self) -> int | None:
        least = self._geometry.least_nonzero
        return None if least is None else self._least_of(least)

    def _place(self, stages: Stages) -> Position:
        """The input as ``base + carry``: what :func:`qse_hw.rtl_gen.lane.thresholds.least_input` calls its ordinal."""
        input, magnitude = self._geometry.input, self._geometry.sign_magnitude
        negative, rest = self.x[-1], self.x[:-1]
        no = Const(0, 1)
        if not input.is_float:
            # |x| = ~x + 1 if x is negative
            base = rest ^ negative.replicate(len(rest)) if magnitude else self.x.as_signed()
            return Position(base, negative if magnitude else no, negative, no)
        nan = stages.name(rest[input.fraction_bits :].all() & rest[: input.fraction_bits].any(), "is_nan")
        sign = stages.name(negative & ~nan, "sign")
        base = rest & (~nan).replicate(len(rest))  # NaN becomes the one zero code
        if not magnitude:
            base = Cat(base ^ sign.replicate(len(rest)), sign).as_signed()
        return Position(base, no, sign, nan)


class _Sum(NamedTuple):
    part: Value
    carry: Value


class _Quantizer(wiring.Component):
    """Rounds every value as if it lay in one region.

    Latency: :func:`_quantizer_latency` cycles. Throughput: one value per cycle.

    Parameters:
        geometry: of the lane.
        region: whose formula to compute.

    Members:
        x, enable: as those of :class:`qse_hw.rtl_gen.lane.lane.Lane`.
        field: the code, without the sign bit of sign-magnitude formats.
    """

    def __init__(self, geometry: Geometry, region: LaneRegion) -> None:
        self._geometry = geometry
        self._region = region
        super().__init__({"x": In(geometry.input.width), "enable": In(1), "field": Out(geometry.field)})
        omit_reset(self, "field")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        geometry, region = self._geometry, self._region
        stages = Stages(m, geometry.registered_steps)
        assert geometry.scale is not None
        M = Const(geometry.scale.M, geometry.scale_bits)
        product = multiply(m, stages, geometry, self.x, M, Const(0, 9), self.enable)
        place = align(stages, geometry, product)
        terms = stages.step(
            "choose", _Sum(region.slice(place.base, geometry.field), region.carry(place.base, place.carry))
        )
        total = Cat(Const(1, 1), terms.part) + Cat(terms.carry, region.addend)
        m.d.sync += self.field.eq(total[1:])
        return m


def _quantizer_latency(geometry: Geometry) -> int:
    return product_latency(geometry) + len({"shift", "align", "fold", "choose"} & set(geometry.registered_steps)) + 1


def parallel_latency(geometry: Geometry) -> int:
    """Cycles from a lane's ``x`` to its ``code``."""
    return _quantizer_latency(geometry) + 1
