"""A mixer for an integer Mamba-1, and the model's parameters in the mixer's words."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType, input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.mamba1.parameters import Mamba1Layer
from qse_hw.golden.models.integer.mamba1.weight_stream import shape_of
from qse_hw.golden.models.integer.parameters import Parameters
from qse_hw.golden.models.integer.shared import shared_formats
from qse_hw.golden.reference import convolution, scan, time_step
from qse_hw.golden.reference.linear import Words
from qse_hw.golden.reference.words import join_fields
from qse_hw.rtl_gen.mixer.config import K_BITS, M_BITS, MAX_A_BITS, SHIFT_BITS, MixerConfig
from qse_hw.rtl_gen.mixer.parameter_bus import UNIT_BITS
from qse_hw.rtl_gen.units.shared import sequence_bits

Bytes = npt.NDArray[np.uint8]

TYPES = {"conv_sum": "s16e-10", "gate": "s16e-10", "silu_gate": "s18e-12", "dt_sum": "s16e-10", "delta": "s18e-13"}
"""Inputs and outputs of the mixer's function units."""


def layers_of(parameters: Parameters) -> list[Mamba1Layer]:
    """The layers; InputError unless they are those of a Mamba-1."""
    layers = [layer for layer in parameters.layers if isinstance(layer, Mamba1Layer)]
    if len(layers) != len(parameters.layers):
        raise InputError("Model must be a Mamba-1, not a Mamba-2: the mixer has no hardware for that")
    return layers


def mixer_config(
    parameters: Parameters, *, rows: int, columns: int, scan_lanes: int = 1, norm_lanes: int = 1,
    hadamard_lanes: int = 1, sequences: int = 1, target: str = "generic", taps: bool = False,
) -> MixerConfig:
    """The mixer with head for a model; the engine has ``rows`` x ``columns`` multipliers.

    Raises:
        InputError: for a Mamba-2, for formats that the layers do not share, local tensors of 8 bits, a coded state, or
            types that the function units do not have.
    """
    layers, formats = layers_of(parameters), parameters.formats
    common = shared_formats(formats)
    if coded := [name for name in layers[0].formats.LOCALS if name in common.segmented]:
        raise InputError(
            f"Local tensors must have 16 bits, but {', '.join(coded)} are coded; calibrate with --local-bits 16"
        )
    if "state" in common.segmented or common.rounding != "nearest":
        raise InputError("State must be fixed point, rounded to nearest; calibrate with --state s16 --rounding nearest")
    for name, type in TYPES.items():
        own = common.units[name]
        if own != _fixed(input_type(type)):
            raise InputError(
                f"{name} must have {type}, as the mixer's function units do, not s{own.bits}e{own.exponent}: its "
                "values reach farther than the units' types"
            )
    for number, layer in enumerate(layers):
        if not 0 <= layer.gated_shift < 1 << SHIFT_BITS:
            raise InputError(
                f"Layer {number}: gated must be shifted by 0 to {(1 << SHIFT_BITS) - 1} places, not "
                f"{layer.gated_shift}: its exponent does not suit those of scan and silu_gate; calibrate again"
            )
    shift = max(0, *(layer.to_exponent for layer in layers))
    decays = [layer.A << (shift - layer.to_exponent) for layer in layers]
    reach = max(int(np.abs(layer.scan.D).max()) for layer in layers)
    a_bits = max(2, *(int(A.max()).bit_length() for A in decays))
    if a_bits > MAX_A_BITS:
        raise InputError(
            f"A must have at most {MAX_A_BITS} bits in a unit that all layers share, but needs {a_bits}: the layers' "
            "exponents of A lie too far apart"
        )
    shape = shape_of(layers[0], rows=rows, columns=columns, vocabulary=len(parameters.head.weights))
    return MixerConfig(
        **asdict(shape), d_conv=layers[0].conv.taps.shape[1], layers=len(layers),
        norm_format=common.segmented["norm"], x_format=common.segmented["x"],
        dt_low_format=common.segmented["dt_low"], y_format=common.segmented["y"], eps=layers[0].norm.eps,
        state_bits=common.bits["state"], a_bits=a_bits,
        d_bits=max(2, reach.bit_length() + 1), decay_shift=shift, scan_lanes=scan_lanes,
        norm_lanes=norm_lanes, hadamard_lanes=hadamard_lanes, sequences=sequences, target=target, taps=taps,
    )  # fmt: skip


def parameter_words(parameters: Parameters, config: MixerConfig) -> Bytes:
    """All words of the stream ``parameters`` (words, bytes), in any order."""
    layers, widths = layers_of(parameters), config.scan_config.widths

    def all_of(arrays: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
        return np.concatenate(arrays)

    taps = convolution.Parameters(
        all_of([layer.conv.taps for layer in layers]), all_of([layer.conv.bias for layer in layers]),
        all_of([layer.conv.by.M for layer in layers]), all_of([layer.conv.by.k for layer in layers]),
    )  # fmt: skip
    steps = time_step.Parameters(
        all_of([layer.dt_shift for layer in layers]), all_of([layer.dt_bias for layer in layers])
    )
    scanned = scan.Parameters(
        all_of([layer.scan.inflow.M for layer in layers]), all_of([layer.scan.inflow.k for layer in layers]),
        all_of([layer.scan.inflow_shift for layer in layers]), all_of([layer.scan.output_shift for layer in layers]),
        all_of([layer.scan.D for layer in layers]),
        all_of([scan.scale_decays(layer.A, layer.to_exponent, widths) for layer in layers]),
    )  # fmt: skip
    words = {
        "convolution": convolution.pack_parameters(taps, input_bits=16, lanes=1),
        "time_step": time_step.pack_parameters(steps, width=16, lanes=1),
        "scan": scan.pack_channels(scanned, widths),
        "decays": scan.pack_decays(scanned, widths, config.scan_lanes),
    }
    bits = UNIT_BITS + max(config.parameter_bits.values())
    numbers = list(_scalar_words(parameters, layers, config))
    for number, name in enumerate(config.parameter_bits):
        if name in words:
            numbers += _on_bus(number, words[name], config, name)
    size = -(-bits // 8)
    return np.frombuffer(b"".join(number.to_bytes(size, "little") for number in numbers), np.uint8).reshape(-1, size)


def _on_bus(unit: int, words: Words, config: MixerConfig, name: str) -> Iterator[int]:
    """A unit's words: its number, the address, the word."""
    data_bits = {
        "convolution": convolution.word_bits(config.d_conv), "time_step": time_step.word_bits(16),
        "scan": sum(scan.channel_bits(config.scan_config.widths)), "decays": config.scan_lanes * config.a_bits,
    }[name]  # fmt: skip
    return (unit | word << UNIT_BITS for word in words.joined(config.word_bits[name] - data_bits))


def _scalar_words(parameters: Parameters, layers: Sequence[Mamba1Layer], config: MixerConfig) -> Iterator[int]:
    """The layers' scalars; of one layer more the last norm's."""
    none = Scale(M=1 << (M_BITS - 1), k=0, bits=M_BITS)
    rows = [(layer.norm.scale, layer.x_scale, layer.y_scale, layer.gated_shift) for layer in layers]
    for number, (*scales, shift) in enumerate([*rows, (parameters.norm_f.scale, none, none, 0)]):
        scalars = 0
        for scale in reversed(scales):
            scalars = scalars << (M_BITS + K_BITS) | (scale.k % (1 << K_BITS)) << M_BITS | scale.M
        scalars |= shift << 3 * (M_BITS + K_BITS)
        yield (number | scalars << config.layer_bits) << UNIT_BITS


def token_beats(residual: npt.NDArray[np.int64], *, first: bool, sequence: int = 0, sequences: int = 1) -> Bytes:
    """Beats (d_model, bytes) of a token's residual values (d_model,).

    Args:
        residual: the values.
        first: the token is its sequence's first.
        sequence: the token's, of so many ``sequences``.
    """
    marks = ((first, 1), (sequence, sequence_bits(sequences)))
    return join_fields([(residual, 24), *((np.full(len(residual), mark, np.int64), bits) for mark, bits in marks)])


def embed(parameters: Parameters, token: int) -> npt.NDArray[np.int64]:
    """The residual stream (d_model,) of a token's embedding."""
    embedding, high = parameters.embedding, parameters.formats.residual.high
    M, k = int(embedding.by.M[token]), int(embedding.by.k[token])
    rounded = (embedding.weights[token] * M + (1 << k >> 1)) >> k
    residual: npt.NDArray[np.int64] = np.clip(rounded, -high - 1, high)
    return residual


def _fixed(type: InputType) -> FixedPoint:
    return FixedPoint(bits=type.width, exponent=type.exponent)
