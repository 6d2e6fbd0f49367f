"""Chooses the formats of a Mamba-2's layer from the values its tensors take."""

from typing import Any, cast

from qse_hw.golden.models.integer.choose import (
    decay_rates,
    fixed_point,
    fixed_types,
    inflow_exponents,
    local_type,
    operand_type,
    scaled_type,
    state_type,
)
from qse_hw.golden.models.integer.formats import local_exponent
from qse_hw.golden.models.integer.mamba2.formats import Mamba2Formats
from qse_hw.golden.models.integer.observe import Seen
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.mamba.model import Block

STATE_HEADROOM = 2.0  # of the state and of its inflow; a channel has many states, whose peak says more than Mamba-1's


def layer_formats(block: Block, seen: Seen, options: Options) -> Mamba2Formats:
    """The formats of a transformed layer."""
    own = Mamba2Formats
    fixed: dict[str, Any] = fixed_types(seen, own.FIXED)
    operands: dict[str, Any] = {
        name: operand_type(seen.histogram(name), options.spec_of(name)) for name in own.OPERANDS
    }
    locals_: dict[str, Any] = {name: local_type(seen, name, options) for name in ("gate", "dt", "B", "C")}
    state = state_type(seen, options, fixed["scan"], local_exponent(locals_["C"]), STATE_HEADROOM)
    A = float(decay_rates(cast(Any, block.mixer).A_log, seen.where).max())
    return Mamba2Formats(
        **operands,
        **locals_,
        **fixed,
        conv_input=scaled_type(seen, "conv_input", options),
        A=fixed_point(A),
        state=state,
        inflow=inflow_exponents(seen, state, local_exponent(locals_["B"]), STATE_HEADROOM),
    )
