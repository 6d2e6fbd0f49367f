"""What hardware that serves all layers of a model takes from its formats, and so must be the same in every layer.

Segments are wires; scales and exponents come from a parameter memory, layer by layer. The function units are designed
for one type of input and output, so these types are the same with their exponents.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.models.integer.formats import FixedPoint, LayerFormats, ModelFormats, Rounding
from qse_hw.golden.models.integer.functions import FINEST, input_of
from qse_hw.golden.models.integer.mamba1.formats import Mamba1Formats

UNIT_TYPES = tuple(FINEST)
"""Tensors that are inputs or outputs of function units."""


@dataclass(frozen=True, kw_only=True)
class SharedFormats:
    """What all layers have in common.

    Attributes:
        segmented: by name, of operands, local tensors, A and the state where these are coded; the last norm's, which
            the same hardware computes, is that of "norm". Their scales or exponents are each layer's own.
        units: of :data:`UNIT_TYPES`, what the function units take and give; of a coded gate, its integers.
        bits: by name, of all other fixed-point tensors and of a state that is not coded; their exponents are each
            layer's own.
        rounding: of the state.
    """

    segmented: Mapping[str, SegmentedFormat]
    units: Mapping[str, FixedPoint]
    bits: Mapping[str, int]
    rounding: Rounding


def shared_formats(formats: ModelFormats) -> SharedFormats:
    """What the layers of a model share.

    Raises:
        InputError: naming a tensor and the layers that differ in it, if these formats need hardware for every layer.
    """
    first = dict(_parts(formats.layers[0]))
    for name, own in first.items():
        others = [number for number, layer in enumerate(formats.layers) if dict(_parts(layer))[name] != own]
        if others:
            raise _not_shared(f"{name.replace(_INPUT, 'the step of ')} is another in {_words(others)} than in layer 0")
    if formats.norm_f.format != first["norm"]:
        raise _not_shared("norm_f's is another than norm's")
    named: Mapping[type, dict[str, Any]] = {
        kind: {name: part for name, part in first.items() if isinstance(part, kind)}
        for kind in (SegmentedFormat, FixedPoint, int)
    }
    return SharedFormats(
        segmented=named[SegmentedFormat],
        units={name.removeprefix(_INPUT): part for name, part in named[FixedPoint].items()},
        bits=named[int],
        rounding=cast(Rounding, first["state's rounding"]),
    )


_INPUT = "input of "
_NAMED = 8  # layers that a message names


def _parts(layer: LayerFormats) -> Iterator[tuple[str, Any]]:
    """What a layer must share, by name."""
    for name in (*layer.OPERANDS, *layer.LOCALS, *layer.FIXED):
        own = getattr(layer, name)
        if not isinstance(own, FixedPoint):
            yield name, own.format
            if name in UNIT_TYPES:
                yield f"{_INPUT}{name}", input_of(own)
        elif name in UNIT_TYPES:
            yield name, own
        else:
            yield name, own.bits
    if isinstance(layer, Mamba1Formats):
        yield "A", layer.A.format
    yield "state", layer.state.format
    yield "state's rounding", layer.state.rounding


def _not_shared(how: str) -> InputError:
    return InputError(
        f"Formats must be the same in all layers, as one piece of hardware serves them, but {how}; calibrate with "
        "--mode shared"
    )


def _words(numbers: list[int]) -> str:
    """Layers by number, the first few."""
    *most, last = map(str, numbers)
    if len(most) >= _NAMED:
        return f"layers {', '.join(most[:_NAMED])} and {len(numbers) - _NAMED} more"
    return f"layers {', '.join(most)} and {last}" if most else f"layer {last}"
