"""The arrays of an image from the integers of a model, and back."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.integer.formats import ModelFormats
from qse_hw.golden.models.integer.functions import Unit, input_of, silu_unit
from qse_hw.golden.models.integer.image.layout import SCALE, Sizes, job_beats
from qse_hw.golden.models.integer.mamba1.formats import Mamba1Formats
from qse_hw.golden.models.integer.mamba1.parameters import Mamba1Layer
from qse_hw.golden.models.integer.mamba1.weight_stream import layer_products, stream_parts
from qse_hw.golden.models.integer.parameters import Parameters
from qse_hw.golden.models.integer.products import Convolution, Multiplier, Norm, Product
from qse_hw.golden.models.integer.scan import Scan
from qse_hw.golden.reference.product_schedule import SOURCES, Result, slices

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
"""By the sections' names; of scales in the dtype :data:`SCALE`, of all others int64."""
Get = Callable[[str], Array]
Products = Mapping[Result, Product]


def layers_of(parameters: Parameters) -> list[Mamba1Layer]:
    """The layers; InputError unless they are those of a Mamba-1."""
    layers = [layer for layer in parameters.layers if isinstance(layer, Mamba1Layer)]
    if len(layers) != len(parameters.layers):
        raise InputError("Image must be of a Mamba-1, and not of a Mamba-2, for which there is no hardware")
    return layers


def layer_arrays(layer: Mamba1Layer, sizes: Sizes) -> Arrays:
    """What an image has of a layer."""
    weights, row_scales = packed(layer_products(layer), sizes, by_layer=True)
    return {
        "weights": weights,
        "row_scales": row_scales,
        "conv_taps": layer.conv.taps,
        "conv_bias": layer.conv.bias,
        "conv_scale": _scales(layer.conv.by),
        "dt_bias": layer.dt_bias,
        "dt_shift": layer.dt_shift,
        "A": layer.A,
        "inflow_scale": _scales(layer.scan.inflow),
        "inflow_shift": layer.scan.inflow_shift,
        "D": layer.scan.D,
        "scan_shift": layer.scan.output_shift,
        "x_scale": _scale(layer.x_scale),
        "y_scale": _scale(layer.y_scale),
        "decay_shift": np.array(layer.to_exponent),
        "gated_shift": np.array(layer.gated_shift),
        **_norm_arrays("norm", layer.norm),
    }


def model_arrays(parameters: Parameters, sizes: Sizes) -> Arrays:
    """What an image has beside the layers."""
    weights, row_scales = packed({"logits": parameters.head}, sizes, by_layer=False)
    return {
        "head_weights": weights,
        "head_row_scales": row_scales,
        "embedding_scale": _scales(parameters.embedding.by),
        "embedding": parameters.embedding.weights,
        **_norm_arrays("norm_f", parameters.norm_f),
    }


def packed(products: Products, sizes: Sizes, *, by_layer: bool) -> tuple[Array, Array]:
    """Weights and row scales of matrices, as the product engine takes them."""
    stream = list(stream_parts(sizes.schedule(by_layer), dict(products), sizes.engine))
    M, k = (np.concatenate([getattr(part, name) for part in stream]) for name in ("M", "k"))
    return np.concatenate([part.weights.ravel() for part in stream]), _scales(Multiplier(M, k))


def unpacked(weights: Array, row_scales: Array, sizes: Sizes, *, by_layer: bool) -> dict[Result, Product]:
    """The matrices: :func:`packed`, reversed."""
    rows, columns, shape = sizes.rows, sizes.columns, sizes.engine
    matrices: dict[Result, list[Array]] = {}
    scales: dict[Result, list[Array]] = {}
    begin = first = 0
    for job in slices(sizes.schedule(by_layer)):
        count, beats = job.end - job.first, job_beats(job, shape)
        tiles = -(-count // rows)
        own = weights[begin : begin + beats * rows * columns].reshape(tiles, beats // tiles, rows, columns)
        matrix = own.swapaxes(1, 2).reshape(tiles * rows, -1)
        matrices.setdefault(job.result, []).append(matrix[:count, : shape.inputs(SOURCES[job.result])])
        scales.setdefault(job.result, []).append(row_scales[first : first + count])
        begin, first = begin + beats * rows * columns, first + count
    return {
        result: Product(weights=np.concatenate(parts).astype(np.int64), by=_multiplier(np.concatenate(scales[result])))
        for result, parts in matrices.items()
    }


def layer_of(get: Get, formats: Mamba1Formats, sizes: Sizes) -> Mamba1Layer:
    """The integers of a layer: :func:`layer_arrays`, reversed."""
    products: Any = unpacked(get("weights"), get("row_scales"), sizes, by_layer=True)
    return Mamba1Layer(
        formats=formats,
        norm=_norm(get, "norm"),
        conv=Convolution(taps=get("conv_taps"), bias=get("conv_bias"), by=_multiplier(get("conv_scale"))),
        silu=silu_unit(formats.conv_sum),
        x_scale=_one(get("x_scale")),
        dt_shift=get("dt_shift"),
        dt_bias=get("dt_bias"),
        softplus=Unit("softplus", formats.dt_sum, formats.delta),
        A=get("A"),
        to_exponent=int(get("decay_shift")),
        scan=Scan(
            inflow=_multiplier(get("inflow_scale")),
            inflow_shift=get("inflow_shift"),
            D=get("D"),
            output_shift=get("scan_shift"),
        ),
        silu_gate=Unit("silu", input_of(formats.gate), formats.silu_gate),
        gated_shift=int(get("gated_shift")),
        y_scale=_one(get("y_scale")),
        **products,
    )


def parameters_of(get: Callable[[str, int], Array], formats: ModelFormats, sizes: Sizes) -> Parameters:
    """The integers of a model; ``get`` takes a section's name and the layer's number, 0 for those of the model."""

    def of_model(name: str) -> Array:
        return get(name, 0)

    head = unpacked(of_model("head_weights"), of_model("head_row_scales"), sizes, by_layer=False)
    return Parameters(
        formats=formats,
        embedding=Product(weights=of_model("embedding"), by=_multiplier(of_model("embedding_scale"))),
        layers=tuple(
            layer_of(lambda name, number=number: get(name, number), cast(Mamba1Formats, own), sizes)  # type: ignore[misc]
            for number, own in enumerate(formats.layers)
        ),
        norm_f=_norm(of_model, "norm_f"),
        head=head["logits"],
    )


def _scales(by: Multiplier) -> Array:
    scales = np.zeros(by.M.shape, SCALE)
    scales["M"], scales["k"] = by.M, by.k
    return scales


def _scale(scale: Scale) -> Array:
    return _scales(Multiplier(np.array(scale.M), np.array(scale.k)))


def _multiplier(scales: Array) -> Multiplier:
    return Multiplier(scales["M"].astype(np.int64), scales["k"].astype(np.int64))


def _one(scale: Array) -> Scale:
    return Scale(M=int(scale["M"]), k=int(scale["k"]))


def _norm_arrays(name: str, norm: Norm) -> Arrays:
    return {f"{name}_eps": np.array(norm.eps), f"{name}_scale": _scale(norm.scale)}


def _norm(get: Get, name: str) -> Norm:
    return Norm(eps=int(get(f"{name}_eps")), scale=_one(get(f"{name}_scale")))
