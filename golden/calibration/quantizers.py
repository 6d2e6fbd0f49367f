"""Quantizers of tensors: a segmented format at a scale, a list of levels (float8, Lloyd-Max), or one per group."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.scale import Scale, as_scale
from qse_hw.golden.formats.segmented import SegmentedFormat, check_format
from qse_hw.golden.quantize import array

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float32]


class Quantizer(Protocol):
    """Replaces every value by the decoded value of its code, in arrays and tensors of any shape.

    NaN stays NaN, so that its effect on a model can be seen.
    """

    def array(self, x: npt.NDArray[np.floating[Any]]) -> Floats:
        """Decoded values, float32, of x's shape."""

    def tensor(self, x: "torch.Tensor") -> "torch.Tensor":
        """Decoded values, float32, of x's shape, on x's device; equal to :meth:`array` on every bit."""


@dataclass(frozen=True, kw_only=True)
class SegmentedQuantizer:
    """A segmented format at a scale, as in hardware; a step s given as the scale becomes the nearest scale."""

    format: SegmentedFormat
    scale: Scale

    def __post_init__(self) -> None:
        check_format(self.format)
        object.__setattr__(self, "scale", as_scale(self.scale))

    def array(self, x: npt.NDArray[np.floating[Any]]) -> Floats:
        array.check_array(x, "Values")
        # decoded values may exceed float16's range
        wide = x.astype(np.float32) if x.dtype.name in ("float16", "bfloat16") else x
        return array.fake_quantize(wide, self.format, self.scale).astype(np.float32, copy=False)

    def tensor(self, x: "torch.Tensor") -> "torch.Tensor":
        from qse_hw.golden.quantize import operators  # imported here: arrays need no torch

        operators.check_tensor(x, "Values")
        wide = x.float() if x.is_floating_point() and x.itemsize < 4 else x  # as above
        return operators.fake_quantize(wide.detach(), self.format, self.scale).float()


@dataclass(frozen=True, eq=False)
class CodebookQuantizer:
    """Levels, float32, ascending, and the ``len(levels) - 1`` thresholds between them; x >= a threshold rounds up."""

    levels: Floats
    thresholds: Floats

    @classmethod
    def nearest(
        cls, levels: npt.NDArray[np.floating[Any]], *, ties_down: npt.NDArray[np.bool_] | None = None
    ) -> "CodebookQuantizer":
        """Rounding to the nearest of ``levels`` (ascending, distinct); ties go up, except where ``ties_down``."""
        levels = levels.astype(np.float32)
        wide = levels.astype(np.float64)
        below, above = wide[:-1], wide[1:]
        sums = below + above
        rounded = sums - below
        lost = (below - (sums - rounded)) + (above - rounded)  # the sum's rounding error, exact (Knuth's two-sum)
        middles = sums / 2
        thresholds = middles.astype(np.float32)
        up = np.nextafter(thresholds, np.float32(np.inf))
        low = thresholds < middles  # rounded down: the next float32 is the least one above the middle
        low |= (thresholds == middles) & (lost > 0)
        if ties_down is not None:
            low |= ties_down & (thresholds == middles) & (lost == 0)
        return cls(levels, np.where(low, up, thresholds))

    def array(self, x: npt.NDArray[np.floating[Any]]) -> Floats:
        with np.errstate(over="ignore"):
            values = x.astype(np.float32)
        decoded = self.levels[np.searchsorted(self.thresholds, values.reshape(-1), side="right")].reshape(x.shape)
        return np.where(np.isnan(values), np.float32(np.nan), decoded)

    def tensor(self, x: "torch.Tensor") -> "torch.Tensor":
        import torch

        values = x.detach().float().contiguous()
        levels, thresholds = (torch.from_numpy(part).to(x.device) for part in (self.levels, self.thresholds))
        decoded = levels[torch.bucketize(values, thresholds, right=True)]
        return torch.where(values.isnan(), math.nan, decoded)


@dataclass(frozen=True, eq=False)
class GroupedQuantizer:
    """One quantizer per group of channels (the last axis), as Quamba2 gives each group of channels a scale of its own.

    ``groups[c]`` is the group of channel c.
    """

    quantizers: tuple[Quantizer, ...]
    groups: npt.NDArray[np.int64]

    def array(self, x: npt.NDArray[np.floating[Any]]) -> Floats:
        decoded = np.empty(x.shape, np.float32)
        for number, quantizer in enumerate(self.quantizers):
            decoded[..., self.groups == number] = quantizer.array(x[..., self.groups == number])
        return decoded

    def tensor(self, x: "torch.Tensor") -> "torch.Tensor":
        import torch

        decoded = torch.empty(x.shape, dtype=torch.float32, device=x.device)
        for number, quantizer in enumerate(self.quantizers):
            channels = torch.from_numpy(np.flatnonzero(self.groups == number)).to(x.device)
            decoded[..., channels] = quantizer.tensor(x[..., channels])
        return decoded


