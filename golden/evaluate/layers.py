"""Candidates fitted to every layer of a model, and their losses there: SQNR and the distance to the limit.

The model is streamed, so that one layer's values are in memory at a time. Kept of each layer are its quantizers and, if
layers are to share a format, its histogram.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from qse_hw.golden.calibration.candidates import Candidate, Sample
from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.sharing import check_mode, fit_layers
from qse_hw.golden.calibration.spec import CandidateSpec, TunedFormat
from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.sensitivity import output_weights
from qse_hw.golden.models.mamba.stream import Layers, activations

Progress = Callable[[float], None]
"""Called with the share that is done."""

Samples = Iterable[tuple[int, Sample]]
"""Every layer's number and values, first to last."""


@dataclass(frozen=True, kw_only=True)
class Losses:
    """SQNR of x in dB by candidate and layer, on one text.

    Attributes:
        sqnr_db: by candidate's name, then by layer; infinite where nothing is lost.
        limit_db: by layer, of the best 256 levels for this text's own values, even if the candidates were fitted to
            another text. No scalar quantizer of 8 bits has a higher SQNR.
    """

    sqnr_db: Mapping[str, Sequence[float]]
    limit_db: Sequence[float]

    def distance_db(self, name: str) -> list[float]:
        """By layer, how far the candidate is below the limit; 0 where neither loses anything."""
        return [
            0.0 if limit == own else limit - own for limit, own in zip(self.limit_db, self.sqnr_db[name], strict=True)
        ]

    def worst(self, name: str) -> tuple[int, float]:
        """The layer of the greatest distance, and that distance."""
        distances = self.distance_db(name)
        layer = max(range(len(distances)), key=distances.__getitem__)
        return layer, distances[layer]


def fit(
    layers: Layers,
    ids: Tensor,
    specs: Sequence[CandidateSpec],
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
        specs: the candidates, each name once.
        tokens: how many of the ids to use, in sequences of 512 tokens.
        mode: one of :data:`qse_hw.golden.calibration.sharing.MODES`: what tuned formats of different layers share.
        objective: "x", or "output": the squared errors to which formats, not baselines, are fitted are weighted by
            their effect on the layer's output (:mod:`qse_hw.golden.models.mamba.sensitivity`).
        given: by name, one candidate per layer that is measured with the others, but not fitted.
        progress: called with the share that is done.

    Raises:
        InputError: for an unknown mode, too short a text, or a layer (named) whose activations are zero or not finite,
            or do not suit a format.
    """
    check_mode(mode)
    samples = _samples(layers, ids, tokens, objective)
    return fit_samples(samples, specs, count=layers.config.n_layer, mode=mode, given=given, progress=progress)


def fit_samples(
    samples: Samples,
    specs: Sequence[CandidateSpec],
    *,
    count: int,
    mode: str = "free",
    given: Mapping[str, Sequence[Candidate]] | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, list[Candidate]], Losses]:
    """As :func:`fit`, of the values of ``count`` layers."""
    check_mode(mode)
    together = [] if mode == "free" else [spec for spec in specs if isinstance(spec, TunedFormat)]
    alone = [spec for spec in specs if spec not in together]
    report = progress or (lambda share: None)
    share_alone = len(alone) / max(1, len(specs))  # of the work, roughly
    candidates: dict[str, list[Candidate]] = {spec.name: [] for spec in specs}
    ready = {name: list(by_layer) for name, by_layer in (given or {}).items()}
    sqnr: dict[str, list[float]] = {name: [] for name in (*candidates, *ready)}
    limit: list[float] = []
    fitters: list[Fitter] = []
    histograms: list[Histogram] = []
    for layer, sample in samples:
        with named(layer):
            for number, spec in enumerate(alone):
                report(share_alone * (layer + number / len(alone)) / count)
                candidate = sample.fit(spec)
                candidates[spec.name].append(candidate)
                sqnr[spec.name].append(sample.sqnr_db(candidate.quantizer))
            for name, by_layer in ready.items():
                sqnr[name].append(sample.sqnr_db(by_layer[layer].quantizer))
            limit.append(sample.sqnr_db(sample.limit))
        if together:
            fitters.append(Fitter(sample.histogram, scale_bits=sample.fitter.scale_bits))
            histograms.append(sample.unweighted)
        del sample  # before the next layer is read
    for number, tuned in enumerate(together):
        done = len(alone) + number
        quantizers = fit_layers(
            fitters,
            tuned,
            mode,
            lambda share, done=done: report((done + share) / len(specs)),  # type: ignore[misc]
        )
        for histogram, quantizer in zip(histograms, quantizers, strict=True):
            candidates[tuned.name].append(Candidate.of(tuned.name, quantizer))
            # by the histogram, as the values are no longer in memory; its rounding is 70 dB down
            sqnr[tuned.name].append(histogram.sqnr_db(quantizer))
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
    return measure_samples(_samples(layers, ids, tokens), candidates, count=layers.config.n_layer, progress=progress)


def measure_samples(
    samples: Samples,
    candidates: Mapping[str, Sequence[Candidate]],
    *,
    count: int,
    progress: Progress | None = None,
) -> Losses:
    """As :func:`measure`, on the values of ``count`` layers."""
    sqnr: dict[str, list[float]] = {name: [] for name in candidates}
    limit = []
    for layer, sample in samples:
        with named(layer):
            limit.append(sample.sqnr_db(sample.limit))
        for name, by_layer in candidates.items():
            sqnr[name].append(sample.sqnr_db(by_layer[layer].quantizer))
        del sample  # before the next layer is read
        if progress is not None:
            progress((layer + 1) / count)
    return Losses(sqnr_db=sqnr, limit_db=limit)


@contextmanager
def named(layer: int) -> Iterator[None]:
    """Puts the layer's number in front of an InputError's message."""
    try:
        yield
    except InputError as error:
        raise InputError(f"Layer {layer}, x: {error}") from error


def finite(value: float) -> float | None:
    """None for an infinite SQNR, where nothing was lost: JSON has no infinity."""
    return value if math.isfinite(value) else None


def samples_of(arrays: Iterable[npt.NDArray[np.floating]]) -> Iterator[tuple[int, Sample]]:
    """Those of arrays (tokens, channels), one per layer.

    Raises:
        InputError: naming the layer, for values that are zero or not finite.
    """
    for layer, x in enumerate(arrays):
        with named(layer):
            sample = Sample(x)
        yield layer, sample
        del sample  # before the next one is made


def _samples(layers: Layers, ids: Tensor, tokens: int, objective: str = "x") -> Iterator[tuple[int, Sample]]:
    for layer, tensors, block, residual in activations(layers, ids, tokens=tokens):
        x = tensors["x"]
        with named(layer):
            sample = Sample(x, output_weights(block, residual)[: len(x)] if objective == "output" else None)
        del tensors, x, block, residual
        yield layer, sample
        del sample  # before the next layer is read
