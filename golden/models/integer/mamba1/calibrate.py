"""Chooses the formats of a Mamba-1's layer from the values its tensors take."""

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.models.integer.choose import (
    channel_type,
    decay_rates,
    fixed_types,
    inflow_exponents,
    local_type,
    operand_type,
    power_of_two_type,
    state_type,
)
from qse_hw.golden.models.integer.formats import local_exponent
from qse_hw.golden.models.integer.mamba1.formats import Decays, Mamba1Formats
from qse_hw.golden.models.integer.observe import Seen
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.mamba.model import Block

STATE_HEADROOM = 5.0  # of the state and of its inflow; wide, since the peak of a channel of few states says little


def layer_formats(block: Block, seen: Seen, options: Options) -> Mamba1Formats:
    """The formats of a transformed layer."""
    own = Mamba1Formats
    fixed: dict[str, Any] = fixed_types(seen, own.FIXED)
    operands: dict[str, Any] = {
        name: operand_type(seen.histogram(name), options.spec_of(name)) for name in own.OPERANDS
    }
    locals_: dict[str, Any] = {name: local_type(seen, name, options) for name in ("gate", "B", "C")}
    state = state_type(seen, options, fixed["scan"], local_exponent(locals_["C"]), STATE_HEADROOM)
    return Mamba1Formats(
        **operands,
        **locals_,
        **fixed,
        conv_input=channel_type(seen, "conv_input", options),
        dt=channel_type(seen, "dt", options, least=fixed["dt_sum"].exponent),
        A=_decays(decay_rates(cast(Any, block.mixer).A_log, seen.where)),
        state=state,
        inflow=inflow_exponents(seen, state, local_exponent(locals_["B"]), STATE_HEADROOM),
    )


def _decays(A: npt.NDArray[np.float64]) -> Decays:
    """The base is the median over the channels; the rest is fitted relative to that median."""
    medians = np.median(A, axis=0)
    octaves = np.frexp(medians)[1].astype(np.int64)
    rest = np.ldexp(A - medians, -octaves).astype(np.float32)
    if not rest.any():  # as in a model that is not trained: any codes do, at a step that suits the bases
        rest += 2.0**-12
    quantizer = power_of_two_type(Histogram(rest), parse_format("tuned:headroom=1"))
    exponent = int(octaves.min()) + local_exponent(quantizer)
    return Decays(
        format=quantizer.format,
        exponent=exponent,
        base=tuple(np.rint(np.ldexp(medians, -exponent)).astype(int).tolist()),
        shifts=tuple((octaves - octaves.min()).tolist()),
    )
