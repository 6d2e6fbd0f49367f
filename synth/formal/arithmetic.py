"""The arithmetic of the mixer's units, part by part: linear, convolution, RMSNorm, scan, gate, residual, time step."""

from qse_hw.golden.reference.gate import BITS as GATED_BITS
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.linear.requantize import ACCUMULATOR_BITS
from qse_hw.rtl_gen.units.convolution import ConvolutionConfig
from qse_hw.rtl_gen.units.gate import GateConfig
from qse_hw.rtl_gen.units.linear import LinearConfig
from qse_hw.rtl_gen.units.residual import ResidualConfig
from qse_hw.rtl_gen.units.rmsnorm import RmsnormConfig
from qse_hw.rtl_gen.units.scan import ScanConfig
from qse_hw.rtl_gen.units.time_step import TimeStepConfig
from qse_hw.synth.formal import arithmetic_norm as norm
from qse_hw.synth.formal import arithmetic_scan as scan
from qse_hw.synth.formal import arithmetic_sums as sums
from qse_hw.synth.formal import part
from qse_hw.synth.formal.part import Part
from qse_hw.synth.formal.task import Fault, Task


def tasks(config: UnitConfig) -> list[Task]:
    """A proof for each part of the unit's arithmetic, and of the scan's time step as a whole."""
    proofs = [part.proof(config, one) for one in _parts(config) if not one.hidden]
    return [*proofs, scan.update(config)] if isinstance(config, ScanConfig) else proofs


def faults(config: UnitConfig) -> list[Fault]:
    """Faulty parts, each with the property that catches the fault."""
    made = [fault for one in _parts(config) if not one.hidden for fault in part.faults(config, one)]
    return made + scan.update_faults(config) if isinstance(config, ScanConfig) else made


def _parts(config: UnitConfig) -> list[Part]:
    match config:
        case LinearConfig():
            return [sums.requantizer(ACCUMULATOR_BITS, 8, "even", config.target)]
        case ConvolutionConfig():
            return [*sums.channel_sum(config), sums.requantizer(ACCUMULATOR_BITS, 16, "up", config.target)]
        case RmsnormConfig():
            return [norm.root(config), norm.token_scale(config)]
        case ScanConfig():
            return scan.parts(config)
        case GateConfig():
            return [sums.rounding_shift(config.output.width + GATED_BITS, GATED_BITS)]
        case ResidualConfig():
            return [sums.residual_sum(config, lane) for lane in range(config.lanes)]
        case TimeStepConfig():
            return [sums.saturating_sum(config.input.width)]
    return []
