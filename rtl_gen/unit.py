"""What to build: one object from the command line to the component."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from golden.errors import InputError
from golden.formats import SegmentedFormat
from golden.inputs import InputType
from golden.presets import format_to_json
from golden.scale import Scale

if TYPE_CHECKING:
    from rtl_gen.decoder import Decoder
    from rtl_gen.encoder import Encoder

UNITS = ("encoder", "decoder")


@dataclass(frozen=True, kw_only=True)
class UnitConfig:
    """A unit's numerics (format, input, scale) and implementation (lanes, counter).

    Args:
        unit: one of :data:`UNITS`.
        format: the code's format.
        input: the encoder's input type; None for a decoder.
        scale: a constant; None: the encoder gets it at run time. A decoder needs none, its outputs are integers.
        scale_bits: width of M if the scale is set at run time.
        lanes: values per beat.
        counter_width: width of the encoder's saturation counter, 0 for none.
    """

    unit: str
    format: SegmentedFormat
    input: InputType | None = None
    scale: Scale | None = None
    scale_bits: int = 16
    lanes: int = 1
    counter_width: int = 32

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise InputError(f"Unit must be one of {', '.join(UNITS)}, not {self.unit!r}")
        if self.unit == "encoder" and self.input is None:
            raise InputError("Input type must be given for an encoder, e.g. fp32, bf16 or s16, not None")

    @property
    def top(self) -> str:
        """Name of the Verilog module."""
        return f"qse_{self.unit}"

    @property
    def runtime_scale(self) -> bool:
        """Whether the unit has scale ports."""
        return self.unit == "encoder" and self.scale is None

    def component(self) -> "Encoder | Decoder":
        """The Amaranth component."""
        from rtl_gen.decoder import Decoder
        from rtl_gen.encoder import Encoder

        if self.unit == "decoder":
            return Decoder(format=self.format, lanes=self.lanes)
        assert self.input is not None
        return Encoder(
            format=self.format,
            input=self.input,
            scale=self.scale,
            scale_bits=self.scale_bits,
            lanes=self.lanes,
            counter_width=self.counter_width,
        )

    def parameters(self) -> dict[str, Any]:
        """As JSON."""
        document: dict[str, Any] = {"unit": self.unit, "format": format_to_json(self.format), "lanes": self.lanes}
        if self.unit == "encoder":
            assert self.input is not None
            document |= {
                "input": self.input.name,
                "scale": "runtime" if self.scale is None else asdict(self.scale),
                "scale_bits": self.scale.bits if self.scale else self.scale_bits,
                "counter_width": self.counter_width,
            }
        return document
