"""How a tensor's values, or a weight's, are rounded in a simulated recipe, by the name of the kind.

Of values: "absmax", INT8 whose 127 is the peak; "mxfp8"; or what
:func:`qse_hw.golden.calibration.spec.parse_candidate` takes, fitted to the values. Of weights: "tensor" and "row", INT8
with one step or one for every row; "mxfp8"; or a float8's name.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from qse_hw.golden.calibration.candidates import Sample
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.spec import parse_candidate
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import int8
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.integer.formats import GRANULARITIES
from qse_hw.golden.models.integer.products import quantize_rows

ABSMAX, MXFP8 = "absmax", "mxfp8"
BLOCK = 32  # values that share a scale: OCP Microscaling Formats (MX) Specification 1.0
_E4M3_MAX, _E4M3_EXPONENT = 448.0, 8  # the greatest value, and its exponent


class Rounding(Protocol):
    """Replaces every value by the one that stands for it."""

    def tensor(self, x: Tensor) -> Tensor:
        """(..., channels) -> (..., channels)."""


class BlockFloat8:
    """MXFP8 with e4m3 elements: blocks of 32 channels share a power of two, set at run time."""

    def tensor(self, x: Tensor) -> Tensor:
        """The last block is shorter where 32 does not divide the channels."""
        channels = x.shape[-1]
        blocks = F.pad(x, (0, -channels % BLOCK)).view(*x.shape[:-1], -1, BLOCK)
        peaks = blocks.abs().amax(-1, keepdim=True)
        exponents = torch.frexp(peaks)[1] - 1 - _E4M3_EXPONENT  # of zeros: any
        scale = torch.ldexp(torch.ones_like(peaks), exponents)
        # clamped, as PyTorch's cast makes NaN of what is too large
        codes = (blocks / scale).clamp(-_E4M3_MAX, _E4M3_MAX).to(torch.float8_e4m3fn)
        decoded: Tensor = (codes.float() * scale).flatten(-2)[..., :channels]
        return decoded


@dataclass(frozen=True, eq=False)
class Smoothed:
    """Rounds values divided by a scale for every channel, as SmoothQuant does (Xiao et al. 2023)."""

    rounding: Rounding
    scales: Tensor

    def tensor(self, x: Tensor) -> Tensor:
        return self.rounding.tensor(x / self.scales) * self.scales


class Values:
    """The values of a tensor in one layer, to which roundings are fitted.

    Args:
        x: float32 (tokens, channels).
        where: what messages call them.
    """

    def __init__(self, x: npt.NDArray[np.float32], where: str) -> None:
        self.x, self.where = x, where

    @cached_property
    def _sample(self) -> Sample:
        return Sample(self.x)

    def fit(self, kind: str) -> Rounding:
        """The rounding of that kind; InputError, which names the tensor, if there is none for its values."""
        if kind == MXFP8:
            return BlockFloat8()
        try:
            if kind == ABSMAX:
                return SegmentedQuantizer(format=int8(), scale=Scale.from_step(float(np.abs(self.x).max()) / 127))
            return self._sample.fit(parse_candidate(kind)).quantizer
        except InputError as error:
            raise InputError(f"{self.where}: {error}") from error


def round_weight(weight: Tensor, kind: str, where: str) -> Tensor:
    """The rounded weight, in its own shape; its first axis has the rows."""
    rows = weight.detach().flatten(1) if weight.dim() > 1 else weight.detach()[None]
    if kind in GRANULARITIES:
        codes, steps = quantize_rows(rows, kind, where)
        rounded: Any = torch.from_numpy(codes) * torch.tensor([float(step) for step in steps])[:, None]
    elif kind == MXFP8:
        rounded = BlockFloat8().tensor(rows)
    else:
        rounded = Values(rows.float().cpu().numpy(), where).fit(kind).tensor(rows)
    return cast(Tensor, rounded.view(weight.shape).to(weight))
