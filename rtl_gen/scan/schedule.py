"""When everything happens in the scan, in cycles since a group of states was issued."""

from dataclasses import dataclass

from qse_hw.golden.reference.scan import DELTA_BITS, Widths
from qse_hw.rtl_gen.lane.multiplier import multiplier_latency
from qse_hw.rtl_gen.linear.requantize import requantizer_latency
from qse_hw.rtl_gen.linear.rounding_shift import SHIFT_LATENCY
from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.queue import Queue
from qse_hw.rtl_gen.scan.parameters import WRITE_LATENCY
from qse_hw.rtl_gen.scan.state import StateLane


@dataclass(frozen=True)
class Schedule:
    """The steps; step 0 is the issue.

    Attributes:
        parameters: the channel's parameters and A are read.
        product: delta x is there.
        flow: the flow is there.
        forget: a decay is made 0 in a sequence's first token.
        inflow: flow and B meet.
        state: the old state is read.
        new: the new state is there; it is written, and C meets it.
        terms: the sum of the group's terms is there.
        direct: D and ``output_shift`` are read.
        total: the channel's total is there, if the group is its last.
        output: the output is there.
    """

    parameters: int
    product: int
    flow: int
    forget: int
    inflow: int
    state: int
    new: int
    terms: int
    direct: int
    total: int
    output: int

    @property
    def latency(self) -> int:
        """Until the output can leave."""
        return self.output + Queue.latency

    @property
    def least_groups(self) -> int:
        """Of a token: the fewest with which a state is written before the next token reads it."""
        return self.new - (self.state - BlockRam.latency) + 1


def accumulator_bits(widths: Widths) -> int:
    """Bits of delta x."""
    return DELTA_BITS + widths.x


def schedule(widths: Widths, lanes: int, lane: StateLane, target: str) -> Schedule:
    """The steps of a unit of ``lanes`` lanes."""
    parameters = WRITE_LATENCY + 1 + BlockRam.latency  # of a word that was accepted with the issue, too
    multiply = multiplier_latency(DELTA_BITS, target)
    product = max(1, parameters - multiply) + multiply
    terms = parameters + lane.term_step + (lanes - 1).bit_length()
    total = terms + 1
    steps = Schedule(
        parameters=parameters,
        product=product,
        flow=product + requantizer_latency(target, accumulator_bits(widths)),
        forget=parameters + lane.forget_step,
        inflow=parameters + lane.inflow_step,
        state=parameters + lane.decay_latency,
        new=parameters + lane.update_step,
        terms=terms,
        direct=terms - 1 - multiplier_latency(widths.D, target),
        total=total,
        output=total + SHIFT_LATENCY,
    )
    assert steps.flow < steps.inflow
    assert steps.flow <= steps.direct
    return steps
