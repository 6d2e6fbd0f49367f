"""Chooses the formats of a Mamba-2's layer from the values its tensors take."""

from typing import Any, cast

from qse_hw.golden.models.integer.choose import (
    Choice,
    decay_rates,
    fixed_point,
    inflow_exponents,
    scaled_type,
    state_type,
)
from qse_hw.golden.models.integer.formats import local_exponent
from qse_hw.golden.models.integer.mamba2.formats import Mamba2Formats
from qse_hw.golden.models.integer.observe import Seen
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.integer.summary import Summary
from qse_hw.golden.models.mamba.model import Block

STATE_HEADROOM = 2.0  # of the state and of its inflow; a channel has many states, whose peak says more than Mamba-1's


def summarize(block: Block, seen: Seen, options: Options) -> Summary:
    """What was seen of a transformed layer's tensors."""
    return Summary.of(seen, Mamba2Formats, options, STATE_HEADROOM)


def layer_formats(block: Block, summary: Summary, chosen: Choice, options: Options) -> Mamba2Formats:
    """The formats of a transformed layer."""
    own, fixed = Mamba2Formats, chosen.fixed
    types: dict[str, Any] = {name: chosen.coded[name] for name in own.OPERANDS}
    types |= {name: fixed[name] for name in own.FIXED}
    types |= {name: chosen.local(name) for name in ("gate", "dt", "B", "C")}
    state = state_type(
        summary, options, fixed["scan"], local_exponent(types["C"]), STATE_HEADROOM, chosen.coded.get("state")
    )
    A = float(decay_rates(cast(Any, block.mixer).A_log, summary.where).max())
    return Mamba2Formats(
        **types,
        conv_input=scaled_type(summary, "conv_input", chosen.local("conv_input")),
        A=fixed_point(A),
        state=state,
        inflow=inflow_exponents(summary, state, local_exponent(types["B"]), STATE_HEADROOM),
    )
