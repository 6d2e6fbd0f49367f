"""One lane of the encoder: from an input's bits to its code."""

from typing import NamedTuple

from amaranth.hdl import Cat, Const, Module, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.lane.align import align
from qse_hw.rtl_gen.lane.compare import RegionSelect, compare
from qse_hw.rtl_gen.lane.geometry import Geometry
from qse_hw.rtl_gen.lane.product import BEFORE_PRODUCT, multiply, product_latency
from qse_hw.rtl_gen.lane.regions import LaneRegion, lane_regions
from qse_hw.rtl_gen.lane.window import K_MAX, K_MIN
from qse_hw.rtl_gen.logic.reset import omit_reset
from qse_hw.rtl_gen.logic.select import pick, table
from qse_hw.rtl_gen.logic.stages import Stages

K_SHAPE = signed(9)  # holds every k
assert -(1 << 8) <= K_MIN <= K_MAX < 1 << 8


class _Terms(NamedTuple):
    """The terms of the sum that is the code, and what passes beside the adder."""

    part: Value
    addend: Value
    carry: Value
    region: Value
    minus: Value
    saturated: Value
    nan: Value


class Lane(wiring.Component):
    """Quantizes one value per cycle; all registers belong to the ``sync`` domain (wrap it in an enable to stall).

    Steps: product (:mod:`qse_hw.rtl_gen.lane.product`), alignment (:mod:`qse_hw.rtl_gen.lane.align`), comparison
    (:mod:`qse_hw.rtl_gen.lane.compare`), choice of one slice, one constant and one carry, and their sum, which is the
    code. The product and the sum are always registered, of the other steps those in :attr:`Geometry.registered_steps`.

    Latency: :func:`lane_latency` cycles. Throughput: one value per cycle.

    Parameters:
        geometry: what to build.

    Members:
        x: the input's bits.
        enable: the same signal as that of the ``EnableInserter`` around the lane, if there is one.
        scale_m, scale_k (run-time scale only): M and k.
        constants (run-time format only): the regions' constants, as
            :attr:`qse_hw.rtl_gen.lane.format_family.FormatFamily.layout` says; they must not change while values
            are in the lane.
        code: the code.
        saturated, nan: the value saturates, is NaN.
        segment (run-time format only): the number of the segment that the code belongs to.
    """

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        ports = {"x": In(geometry.input.width), "enable": In(1, init=1)}
        outputs = {"code": Out(geometry.format.bits), "saturated": Out(1), "nan": Out(1)}
        if geometry.scale is None:
            ports |= {"scale_m": In(geometry.scale_bits), "scale_k": In(K_SHAPE)}
        if geometry.runtime_format:
            ports["constants"] = In(geometry.family.layout)
            outputs["segment"] = Out(range(len(geometry.family.shifts)))
        super().__init__(ports | outputs)
        omit_reset(self, *outputs)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        geometry = self._geometry
        stages = Stages(m, geometry.registered_steps)
        regions = lane_regions(geometry, self.constants if geometry.runtime_format else None)
        if geometry.scale is None:
            scale_m, scale_k = self.scale_m, self.scale_k
        else:  # a constant k is in the window
            scale_m, scale_k = Const(geometry.scale.M, geometry.scale_bits), Const(0, K_SHAPE)
        product = multiply(m, stages, geometry, self.x, scale_m, scale_k, self.enable)
        place = align(stages, geometry, product)
        select = compare(stages, geometry, regions, place, geometry.least_nonzero)
        self._add(m, stages.step("choose", self._choose(regions, select)))
        return m

    def _choose(self, regions: list[LaneRegion], of: RegionSelect) -> _Terms:
        field = self._geometry.field
        return _Terms(
            part=pick(of.region, [region.slice(of.base, field) for region in regions]),
            addend=pick(of.region, [region.addend for region in regions]),
            carry=pick(of.region, of.carries),
            region=of.region,
            minus=of.minus,
            saturated=table(of.region, [int(region.saturated) for region in regions]),
            nan=of.nan,
        )

    def _add(self, m: Module, of: _Terms) -> None:
        # one adder for three terms: the carry enters through an extra low bit
        total = Cat(Const(1, 1), of.part) + Cat(of.carry, of.addend)
        code = total[1 : self._geometry.field + 1]
        m.d.sync += [
            self.code.eq(Cat(code, of.minus) if self._geometry.sign_magnitude else code),
            self.saturated.eq(of.saturated),
            self.nan.eq(of.nan),
        ]
        if self._geometry.runtime_format:
            m.d.sync += self.segment.eq(table(of.region, [r.segment for r in self._geometry.family.regions]))


def lane_latency(geometry: Geometry) -> int:
    """Cycles from a lane's ``x`` to its ``code``."""
    after = set(geometry.registered_steps) - set(BEFORE_PRODUCT)
    return product_latency(geometry) + len(after) + 1
