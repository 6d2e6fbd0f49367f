"""Chooses the formats of a Mamba-1's layer from the values its tensors take."""

from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.models.integer.choose import Choice, channel_type, decay_rates, inflow_exponents, state_type
from qse_hw.golden.models.integer.formats import local_exponent
from qse_hw.golden.models.integer.mamba1.formats import Decays, Mamba1Formats
from qse_hw.golden.models.integer.observe import Seen
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.integer.summary import Coded, Summary
from qse_hw.golden.models.mamba.model import Block

STATE_HEADROOM = 5.0  # of the state and of its inflow; wide, since the peak of a channel of few states says little
_CODES = parse_format("tuned:headroom=1")


def summarize(block: Block, seen: Seen, options: Options) -> Summary:
    """What was seen of a transformed layer's tensors; and A, which is coded, too."""
    summary = Summary.of(seen, Mamba1Formats, options, STATE_HEADROOM)
    rates = decay_rates(cast(Any, block.mixer).A_log, seen.where)
    return replace(summary, coded={**summary.coded, "A": Coded(Histogram(_parts(rates).rest), _CODES, 1)})


def layer_formats(block: Block, summary: Summary, chosen: Choice, options: Options) -> Mamba1Formats:
    """The formats of a transformed layer."""
    own, fixed = Mamba1Formats, chosen.fixed
    types: dict[str, Any] = {name: chosen.coded[name] for name in own.OPERANDS}
    types |= {name: fixed[name] for name in own.FIXED} | {name: chosen.local(name) for name in ("gate", "B", "C")}
    state = state_type(
        summary, options, fixed["scan"], local_exponent(types["C"]), STATE_HEADROOM, chosen.coded.get("state")
    )
    return Mamba1Formats(
        **types,
        conv_input=channel_type(summary, "conv_input", chosen.local("conv_input")),
        dt=channel_type(summary, "dt", chosen.local("dt"), least=fixed["dt_sum"].exponent),
        A=_decays(decay_rates(cast(Any, block.mixer).A_log, summary.where), chosen.coded["A"]),
        state=state,
        inflow=inflow_exponents(summary, state, local_exponent(types["B"]), STATE_HEADROOM),
    )


class _Parts(NamedTuple):
    """Of A (d, n): every state's median over the channels and the octave it is in, and the rest in that octave."""

    medians: npt.NDArray[np.float64]
    octaves: npt.NDArray[np.int64]
    rest: npt.NDArray[np.float32]


def _parts(A: npt.NDArray[np.float64]) -> _Parts:
    medians = np.median(A, axis=0)
    octaves = np.frexp(medians)[1].astype(np.int64)
    rest = np.ldexp(A - medians, -octaves).astype(np.float32)
    if not rest.any():  # as in a model that is not trained: any codes do, at a step that suits the bases
        rest += 2.0**-12
    return _Parts(medians, octaves, rest)


def _decays(A: npt.NDArray[np.float64], quantizer: SegmentedQuantizer) -> Decays:
    """The base is the median over the channels; the quantizer is fitted to the rest."""
    medians, octaves, _ = _parts(A)
    exponent = int(octaves.min()) + local_exponent(quantizer)
    return Decays(
        format=quantizer.format,
        exponent=exponent,
        base=tuple(np.rint(np.ldexp(medians, -exponent)).astype(int).tolist()),
        shifts=tuple((octaves - octaves.min()).tolist()),
    )
