"""Candidates fitted to every layer of a model, and what they lose there: SQNR and the distance to the limit.

The model is streamed, so that one layer's values are in memory at a time; what is kept of a layer are its quantizers
and, where layers are to share a format, its histogram.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor

from qse_hw.golden.calibration.candidates import Candidate, Sample, describe
from qse_hw.golden.calibration.fitting import Fitter, is_tuned
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.sharing import check_mode, fit_layers
from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.sensitivity import output_weights
from qse_hw.golden.models.mamba.stream import Layers, activations

Progress = Callable[[float], None]
"""Called with the share that is done."""


@dataclass(frozen=True, kw_only=True)
class Losses:
    """SQNR of x in dB by candidate and layer, on one text.

    Attributes:
        sqnr_db: by spec, then by layer; infinite where nothing is lost.
        limit_db: by layer: of the best 256 levels for this very text's values, which no candidate knows that was fitted
            to another text, and no scalar quantizer of 8 bits can beat.
    """

    sqnr_db: Mapping[str, Sequence[float]]
    limit_db: Sequence[float]

    def distance_db(self, spec: str) -> list[float]:
        """By layer, how far the candidate stays below the limit; 0 where both lose nothing."""
        return [
            0.0 if limit == own else limit - own for limit, own in zip(self.limit_db, self.sqnr_db[spec], strict=True)
        ]

    def worst(self, spec: str) -> tuple[int, float]:
        """The layer of the greatest distance, and that distance."""
        distances = self.distance_db(spec)
        layer = max(range(len(distances)), key=distances.__getitem__)
        return layer, distances[layer]


def fit(
    layers: Layers,
    ids: Tensor,
    specs: Sequence[str],
    *,
    tokens: int,
    mode: str = "free",
    objective: str = "x",
    given: Mapping[str, Sequence[Candidate]] | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, list[Candidate]], Losses]:
    """The candidates of every layer, and their losses on the text they were fitted to.

    Args:
        layers: the unquantized model.
        ids: (count,).
        specs: as :func:`qse_hw.golden.calibration.candidates.specs` gives them.
        tokens: how many of the ids to use, in sequences of 512 tokens.
        mode: one of :data:`qse_hw.golden.calibration.sharing.MODES`: what tuned formats of different layers share.
        objective: "x", or "output": formats, not the baselines, are fitted to squared errors that are weighted by what
            they do at the layer's output (:mod:`qse_hw.golden.models.mamba.sensitivity`).
        given: candidates by name that are measured with the others, but not fitted: one per layer.
        progress: called with the share that is done.

    Raises:
        InputError: for an unknown mode, too short a text, or a layer (named) whose activations are zero or not finite,
            or do not suit a format.
    """
    check_mode(mode)
    together = [] if mode == "free" else [spec for spec in specs if is_tuned(spec)]
    alone = [spec for spec in specs if spec not in together]
    report, count = progress or (lambda share: None), layers.config.n_layer
    part = len(alone) / max(1, len(specs))  # of the work, roughly
    candidates: dict[str, list[Candidate]] = {spec: [] for spec in specs}
    ready = {name: list(found) for name, found in (given or {}).items()}
    sqnr: dict[str, list[float]] = {spec: [] for spec in (*specs, *ready)}
    limit: list[float] = []
    fitters: list[Fitter] = []
    histograms: list[Histogram] = []
    for layer, sample in _samples(layers, ids, tokens, objective):
        with named(layer):
            for number, spec in enumerate(alone):
                report(part * (layer + number / len(alone)) / count)
                found = sample.fit(spec)
                candidates[spec].append(found)
                sqnr[spec].append(sample.sqnr_db(found.quantizer))
            for name, ones in ready.items():
                sqnr[name].append(sample.sqnr_db(ones[layer].quantizer))
            limit.append(sample.sqnr_db(sample.limit))
        if together:
            fitters.append(Fitter(sample.histogram, scale_bits=sample.fitter.scale_bits))
            histograms.append(sample.unweighted)
        del sample  # before the next layer is read
    for number, spec in enumerate(together):
        done = len(alone) + number
        quantizers = fit_layers(
            fitters,
            spec,
            mode,
            lambda share, done=done: report((done + share) / len(specs)),  # type: ignore[misc]
        )
        for histogram, quantizer in zip(histograms, quantizers, strict=True):
            candidates[spec].append(
                Candidate(spec=spec, quantizer=quantizer, bits=quantizer.format.bits, detail=describe(quantizer))
            )
            # the values are gone; the histogram's rounding, 70 dB down, is not seen here
            sqnr[spec].append(histogram.sqnr_db(quantizer))
    report(1.0)
    return candidates | ready, Losses(sqnr_db=sqnr, limit_db=limit)


def measure(
    layers: Layers,
    ids: Tensor,
    candidates: Mapping[str, Sequence[Candidate]],
    *,
    tokens: int,
    progress: Progress | None = None,
) -> Losses:
    """The candidates' losses on another text; arguments and errors as those of :func:`fit`."""
    sqnr: dict[str, list[float]] = {spec: [] for spec in candidates}
    limit = []
    for layer, sample in _samples(layers, ids, tokens):
        with named(layer):
            limit.append(sample.sqnr_db(sample.limit))
        for spec, fitted in candidates.items():
            sqnr[spec].append(sample.sqnr_db(fitted[layer].quantizer))
        del sample  # before the next layer is read
        if progress is not None:
            progress((layer + 1) / layers.config.n_layer)
    return Losses(sqnr_db=sqnr, limit_db=limit)


@contextmanager
def named(layer: int) -> Iterator[None]:
    """InputErrors name the layer."""
    try:
        yield
    except InputError as error:
        raise InputError(f"Layer {layer}, x: {error}") from error


def finite(value: float) -> float | None:
    """For JSON, which has no infinity: None where nothing was lost."""
    return value if math.isfinite(value) else None


def _samples(layers: Layers, ids: Tensor, tokens: int, objective: str = "x") -> Iterator[tuple[int, Sample]]:
    for layer, tensors, block, residual in activations(layers, ids, tokens=tokens):
        x = tensors["x"]
        with named(layer):
            sample = Sample(x, output_weights(block, residual)[: len(x)] if objective == "output" else None)
        del tensors, x, block, residual
        yield layer, sample
        del sample  # before the next layer is read
