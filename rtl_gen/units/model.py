# amaranth: UnusedElaboratable=no
"""Configuration of an accelerator for a calibrated Mamba-1."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qse_hw.golden.formats.presets import spec_of
from qse_hw.rtl_gen.emit.beats import Beats, from_rows, join_lanes, stream
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.mixer.config import COLUMNS, HADAMARD_LANES, NORM_LANES, ROWS, SCAN_LANES, TAPS, MixerConfig
from qse_hw.rtl_gen.units.option_kinds import Text
from qse_hw.rtl_gen.units.options import option
from qse_hw.rtl_gen.units.shared import SEQUENCES, TARGET, mix_sequences

if TYPE_CHECKING:
    from qse_hw.golden.models.integer.parameters import Parameters

SEED = 20261208  # of the vectors' tokens
TOKENS = 4
"""Of the vectors."""
MOST_WEIGHTS = 32 << 20
"""Of a testbench: its file has two characters for each."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig(UnitConfig):
    """All layers of a Mamba-1 and its head, for one set of formats: see :class:`qse_hw.rtl_gen.mixer.mixer.Mixer`.

    Formats, types and widths are the calibration's; weights and other parameters are sent at run time.
    """

    unit: ClassVar[str] = "model"
    summary: ClassVar[str] = "a calibrated Mamba-1: all layers and the head around one product engine"
    lanes: ClassVar[int] = 1  # type: ignore[misc]

    calibration: str = option(
        kind=Text(), help="what calibrate --recipe integer --mode shared --local-bits 16 wrote", metavar="FILE"
    )
    model: str | None = option(
        kind=Text(optional=True), help="the checkpoint's folder (default: the bundled Mamba-1)", metavar="DIR",
        default=None,
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
        super().__post_init__()
        _ = self.mixer

    @cached_property
    def integers(self) -> "Parameters":
        """The model's integers."""
        from qse_hw.golden.models.integer.document import read_formats
        from qse_hw.golden.models.integer.parameters import model_parameters
        from qse_hw.golden.models.mamba.checkpoint import load_model

        return model_parameters(load_model(self.model), read_formats(self.calibration))

    @cached_property
    def mixer(self) -> MixerConfig:
        """The hardware, with the calibration's formats and widths."""
        from qse_hw.rtl_gen.mixer.model import mixer_config

        return mixer_config(
            self.integers, rows=self.rows, columns=self.columns, scan_lanes=self.scan_lanes,
            norm_lanes=self.norm_lanes, hadamard_lanes=self.hadamard_lanes, sequences=self.sequences,
            target=self.target, taps=self.taps,
        )  # fmt: skip

    @property
    def label(self) -> str:
        mixer = self.mixer
        sizes = ",".join(map(str, (mixer.d_model, mixer.d_inner, mixer.d_state, mixer.dt_rank)))
        words = [self.unit, *dict.fromkeys(map(spec_of, mixer.formats.values())), sizes]
        words += [f"layers={mixer.layers}", f"{self.rows}x{self.columns}", f"scan={self.scan_lanes}"]
        words += [f"sequences={self.sequences}"] * (self.sequences > 1)
        return " ".join([*words, *([self.target] if self.target != "generic" else [])])

    def component(self) -> Any:
        from qse_hw.rtl_gen.mixer.mixer import Mixer

        return Mixer(self.mixer)

    @property
    def initiation_interval(self) -> int:
        return self.mixer.d_model

    def meanings(self) -> Mapping[str, str]:
        return self.mixer.meanings()

    def beats(self) -> Beats | None:
        """The streams of the vectors; None if those of the weights are longer than :data:`MOST_WEIGHTS`."""
        if TOKENS * self.mixer.product_cycles * self.rows * self.columns > MOST_WEIGHTS:
            return None
        from qse_hw.golden.reference.matvec import K_BITS, M_BITS
        from qse_hw.golden.reference.product_schedule import WIDE_BITS
        from qse_hw.golden.reference.words import join_fields
        from qse_hw.rtl_gen.mixer.model import token_beats

        vectors = self.vectors()
        first = vectors.get("first", np.arange(TOKENS) == 0).tolist()
        numbers = vectors.get("sequence", np.zeros(TOKENS, np.int64)).tolist()
        values = [
            token_beats(residual, first=begins, sequence=number, sequences=self.sequences)
            for residual, begins, number in zip(vectors["residual"], first, numbers, strict=True)
        ]
        scales = from_rows(join_fields([(vectors["scale_m"], M_BITS), (vectors["scale_k"], K_BITS)]))
        weights = from_rows(vectors["weights"].view(np.uint8))
        return Beats(
            inputs=stream("i", from_rows(np.concatenate(values))),
            first=(stream("parameters", from_rows(vectors["parameters"])),),
            beside=(stream("weights", TOKENS * weights), stream("scales", TOKENS * scales)),
            outputs=stream("o", join_lanes(vectors["logits"], WIDE_BITS, 1)),
        )

    def facts(self) -> dict[str, Any]:
        """Fingerprint of the model; sizes; beats and cycles of a token."""
        mixer = self.mixer
        return {
            "fingerprint": self.integers.formats.model,
            "shape": {
                name: getattr(mixer, name)
                for name in ("d_model", "d_inner", "d_state", "dt_rank", "d_conv", "layers", "vocabulary")
            },
            "weight_beats_per_token": mixer.product_cycles,
        }

    def written(self) -> dict[str, np.ndarray[Any, Any]]:
        """Random ``tokens`` (tokens,) and their ``logits`` (tokens, vocabulary); with several sequences also the number
        of each token's ``sequence`` (tokens,), and whether it is the ``first`` of that (tokens,)."""
        from qse_hw.golden.models.integer.model import IntegerMamba

        rng, model = np.random.default_rng(SEED), IntegerMamba(self.integers)
        tokens = rng.integers(0, self.mixer.vocabulary, TOKENS)
        numbers, first = mix_sequences(rng, np.arange(TOKENS) == 0, self.sequences)
        logits = np.zeros((TOKENS, self.mixer.vocabulary), np.int64)
        for number in np.unique(numbers):
            own = numbers == number
            logits[own] = model.forward(tokens[own][None], model.start(1))[0]
        mixed = {"sequence": numbers, "first": first} if self.sequences > 1 else {}
        return {"tokens": tokens, "logits": logits, **mixed}

    def vectors(self) -> dict[str, np.ndarray[Any, Any]]:
        """:meth:`written`, and the tokens' residual values (tokens, d_model); the streams of weights, row multipliers
        and parameters."""
        from qse_hw.golden.models.integer.mamba1.weight_stream import weight_stream
        from qse_hw.rtl_gen.mixer.model import embed, parameter_words

        written = self.written()
        stream = weight_stream(self.integers, self.mixer.shape)
        return {
            **written,
            "residual": np.stack([embed(self.integers, token) for token in written["tokens"].tolist()]),
            "weights": stream.weights,
            "scale_m": stream.M,
            "scale_k": stream.k,
            "parameters": parameter_words(self.integers, self.mixer),
        }


CONFIG = ModelConfig
