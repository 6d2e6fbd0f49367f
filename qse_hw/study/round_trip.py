"""Sends tensors through PyTorch, the golden model and a generated unit's Verilog, and counts differences from golden.

Golden is :mod:`qse_hw.golden.quantize.array`; :mod:`qse_hw.golden.formats.scalar` checks it on a sample.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.formats import scalar
from qse_hw.golden.formats.codes import from_bits, to_bits
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.formats.tables import decode_table
from qse_hw.golden.quantize import array, operators
from qse_hw.golden.reference.vectors import (
    Vectors,
    decoder_vectors,
    encoder_vectors,
    expected,
    from_patterns,
    to_patterns,
)
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.sim.exhaust.bulk import Bulk

SEED = 20261124
SAMPLE = 2000  # values of a tensor that qse_hw.golden.formats.scalar checks

Array = npt.NDArray[Any]
Bits = npt.NDArray[np.uint32]
Progress = Callable[[str, float], None]


@dataclass(kw_only=True)
class Row:
    """Results of one kind by one implementation: values, how many differ from golden, the first in words (or "")."""

    what: str
    by: str
    values: int = 0
    differences: int = 0
    first: str = ""


class Finding(NamedTuple):
    """The rows, and how many of the format's codes occurred among golden's."""

    rows: list[Row]
    codes_reached: int


def best_scale(tensors: Mapping[str, Array], format: SegmentedFormat, bits: int) -> Scale:
    """The one scale with the least squared error on all tensors.

    Raises:
        InputError: if all values are zero.
    """
    values = np.concatenate([x.reshape(-1) for x in tensors.values()])
    return Fitter(Histogram(values), scale_bits=bits).scale_for(format).scale


def round_trip(unit: Emitted, tensors: Mapping[str, Array], scale: Scale, progress: Progress) -> Finding:
    """Send ``tensors`` through everything.

    Args:
        unit: an encoder, which gets its test vectors (every pattern of 16 bits; NaN, infinities and every decision of
            wider inputs) and the values; or a decoder, which gets every code and the values' codes.
        tensors: float32 or float16 by name, any shape; rounded to the encoder's input type, to nearest even.
        scale: an encoder's constant, or what to set its ports to; a decoder's values are multiples of its step.
        progress: called with the current step in words and the share that is done, 0 to 1.

    Raises:
        InputError: if Verilator or what it needs is missing.
        RuntimeError: if the Verilog does not compile, or loses beats.
    """
    with tempfile.TemporaryDirectory(prefix="qse_hw_compare_") as folder:
        progress(f"compiling {unit.config.top}.v", 0)
        dut = Bulk(unit.config, Path(folder), build=lambda config: unit)
        run = _Encoding(dut, scale) if isinstance(unit.config, EncoderConfig) else _Decoding(dut, scale)
        for number, (name, x) in enumerate(tensors.items()):
            progress(f"comparing {name}", number / len(tensors))
            run.add(name, x)
        return Finding([*run.rows.values()], len(run.reached))


class _Run:
    """A comparison with golden: rows by kind of result and implementation, and the codes that occurred."""

    def __init__(self, dut: Bulk, scale: Scale) -> None:
        self.dut, self.scale = dut, scale
        config: Any = dut.config
        self.format: SegmentedFormat = config.format
        self.verilog = f"{config.top}.v"
        self.rows: dict[tuple[str, str], Row] = {}
        self.reached: set[int] = set()

    def compare(self, what: str, by: str, answers: Array, golden: Array, where: Callable[[int], str]) -> None:
        """Count the differences from golden; ``where`` names an element in words."""
        row = self.rows.setdefault((what, by), Row(what=what, by=by))
        arrays = answers, golden
        patterns = [x.view(np.uint32) for x in arrays] if golden.dtype == np.float32 else arrays
        different = np.flatnonzero(patterns[0] != patterns[1])
        if different.size and not row.first:
            place = int(different[0])
            row.first = f"{where(place)}: {by} says {_text(answers[place])}, not {_text(golden[place])}"
        row.values += golden.size
        row.differences += different.size

    def decoded(self, what: str, codes: Array, values: Array, where: Callable[[int], str]) -> None:
        """Compare the values that PyTorch decodes on every device with golden's; ``codes`` are bit patterns."""
        assigned = decode_table(self.format)[1].take(codes)
        known = from_bits(np.where(assigned, codes, self.format.zero_code), self.format)
        for device in operators.devices():
            on_device = torch.from_numpy(_for_torch(known)).to(device)
            answers = operators.dequantize(on_device, self.format, self.scale).cpu().numpy()
            self.compare(what, f"PyTorch on {device}", np.where(assigned, answers, np.float32(np.nan)), values, where)

    def send(self, patterns: Bits) -> tuple[Array, dict[str, Array], Array]:
        """The Verilog's outputs for patterns, and its flags and count per beat; the last beat is padded."""
        lanes = self.dut.config.lanes
        whole = np.concatenate([patterns, np.zeros(-len(patterns) % lanes, np.uint32)])
        ports = isinstance(self.dut.config, EncoderConfig) and self.dut.config.scale is None
        answer = self.dut(whole, self.scale if ports else None)
        return answer.outputs[: len(patterns)], dict(answer.flags), answer.saturation_count

    def flag(self, name: str, answers: Array, events: Array, tensor: str) -> None:
        """Compare a flag, or a count, of every beat with golden's ``events``, which are per value."""
        lanes = self.dut.config.lanes
        padded = np.concatenate([events, np.zeros(-len(events) % lanes, events.dtype)]).reshape(-1, lanes)
        most = 1 if answers.dtype == np.bool_ else (1 << getattr(self.dut.config, "counter_width", 0)) - 1
        golden = np.minimum(padded.sum(axis=1), most).astype(answers.dtype)
        self.compare(f"{name}, per beat", self.verilog, answers, golden, lambda n: f"beat {n} of {tensor}, {name}")


class _Encoding(_Run):
    def __init__(self, dut: Bulk, scale: Scale) -> None:
        super().__init__(dut, scale)
        assert isinstance(dut.config, EncoderConfig)
        self.config = dut.config
        self._send("vectors", encoder_vectors(self.format, self.config.input, scale).input_bits)

    def add(self, name: str, x: Array) -> None:
        self._send(name, to_patterns(x, self.config.input))

    def _send(self, name: str, inputs: Bits) -> None:
        config, bits = self.config, inputs.reshape(-1)
        golden = expected(bits, self.format, config.input, self.scale)
        self.reached.update(np.unique(golden.codes).tolist())

        def where(what: str) -> Callable[[int], str]:
            return lambda n: f"{_element(name, inputs, n)}, input {bits[n]:#x}, {what}"

        self._compare_scalar(bits, golden, where("code"))
        for device in operators.devices():
            x = as_tensor(bits, config.input).to(device)
            codes = operators.quantize(x, self.format, self.scale, exponent=config.input.exponent)
            by = f"PyTorch on {device}"
            answers = to_bits(codes.cpu().numpy(), self.format)
            self.compare("codes", by, answers.astype(np.uint16), golden.codes, where("code"))
        outputs, flags, count = self.send(bits)
        self.compare("codes", self.verilog, outputs.astype(np.uint16), golden.codes, where("code"))
        values = array.dequantize(from_bits(golden.codes, self.format), self.format, self.scale)
        self.decoded("values of the Verilog's codes", outputs, values, where("value"))
        for flag, events in (("saturated", golden.saturated), ("nan", golden.nan)):
            self.flag(flag, flags[flag], events, name)
        if config.counter_width:
            self.flag("saturation_count", count, golden.saturated, name)

    def _compare_scalar(self, bits: Bits, golden: Vectors, where: Callable[[int], str]) -> None:
        places = np.random.default_rng(SEED).permutation(len(bits))[:SAMPLE]
        type, format, scale = self.config.input, self.format, self.scale
        answers = np.array([scalar.quantize(int(pattern), type, format, scale).code for pattern in bits[places]])
        by, wanted = "qse_hw.golden.formats.scalar, a sample", golden.codes[places]
        self.compare("codes", by, answers.astype(np.uint16), wanted, lambda n: where(int(places[n])))


class _Decoding(_Run):
    def __init__(self, dut: Bulk, scale: Scale) -> None:
        super().__init__(dut, scale)
        codes, integers, invalid = decoder_vectors(self.format)
        outputs, flags, _ = self.send(codes.astype(np.uint32))
        self.compare(
            "integers of all codes", self.verilog, outputs, dut.as_outputs(integers), lambda n: f"code {n:#x}, integer"
        )
        self.flag("invalid", flags["invalid"], invalid, "all codes")
        known = codes[~invalid]
        plain = np.array([scalar.dequantize(int(code), self.format) for code in known], np.int32)
        self.compare(
            "integers of all codes", "qse_hw.golden.formats.scalar", plain, integers[~invalid],
            lambda n: f"code {known[n]:#x}, integer",
        )  # fmt: skip
        values = array.dequantize(from_bits(known, self.format), self.format, scale)
        self.decoded("values of all codes", known, values, lambda n: f"code {known[n]:#x}, value")

    def add(self, name: str, x: Array) -> None:
        codes = array.quantize(x, self.format, self.scale).reshape(-1)
        patterns = to_bits(codes, self.format).astype(np.uint32)
        self.reached.update(np.unique(patterns).tolist())

        def where(what: str) -> Callable[[int], str]:
            return lambda n: f"{_element(name, x, n)}, code {patterns[n]:#x}, {what}"

        integers = array.dequantize_integers(codes, self.format)
        values = array.dequantize(codes, self.format, self.scale)
        outputs, flags, _ = self.send(patterns)
        self.compare("integers", self.verilog, outputs, self.dut.as_outputs(integers), where("integer"))
        self.flag("invalid", flags["invalid"], np.zeros(len(codes), np.bool_), name)
        self.decoded("values", patterns, values, where("value"))


def as_tensor(bits: Bits, input: InputType) -> torch.Tensor:
    """The values of bit patterns in PyTorch's dtype for them; of fixed point the integers, in the narrowest one."""
    if input.name == "bf16":
        return torch.from_numpy(bits.astype(np.uint16).view(np.int16)).view(torch.bfloat16)
    values = from_patterns(bits, input)
    if not input.is_float:
        values = values.astype(f"i{1 if input.width <= 8 else 2 if input.width <= 16 else 4}")
    return torch.from_numpy(values)


def _for_torch(codes: Array) -> Array:
    """PyTorch has codes of more than 8 bits in int16."""
    return codes.astype(np.int16) if codes.dtype == np.uint16 else codes


def _element(name: str, x: Array, place: int) -> str:
    return f"{name}[{', '.join(map(str, np.unravel_index(place, x.shape)))}]"


def _text(value: Any) -> str:
    """A code or an integer's bit pattern in hexadecimal, else as it is."""
    return f"{int(value):#x}" if isinstance(value, np.unsignedinteger) else str(value)
