"""Chooses the formats of a Mamba-2's layer from the values its tensors take."""

from typing import Any, cast

from qse_hw.golden.models.integer.choose import (
    channel_type,
    coded_channels,
    fixed_point,
    fixed_types,
    inflow_exponents,
    local_type,
    operand_type,
    state_type,
)
from qse_hw.golden.models.integer.mamba2.formats import Mamba2Formats, aligned
from qse_hw.golden.models.integer.observe import Seen
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.integer.products import LOG2_E
from qse_hw.golden.models.mamba.model import Block


def layer_formats(block: Block, seen: Seen, options: Options) -> Mamba2Formats:
    """The formats of a transformed layer; x has 8 bits with any options."""
    own = Mamba2Formats
    fixed: dict[str, Any] = fixed_types(seen, own.FIXED)
    operands: dict[str, Any] = {
        name: operand_type(seen.histogram(name), options.spec_of(name)) for name in own.OPERANDS
    }
    B, C = (channel_type(seen, name, options, common_unit=True) for name in ("B", "C"))
    B_exponent, C_exponent = (aligned(part, len(seen.peaks[name]), name)[0] for name, part in (("B", B), ("C", C)))
    state = state_type(seen, options, fixed["scan"], C_exponent)
    A = float(cast(Any, block.mixer).A_log.double().exp().max()) * LOG2_E
    return Mamba2Formats(
        **operands,
        **fixed,
        gate=local_type(seen, "gate", options),
        conv_input=channel_type(seen, "conv_input", options),
        dt=channel_type(seen, "dt", options, least=fixed["dt_sum"].exponent),
        x=coded_channels(seen, "x", options.spec_of("x")),
        B=B,
        C=C,
        A=fixed_point(A),
        state=state,
        inflow=inflow_exponents(seen, state, B_exponent),
    )
