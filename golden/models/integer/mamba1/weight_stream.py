"""The weights and row multipliers of a Mamba-1 in the order in which the product engine takes them.

A beat has ``rows`` x ``columns`` weights, int8, the first row's first: byte ``row * columns + column``. A tile of
``rows`` rows takes as many beats as its inputs need; rows and inputs beyond the matrix' have weights of 0.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.mamba1.parameters import Mamba1Layer
from qse_hw.golden.models.integer.parameters import Parameters
from qse_hw.golden.models.integer.products import Product
from qse_hw.golden.reference.matvec import pack_tiles
from qse_hw.golden.reference.product_schedule import Group, Result, Shape, head_schedule, layer_schedule, slices

Integers = npt.NDArray[np.int64]


class WeightStream(NamedTuple):
    """What the engine takes for one token.

    Attributes:
        weights: int8 (beats, rows * columns).
        M, k: of every row, int64 (rows of all matrices,).
    """

    weights: npt.NDArray[np.int8]
    M: Integers
    k: Integers


def layer_products(layer: Mamba1Layer) -> dict[Result, Product]:
    """The matrices of a layer by their results."""
    return {
        "conv_input": layer.conv_input, "gate": layer.gate, "dt_low": layer.dt_low, "B": layer.B, "C": layer.C,
        "dt": layer.dt, "out": layer.out,
    }  # fmt: skip


def shape_of(layer: Mamba1Layer, *, rows: int, columns: int, vocabulary: int = 0) -> Shape:
    """The shape for a layer; InputError unless the engine has at least one row and one column."""
    if rows < 1 or columns < 1:
        raise InputError(f"Engine must have at least one row and one column, not {rows} x {columns}")
    (d, n), (m, _), r = layer.A.shape, layer.out.weights.shape, len(layer.dt_low.weights)
    return Shape(d_model=m, d_inner=d, d_state=n, dt_rank=r, rows=rows, columns=columns, vocabulary=vocabulary)


def weight_stream(parameters: Parameters, shape: Shape) -> WeightStream:
    """The stream of all layers, and of the head if the shape has one."""
    parts = [
        part for layer in parameters.layers
        for part in stream_parts(layer_schedule(shape), layer_products(_mamba1(layer)), shape)
    ]  # fmt: skip
    parts += stream_parts(head_schedule(shape), {"logits": parameters.head}, shape)
    weights, M, k = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return WeightStream(weights, M, k)


def stream_parts(groups: list[Group], products: dict[Result, Product], shape: Shape) -> Iterator[WeightStream]:
    """What the engine takes for each job of a schedule, in order."""
    for result, first, end in slices(groups):
        product = products[result]
        beats = pack_tiles(product.weights[first:end], rows=shape.rows, columns=shape.columns)
        yield WeightStream(
            beats.reshape(len(beats), -1),
            product.by.M[first:end],
            product.by.k[first:end],
        )


def _mamba1(layer: object) -> Mamba1Layer:
    assert isinstance(layer, Mamba1Layer)
    return layer
