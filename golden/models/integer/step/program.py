"""The list of operations that takes a token through a model, and the memory that they read and change.

Each method adds an operation, that of the same name in :mod:`qse_hw.golden.models.integer.array_arithmetic`, and
returns its output: an int32 vector, whose address never changes.
"""

import ctypes
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.models.integer.array_arithmetic import factor
from qse_hw.golden.models.integer.formats import ChannelFormat, FixedPoint, Local, ScaledChannels, local_exponent
from qse_hw.golden.models.integer.functions import RECIPROCAL_ROOT, Unit
from qse_hw.golden.models.integer.products import Convolution, Norm
from qse_hw.golden.models.integer.products import Product as Matrix
from qse_hw.golden.models.integer.scalar_arithmetic import Saturated
from qse_hw.golden.models.integer.step import library, structs, tables
from qse_hw.golden.reference.hadamard import core, factorize, growth

Vector = npt.NDArray[np.int32]
Array = npt.NDArray[Any]

ROWS, COLUMNS = 4, 64
"""Weights are padded with zeros to multiples of these, as in operations.hpp."""


class Program:
    """Operations in order.

    Args:
        sequences: that have a state.

    Attributes:
        layer: whose values are counted from here on where they saturate; None: outside the layers.
    """

    def __init__(self, sequences: int) -> None:
        self.sequences = sequences
        self.layer: int | None = None
        self._calls: list[tuple[ctypes.c_void_p, ctypes.Structure]] = []
        self._kept: list[Any] = []
        self._counts: dict[tuple[int | None, str], npt.NDArray[np.int64]] = {}
        self._library = library.library()
        self._list: ctypes.Array[structs.Call] | None = None

    def run(self, token: int, sequence: int) -> None:
        """All operations, for the next token of a sequence; both must be in range."""
        if self._list is None:
            calls = [structs.Call(operation, ctypes.addressof(own)) for operation, own in self._calls]
            self._list = (structs.Call * len(calls))(*calls)
        self._library.qse_step(self._list, len(self._list), token, sequence)

    @property
    def saturated(self) -> Saturated:
        """How often each tensor's values saturated."""
        return Counter({place: int(count[0]) for place, count in self._counts.items()})

    def embed(self, rows: Matrix, to: FixedPoint) -> Vector:
        """The residual stream, from the token's row."""
        out = vector(rows.weights.shape[1])
        weights = self.keep(rows.weights.astype(np.int8))
        self.add(structs.Embed, n=len(out), weights=weights, factors=self.keep(factor(rows.by)),
                 to=self.type_of("residual", to), out=self.keep(out))  # fmt: skip
        return out

    def normalize(self, name: str, norm: Norm, inputs: Vector, to: Local, groups: int = 1) -> Vector:
        out = vector(len(inputs))
        self.add(
            structs.Normalize, groups=groups, n=len(inputs) // groups, input=self.keep(inputs), eps=norm.eps,
            M=norm.scale.M, k=norm.scale.k, roots=self.keep(tables.roots(RECIPROCAL_ROOT)), to=self.type_of(name, to),
            out=self.keep(out),
        )  # fmt: skip
        return out

    def product(
        self, name: str, product: Matrix, inputs: Vector, to: Local | ChannelFormat | ScaledChannels
    ) -> Vector:
        rows, columns = product.weights.shape
        out = vector(rows)
        padded = np.zeros((-(-rows // ROWS) * ROWS, -(-columns // COLUMNS) * COLUMNS), np.int8)
        padded[:rows, :columns] = product.weights
        self.add(
            structs.Product, rows=rows, columns=columns, input=self.keep(inputs), weights=self.keep(padded),
            factors=self.keep(factor(product.by)), to=self.type_of(name, to), out=self.keep(out),
        )  # fmt: skip
        return out

    def convolve(self, conv: Convolution, inputs: Vector, to: FixedPoint) -> tuple[Vector, Array]:
        """Also the window (sequences, width - 1, channels)."""
        channels, width = conv.taps.shape
        out, window = vector(channels), np.zeros((self.sequences, width - 1, channels), np.int32)
        self.add(
            structs.Convolve, channels=channels, width=width, input=self.keep(inputs), window=self.keep(window),
            taps=self.keep(conv.taps.T.astype(np.int32, order="C")), bias=self.keep(conv.bias.astype(np.int32)),
            factors=self.keep(factor(conv.by)), to=self.type_of("conv_sum", to), out=self.keep(out),
        )  # fmt: skip
        return out, window

    def look_up(self, unit: Unit, inputs: Vector) -> Vector:
        """A function's outputs."""
        out = vector(len(inputs))
        self.add(
            structs.LookUp, n=len(inputs), input=self.keep(inputs), table=self.keep(unit.table.astype(np.int32)),
            first=-unit.input.high - 1, out=self.keep(out),
        )  # fmt: skip
        return out

    def encode(self, name: str, inputs: Vector, scale: Scale, format: SegmentedFormat) -> Vector:
        return self._convert(name, inputs, scale.M * 2.0**-scale.k, 0, format)

    def convert(self, name: str, inputs: Vector, exponent: int, to: Local) -> Vector:
        k = local_exponent(to) - exponent
        if isinstance(to, FixedPoint):
            return self._convert(name, inputs, 2.0**-k, 0, to)
        return self._convert(name, inputs, 2.0 ** -(k + to.format.fraction_bits), 0, to.format)

    def add_bias(self, name: str, inputs: Vector, shift: Any, bias: Any, to: FixedPoint) -> Vector:
        """Shifted left, one number of places for all or one for each, to the unit of ``bias``."""
        return self._convert(name, inputs, np.ldexp(1.0, shift), bias, to)

    def gate(self, inputs: Vector, by: Vector, shift: int, to: FixedPoint) -> Vector:
        """The products of two vectors, shifted right."""
        out = vector(len(inputs))
        self.add(
            structs.Gate, n=len(inputs), input=self.keep(inputs), gate=self.keep(by), factor=2.0**-shift,
            to=self.type_of("gated", to), out=self.keep(out),
        )  # fmt: skip
        return out

    def hadamard(self, inputs: Vector, bits: int) -> Vector:
        """The transform of inputs of so many bits, not normalized."""
        if bits + growth(len(inputs)) > 32:
            raise InputError(f"Hadamard transform must fit into 32 bits, but needs {bits + growth(len(inputs))}")
        chunks, chunk = factorize(len(inputs))
        out = vector(len(inputs))
        self.add(
            structs.Hadamard, chunks=chunks, chunk=chunk, across=self.keep(core(chunks).astype(np.int32)),
            input=self.keep(inputs), out=self.keep(out),
        )  # fmt: skip
        return out

    def add_to(self, stream: Vector, inputs: Vector, to: FixedPoint) -> None:
        """Adds to the residual stream."""
        self.add(structs.Add, n=len(stream), input=self.keep(inputs), to=self.type_of("residual", to),
                 stream=self.keep(stream))  # fmt: skip

    def type_of(self, name: str, to: Local | ChannelFormat | ScaledChannels | SegmentedFormat, scale: float = 1) -> Any:
        """How values become those of a tensor's type, and where its saturated values are counted.

        Args:
            name: the tensor's.
            to: fixed point, or a segmented format, whose values are given in units of the step s,
            scale: or of so many s.
        """
        counted = self._counts.setdefault((self.layer, name), np.zeros(1, np.int64))
        if isinstance(to, FixedPoint):
            return structs.Type(scale, -to.high - 1, to.high, None, 0, self.keep(counted))
        format = to if isinstance(to, SegmentedFormat) else to.format
        low, high, values = tables.positions(format)
        scale *= 2.0 ** (format.fraction_bits + 1)
        return structs.Type(scale, low, high, self.keep(values), not format.signed, self.keep(counted))

    def keep(self, array: Array) -> int:
        """The address of an array's memory, which lives as long as the program.

        Raises:
            ValueError: if it is not contiguous.
        """
        if not array.flags.c_contiguous:
            raise ValueError("Memory must be contiguous")
        self._kept.append(array)
        return array.ctypes.data

    def add(self, kind: type[ctypes.Structure], **parameters: Any) -> None:
        """Append an operation."""
        self._calls.append((library.operation(kind), kind(**parameters)))

    def _convert(
        self, name: str, inputs: Vector, by: Any, bias: Any, to: FixedPoint | SegmentedFormat
    ) -> Vector:
        out = vector(len(inputs))
        factors, biases = (np.full(len(inputs), one, np.float64) for one in (by, bias))
        self.add(
            structs.Convert, n=len(inputs), input=self.keep(inputs), factors=self.keep(factors),
            bias=self.keep(biases), to=self.type_of(name, to), out=self.keep(out),
        )  # fmt: skip
        return out


def vector(n: int) -> Vector:
    """Zeros."""
    return np.zeros(n, np.int32)
