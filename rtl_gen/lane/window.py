"""Which bits of the product an encoder lane keeps.

With ``P = significand * M`` (an integer), ``T = floor(|P| * 2**-shift)``; ``shift`` is constant for fixed-point inputs
with a constant scale, and otherwise depends on the exponent or the run-time k. Only ``bits`` bits of T decide the code:
a T of ``2**bits`` or more saturates. So the product is cut to a window before it is shifted.
"""

from dataclasses import dataclass

from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scale import MAX_LOG2_STEP, MAX_SCALE_BITS, Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.rtl_gen.lane.piecewise import guard_bits, regions

# the range of k over all scales: 2**(bits-1-k) <= 1/s < 2**(bits-k)
K_MIN, K_MAX = -MAX_LOG2_STEP - 1, MAX_LOG2_STEP + MAX_SCALE_BITS


@dataclass(frozen=True, kw_only=True)
class Window:
    """The bits of the product that a lane keeps, and the shift that they still need.

    Attributes:
        bits: T has ``bits`` bits; larger values saturate.
        product_bits: width of P (signed for fixed point, unsigned for floats).
        lowest: the smallest shift; of the product bits below it only matters whether one is set.
        width: width of the product shifted right by ``lowest``, at least 1.
        distance: ``(constant, from_k)``: the remaining right shift is
            ``constant + (k if from_k) - max(biased exponent, 1)`` (no exponent for fixed point); None: no shift.
    """

    bits: int
    product_bits: int
    lowest: int
    width: int
    distance: tuple[int, bool] | None

    @classmethod
    def of(
        cls,
        format: SegmentedFormat,
        input: InputType,
        scale: Scale | None,
        scale_bits: int,
        *,
        largest: int | None = None,
    ) -> "Window":
        """The window of an encoder of ``format`` for ``input`` with ``scale`` (None: set at run time).

        ``largest``: the largest threshold, without guard bits, if other formats may be set; default: the format's.
        """
        if largest is None:
            thresholds = [region.first for region in regions(format) if region.first is not None]
            largest = max(map(abs, thresholds)) >> guard_bits(format)
        bits = (largest + 1).bit_length()
        product_bits = input.significand_bits + scale_bits
        # At this shift even the smallest nonzero |P|, 2**(scale_bits - 1), has T >= 2**bits: a smaller shift is no use.
        floor = scale_bits - 1 - bits
        # shift = k - F - 1 - (exponent of the significand's last bit)
        base = -format.fraction_bits - 1 - input.min_exponent + (1 if input.is_float else 0)
        distance: tuple[int, bool] | None
        if scale is None:
            lowest = floor
            distance = (base - lowest, True)
        elif not input.is_float:
            lowest = max(scale.k + base, floor)
            distance = None
        else:
            # Normal numbers have |P| >= 2**(product_bits - 2): those shifted less than this saturate. Subnormals, which
            # may be smaller, are shifted by the largest shift, that of biased exponent 1.
            normal = product_bits - 1 - bits
            lowest = max(min(normal, scale.k + base - 1), floor)
            distance = (scale.k + base - lowest, False)
        return cls(
            bits=bits,
            product_bits=product_bits,
            lowest=lowest,
            width=max(1, product_bits - lowest),
            distance=distance,
        )
