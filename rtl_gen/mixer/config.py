# amaranth: UnusedElaboratable=no
"""Configuration of the layers of an integer Mamba-1 around one product engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.reference.convolution import word_bits as convolution_bits
from qse_hw.golden.reference.hadamard import factorize, growth
from qse_hw.golden.reference.linear import MAX_SIZE
from qse_hw.golden.reference.product_schedule import (
    LOCAL_BITS,
    OPERANDS,
    RESULTS,
    SOURCES,
    WIDE_BITS,
    Group,
    Operand,
    Shape,
    head_schedule,
    jobs,
    layer_schedule,
)
from qse_hw.golden.reference.scan import channel_bits
from qse_hw.golden.reference.time_step import word_bits as time_step_bits
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.activation import ActivationConfig
from qse_hw.rtl_gen.units.convolution import ConvolutionConfig
from qse_hw.rtl_gen.units.decoder import value_width
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.gate import GateConfig
from qse_hw.rtl_gen.units.hadamard import HadamardConfig
from qse_hw.rtl_gen.units.matvec import MatvecConfig
from qse_hw.rtl_gen.units.option_kinds import Integer, Switch
from qse_hw.rtl_gen.units.options import Option, check, option
from qse_hw.rtl_gen.units.residual import ResidualConfig
from qse_hw.rtl_gen.units.rmsnorm import RmsnormConfig
from qse_hw.rtl_gen.units.scan import ScanConfig
from qse_hw.rtl_gen.units.shared import FORMAT, SEQUENCES, TARGET, first_meaning
from qse_hw.rtl_gen.units.time_step import TimeStepConfig

M_BITS, K_BITS, SHIFT_BITS = 16, 9, 6
SCALARS_BITS = 3 * (M_BITS + K_BITS) + SHIFT_BITS
MAX_A_BITS = 18
TAG_BITS = (len(RESULTS) - 1).bit_length()
ROWS = Option(kind=Integer(1, 256), help="rows of the product engine", metavar="N", default=4, measure="rows")
COLUMNS = Option(kind=Integer(1, 256), help="inputs of a row per cycle", metavar="N", default=4, measure="values")
SCAN_LANES = Option(kind=Integer(1, 256), help="states of the scan per cycle", metavar="N", default=1, measure="states")
HADAMARD_LANES = Option(
    kind=Integer(1, 256), help="values of the Hadamard transform per cycle", metavar="N", default=1, measure="values"
)
NORM_LANES = Option(
    kind=Integer(1, 256), help="values of the norm per cycle", metavar="N", default=1, measure="values"
)
_PARTS = {
    "engine_config": "Engine", "residual_config": "Residual stream", "norm_config": "Norm",
    "convolution_config": "Convolution", "activation_config": "Activation", "time_step_config": "Time steps",
    "scan_config": "Scan", "gate_config": "Gate", "hadamard_config": "Hadamard transform", "y_encoder": "Encoder of y",
}  # fmt: skip
"""The units that a mixer is made of: the properties, and their names in messages."""
TAPS = Option(kind=Switch(), help="outputs for the values of every tensor, for simulation", default=False)


@dataclass(frozen=True, kw_only=True)
class MixerConfig:
    """See :class:`qse_hw.rtl_gen.mixer.mixer.Mixer`."""

    d_model: int = option(kind=Integer(1, MAX_SIZE), help="width of the residual stream", metavar="N", measure="values")
    d_inner: int = option(kind=Integer(2, MAX_SIZE), help="channels of a layer", metavar="N", measure="channels")
    d_state: int = option(kind=Integer(1, 256), help="states of a channel", metavar="N", default=16, measure="states")
    dt_rank: int = option(kind=Integer(1, MAX_SIZE), help="inputs of dt_proj", metavar="N", measure="values")
    d_conv: int = option(kind=Integer(2, 4), help="taps of the convolution", metavar="N", default=4, measure="taps")
    layers: int = option(kind=Integer(1, 256), help="number of layers", metavar="N", default=1)
    vocabulary: int = option(
        kind=Integer(0, 1 << 20, zero="no head"), help="rows of the head; 0: the residual stream comes out",
        metavar="N", default=0,
    )  # fmt: skip
    norm_format: SegmentedFormat = option(FORMAT, help="of RMSNorm's outputs")
    x_format: SegmentedFormat = option(FORMAT, help="of x")
    dt_low_format: SegmentedFormat = option(FORMAT, help="of dt_proj's inputs")
    y_format: SegmentedFormat = option(FORMAT, help="of out_proj's inputs")
    eps: int = option(
        kind=Integer(1, (1 << 60) - 1), metavar="E",
        help="of RMSNorm: eps in squares of the residual stream's step, times its width",
    )  # fmt: skip
    state_bits: int = option(kind=Integer(16, 24), help="bits of a state", metavar="B", default=16, measure="bits")
    a_bits: int = option(kind=Integer(2, MAX_A_BITS), help="bits of A", metavar="B", default=16, measure="bits")
    d_bits: int = option(kind=Integer(2, 35), help="bits of D", metavar="B", default=32, measure="bits")
    decay_shift: int = option(
        kind=Integer(0, 15), help="places by which delta A is shifted right to have 16 fraction bits", metavar="N",
        default=5, measure="places",
    )  # fmt: skip
    rows: int = option(ROWS)
    columns: int = option(COLUMNS)
    scan_lanes: int = option(SCAN_LANES)
    norm_lanes: int = option(NORM_LANES)
    hadamard_lanes: int = option(HADAMARD_LANES)
    sequences: int = option(SEQUENCES)
    target: str = option(TARGET)
    taps: bool = option(TAPS)

    def __post_init__(self) -> None:
        check(self)
        self._check_sizes()
        for name, what in _PARTS.items():
            try:
                getattr(self, name)
            except InputError as error:  # whose sentence is about the part's options
                raise InputError(f"{what}: {error}") from error

    def _check_sizes(self) -> None:
        """What users can choose wrongly, with the names of their options."""
        order, chunk = factorize(self.d_inner)
        columns = self.columns, f"the {self.columns} columns of the engine"
        for name, lanes, (number, what) in (
            ("Norm", self.norm_lanes, columns),
            ("Norm", self.norm_lanes, (self.d_model, f"the {self.d_model} values of a token")),
            ("Hadamard", self.hadamard_lanes, columns),
            ("Hadamard", self.hadamard_lanes, (chunk, f"{chunk} (d_inner {self.d_inner} is {order} * {chunk})")),
            ("Scan", self.scan_lanes, (self.d_state, f"the {self.d_state} states")),
        ):
            if number % lanes:
                raise InputError(f"{name} lanes must divide {what}, not be {lanes}")
        if self._channels > MAX_SIZE:
            raise InputError(f"Layers times d_inner must be at most {MAX_SIZE}, not {self.layers} times {self.d_inner}")

    @property
    def parts(self) -> tuple[UnitConfig, ...]:
        """The units that it is made of."""
        return tuple(getattr(self, name) for name in _PARTS)

    @property
    def shape(self) -> Shape:
        """Sizes of a layer and the engine."""
        return Shape(
            d_model=self.d_model, d_inner=self.d_inner, d_state=self.d_state, dt_rank=self.dt_rank, rows=self.rows,
            columns=self.columns, vocabulary=self.vocabulary,
        )  # fmt: skip

    @property
    def formats(self) -> dict[Operand, SegmentedFormat]:
        """Of the operands."""
        return dict(
            zip(OPERANDS, (self.norm_format, self.x_format, self.dt_low_format, self.y_format), strict=True)
        )

    def code_lanes(self, operand: Operand) -> int:
        """Codes of an operand per cycle."""
        return {"norm": self.norm_lanes, "y": self.hadamard_lanes}.get(operand, 1)

    @property
    def value_bits(self) -> int:
        """Of an operand's value in the engine."""
        return max(map(value_width, self.formats.values()))

    @property
    def engine_config(self) -> MatvecConfig:
        """The product engine."""
        return MatvecConfig(
            sizes=tuple(map(self.shape.inputs, OPERANDS)), rows=self.rows, columns=self.columns, width=self.value_bits,
            tag_bits=TAG_BITS, backlog=True, target=self.target,
        )  # fmt: skip

    @property
    def residual_config(self) -> ResidualConfig:
        """The residual stream."""
        return ResidualConfig(size=self.d_model, width=WIDE_BITS, target=self.target)

    @property
    def convolution_config(self) -> ConvolutionConfig:
        """The convolution of all layers."""
        return ConvolutionConfig(
            channels=self._channels, taps=self.d_conv, width=LOCAL_BITS, sequences=self.sequences, target=self.target
        )

    @property
    def activation_config(self) -> ActivationConfig:
        """SiLU and the encoder of x."""
        return ActivationConfig(format=self.x_format, target=self.target)

    @property
    def time_step_config(self) -> TimeStepConfig:
        """The time steps of all layers."""
        return TimeStepConfig(channels=self._channels, target=self.target)

    @property
    def scan_config(self) -> ScanConfig:
        """The scan of all layers."""
        return ScanConfig(
            channels=self._channels, layers=self.layers, states=self.d_state, lanes=self.scan_lanes,
            x_bits=value_width(self.x_format), d_bits=self.d_bits, a_bits=self.a_bits, state_bits=self.state_bits,
            decay_shift=self.decay_shift, sequences=self.sequences, target=self.target,
        )  # fmt: skip

    @property
    def gate_config(self) -> GateConfig:
        """The gate."""
        return GateConfig(target=self.target)

    @property
    def _channels(self) -> int:
        return self.layers * self.d_inner

    @cached_property
    def word_bits(self) -> dict[str, int]:
        """Bits of an address and a word of the parameters that every channel has, by unit."""
        groups = self._channels * self.scan_config.groups
        fields = {  # words, and bits of each
            "convolution": (self._channels, convolution_bits(self.d_conv)),
            "time_step": (self._channels, time_step_bits(LOCAL_BITS)),
            "scan": (self._channels, sum(channel_bits(self.scan_config.widths))),
            "decays": (groups, self.scan_lanes * self.a_bits),
        }
        return {name: max(1, (words - 1).bit_length()) + bits for name, (words, bits) in fields.items()}

    @property
    def layer_bits(self) -> int:
        """Bits of a layer's number; the last norm counts as a layer."""
        return max(1, (self.layers + (self.vocabulary > 0) - 1).bit_length())

    @property
    def parameter_bits(self) -> dict[str, int]:
        """Bits of the words of all units with parameters, in the order of their numbers."""
        return {"scalars": self.layer_bits + SCALARS_BITS, **self.word_bits}

    @property
    def product_cycles(self) -> int:
        """Cycles of the engine for a token's products: the beats of its weights."""
        return self.layers * self._cycles(layer_schedule(self.shape)) + self._cycles(head_schedule(self.shape))

    def _cycles(self, groups: Sequence[Group]) -> int:
        return sum(-(-job.rows // self.rows) * self.shape.beats(SOURCES[job.result]) for job in jobs(groups))

    @property
    def norm_config(self) -> RmsnormConfig:
        """The norm before every layer, and before the head."""
        return RmsnormConfig(
            format=self.norm_format, size=self.d_model, width=WIDE_BITS, eps=self.eps, lanes=self.norm_lanes,
            target=self.target,
        )  # fmt: skip

    @property
    def hadamard_config(self) -> HadamardConfig:
        """The transform before out_proj."""
        return HadamardConfig(
            size=self.d_inner, width=LOCAL_BITS, lanes=self.hadamard_lanes, target=self.target
        )

    @property
    def y_encoder(self) -> EncoderConfig:
        """The encoder behind the transform."""
        return EncoderConfig(
            format=self.y_format, input=input_type(f"s{LOCAL_BITS + growth(self.d_inner)}"), scale=None,
            scale_bits=M_BITS, lanes=self.hadamard_lanes, counter_width=0, target=self.target,
        )  # fmt: skip

    def meanings(self) -> Mapping[str, str]:
        from qse_hw.rtl_gen.mixer.mixer import FLAGS, tap_shapes

        units = ", ".join(f"{number} {name}" for number, name in enumerate(self.parameter_bits))
        wide = f"two's complement, {WIDE_BITS} bits"
        out = f"logits, {self.vocabulary} beats per token" if self.vocabulary else "the residual stream, d_model beats"
        return {
            "i__payload": f"low bits: a value of the residual stream, {wide}; {first_meaning(self.sequences)}; "
            f"beats per token: {self.d_model}",
            "o__payload": f"{out}, {wide}",
            "weights__payload": f"int8 weights: for each of {self.rows} rows, the first in the low bits, those of "
            f"{self.columns} inputs, the first in the low bits; in the order of the products",
            "weights__valid": "beat of weights is offered",
            "weights__ready": "beat of weights is accepted",
            "scales__payload": f"low bits: M of a row's multiplier in {M_BITS} bits; above: k in 6; in the order of "
            "the products",
            "scales__valid": "multiplier is offered",
            "scales__ready": "multiplier is accepted",
            "parameters__payload": f"low bits: unit in 3 bits ({units}); above: the unit's own word",
            "parameters__valid": "word of parameters is offered",
            "parameters__ready": "word of parameters is accepted: its unit is idle",
            "clear": "clears the flags",
            "saturated": f"sticky, a bit for each tensor with a value that saturated: {', '.join(FLAGS)}",
            **{f"tap_{name}__valid": f"{name}: values pass" for name in tap_shapes(self)},
            **{f"tap_{name}__payload": f"{name}: the values that pass" for name in tap_shapes(self)},
        }
