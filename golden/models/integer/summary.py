"""What a layer's tensors did, in little memory: all that their types are chosen by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.spec import FormatSpec
from qse_hw.golden.models.integer.formats import LOCAL_BITS, ChannelFormat, LayerFormats, ScaledChannels
from qse_hw.golden.models.integer.observe import Seen
from qse_hw.golden.models.integer.options import TUNED, Options

Floats = npt.NDArray[np.float64]
LEAST = 40  # peaks below 2**-40 are taken as 2**-40


class Coded(NamedTuple):
    """A tensor that has a segmented format.

    Attributes:
        histogram: of its values; of one that has a step for every channel, in units of the channels.
        spec: the format, or how it is tuned.
        scale_bits: of the scale's M; 1: the step is a power of two.
        weighted: whether squared errors are weighted by what they do beyond the tensor.
    """

    histogram: Histogram
    spec: FormatSpec
    scale_bits: int
    weighted: bool = False


@dataclass(frozen=True)
class Summary:
    """Of a layer.

    Attributes:
        where: the layer, as messages begin.
        peaks: the greatest magnitudes by tensor, (channels,).
        units: of the channels of a coded tensor that has a step for every channel.
        coded: the tensors that have a segmented format.
    """

    where: str
    peaks: Mapping[str, Floats]
    units: Mapping[str, Floats] = field(default_factory=dict)
    coded: Mapping[str, Coded] = field(default_factory=dict)

    @classmethod
    def of(cls, seen: Seen, kind: type[LayerFormats], options: Options, state_headroom: float) -> "Summary":
        """The summary of what was seen of a layer's tensors."""
        units: dict[str, Floats] = {}
        for name in coded_names(kind, options):
            if kind.BY_CHANNEL.get(name) is ScaledChannels:
                units[name] = _root_mean_squares(seen, name)
            elif kind.BY_CHANNEL.get(name) is ChannelFormat:
                units[name] = np.ldexp(1.0, np.rint(np.log2(_root_mean_squares(seen, name))).astype(np.int64))
            elif name == "state":
                units[name] = np.ldexp(1.0, exponents_of(state_headroom * seen.peaks[name], 2))
        any_scale = {name for name, own in kind.BY_CHANNEL.items() if own is ScaledChannels}.union(kind.OPERANDS)
        coded = {
            name: Coded(
                seen.histogram(name, units[name][:, None] if name == "state" else units.get(name)),
                TUNED if name == "state" else options.spec_of(name),
                16 if name in any_scale else 1,
                seen.is_weighted(name),
            )
            for name in coded_names(kind, options)
        }
        return cls(seen.where, seen.peaks, units, coded)

    @classmethod
    def of_norm_f(cls, seen: Seen, options: Options) -> "Summary":
        """The same for the last norm."""
        own = Coded(seen.histogram("norm_f"), options.spec_of("norm_f"), 16, seen.is_weighted("norm_f"))
        return cls(seen.where, seen.peaks, coded={"norm_f": own})


def coded_names(kind: type[LayerFormats], options: Options) -> tuple[str, ...]:
    """The tensors of a layer that have a segmented format."""
    locals_ = (name for name in kind.LOCALS if not options.is_wide(name))
    return (*kind.OPERANDS, *locals_, *(["state"] if options.state == "se8" else []))


def fixed_bits(kind: type[LayerFormats], options: Options) -> dict[str, int]:
    """Bits of the tensors of a layer that are fixed point, by name."""
    return {**dict.fromkeys(filter(options.is_wide, kind.LOCALS), LOCAL_BITS), **kind.FIXED}


def exponents_of(peaks: Floats, bits: int) -> npt.NDArray[np.int64]:
    """The least exponents with which ``bits`` bits reach the peaks; smaller peaks count as the largest over 2^16."""
    least = max(float(peaks.max()) * 2.0**-16, 2.0**-LEAST)
    exponents: npt.NDArray[np.int64] = np.frexp(np.maximum(peaks, least))[1].astype(np.int64) - (bits - 1)
    return exponents


def _root_mean_squares(seen: Seen, name: str) -> Floats:
    """Of every channel; of one that is nearly silent at least the largest over 2^16."""
    rms = np.sqrt(np.square(seen.values(name), dtype=np.float64).mean(axis=(0, 1)))
    least: Floats = np.maximum(rms, rms.max() * 2.0**-16 + 2.0**-LEAST)
    return least
