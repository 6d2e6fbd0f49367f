"""The values that the tensors of a layer take: the hook of the simulation, and the calibrator's record."""

from collections.abc import Callable, Collection

import numpy as np
import numpy.typing as npt
from torch import Tensor

from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.errors import InputError

_STATE_EVERY = 16  # one state in 16 is kept for the histograms; peaks are of all states

See = Callable[[str, Tensor], Tensor]
"""``(name, tensor) -> tensor``: sees a tensor of a layer, and may replace it; names are those of its formats.

Shapes are (b, l, channels); "inflow" is delta x, and "state" (b, d, n) is seen at every time step.
"""


class Seen:
    """Records one layer's tensors; a hook of :mod:`qse_hw.golden.models.integer.simulation`.

    Args:
        layer: its number, for messages; None outside the layers.
        kept: names of the tensors whose values are kept; of the others only the peaks are.
    """

    def __init__(self, layer: int | None, kept: Collection[str]) -> None:
        self._names = kept
        self._where = "" if layer is None else f"Layer {layer}, "
        self._kept: dict[str, list[npt.NDArray[np.float32]]] = {}
        self.peaks: dict[str, npt.NDArray[np.float64]] = {}  # by channel
        self._steps = 0

    def __call__(self, name: str, value: Tensor) -> Tensor:
        channels = (0, 2) if name == "state" else (0, 1)
        peaks = value.abs().amax(channels).double().numpy()
        if not np.isfinite(peaks).all():
            raise InputError(f"{self._where}{name} must be finite, but has NaN or infinity; check the checkpoint")
        self.peaks[name] = np.maximum(self.peaks.get(name, 0.0), peaks)
        if name == "state":
            self._steps += 1
            if self._steps % _STATE_EVERY:
                return value
        if name in self._names:
            self._kept.setdefault(name, []).append(value.float().numpy().copy())
        return value

    def values(self, name: str) -> npt.NDArray[np.float32]:
        """The recorded values: (..., channels), or (b, d, n) for the state."""
        return np.concatenate(self._kept[name])

    def histogram(self, name: str, octaves: npt.NDArray[np.int64] | None = None) -> Histogram:
        """The histogram of the recorded values, each channel divided by ``2**octaves``."""
        values = self.values(name)
        try:
            return Histogram(values if octaves is None else np.ldexp(values, -octaves))
        except InputError as error:
            raise InputError(f"{self._where}{name}: {error}") from error
