"""The values that the tensors of a layer take, and how their errors count: the calibrator's record."""

from collections.abc import Callable, Collection

import numpy as np
import numpy.typing as npt
from torch import Tensor

from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.errors import InputError

Floats = npt.NDArray[np.float32]
_STATE_EVERY = 16  # one state in 16 is kept for the histograms; peaks are of all states

See = Callable[[str, Tensor], Tensor]
"""``(name, tensor) -> tensor``: sees a tensor of a layer, and may replace it; names are those of its formats.

Shapes are (b, l, channels); "inflow" is delta x, and "state" (b, d, n) is seen at every time step.
"""


class Seen:
    """Records one layer's tensors; a hook of :mod:`qse_hw.golden.models.integer.simulation`.

    A tensor that requires a gradient is kept with its gradient's square, by which its squared errors are weighted.
    After each backward pass, :meth:`keep_gradients` has to be called.

    Args:
        layer: its number, for messages; None outside the layers.
        kept: names of the tensors whose values are kept; of the others only the peaks are.
        plain: names of the tensors whose squared errors are not weighted.

    Attributes:
        where: the layer, as messages begin.
        peaks: the greatest magnitudes by tensor, (channels,).
    """

    def __init__(self, layer: int | None, kept: Collection[str], plain: Collection[str] = ()) -> None:
        self._names, self._plain = kept, plain
        self.where = "" if layer is None else f"Layer {layer}, "
        self._kept: dict[str, list[Floats]] = {}
        self._weights: dict[str, list[Floats]] = {}
        self._waiting: list[tuple[str, Tensor]] = []
        self.peaks: dict[str, npt.NDArray[np.float64]] = {}
        self._steps = 0

    def __call__(self, name: str, value: Tensor) -> Tensor:
        seen = value.detach()
        channels = (0, 2) if name == "state" else (0, 1)
        peaks = seen.abs().amax(channels).double().numpy()
        if not np.isfinite(peaks).all():
            raise InputError(f"{self.where}{name} must be finite, but has NaN or infinity; check the checkpoint")
        self.peaks[name] = np.maximum(self.peaks.get(name, 0.0), peaks)
        if name == "state":
            self._steps += 1
            if self._steps % _STATE_EVERY:
                return value
        if name in self._names:
            self._kept.setdefault(name, []).append(seen.float().numpy().copy())
            if value.requires_grad and name != "state" and name not in self._plain:
                value.retain_grad()
                self._waiting.append((name, value))
        return value

    def keep_gradients(self) -> None:
        """Keep the squared gradients of the tensors seen since the last call."""
        for name, value in self._waiting:
            gradient = value.grad
            assert gradient is not None  # a backward pass reached it
            if not bool(gradient.isfinite().all()):
                raise InputError(f"{self.where}{name} must have finite gradients; check the checkpoint")
            self._weights.setdefault(name, []).append(gradient.float().square().numpy())
        self._waiting.clear()

    def values(self, name: str) -> Floats:
        """The recorded values: (..., channels), or (b, d, n) for the state."""
        return np.concatenate(self._kept[name])

    def is_weighted(self, name: str) -> bool:
        """Whether the tensor's squared gradients were recorded, and are not all zero."""
        return any(part.any() for part in self._weights.get(name, ()))

    def histogram(self, name: str, units: npt.NDArray[np.float64] | None = None) -> Histogram:
        """The histogram of the recorded values, each channel divided by its unit, weighted by the squared gradients if
        it :meth:`is_weighted`.
        """
        values = self.values(name)
        weights = np.concatenate(self._weights[name]) if self.is_weighted(name) else None
        if units is not None:
            values = (values / units).astype(np.float32)
            weights = None if weights is None else (weights * np.square(units)).astype(np.float32)
        try:
            return Histogram(values, weights)
        except InputError as error:
            raise InputError(f"{self.where}{name}: {error}") from error
