"""Finds the format of every tensor of a Mamba, layer by layer, from the values it takes on a calibration text."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from qse_hw.golden.checks import instance
from qse_hw.golden.models.integer.choose import Choice, fixed_point, quantizer_of
from qse_hw.golden.models.integer.effects import Effect, divergence, effects
from qse_hw.golden.models.integer.formats import WIDE_BITS, FixedPoint, LayerFormats, ModelFormats
from qse_hw.golden.models.integer.mamba1 import calibrate as mamba1
from qse_hw.golden.models.integer.mamba1.formats import Mamba1Formats
from qse_hw.golden.models.integer.mamba2 import calibrate as mamba2
from qse_hw.golden.models.integer.mamba2.formats import Mamba2Formats
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.options import Objective, Options
from qse_hw.golden.models.integer.products import reachable_exponent
from qse_hw.golden.models.integer.record import record
from qse_hw.golden.models.integer.sharing import share_formats
from qse_hw.golden.models.integer.summary import Summary, coded_names
from qse_hw.golden.models.integer.transformations import Transformations
from qse_hw.golden.models.mamba.checkpoint import fingerprint
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Config, Mamba
from qse_hw.golden.models.mamba.text import check_ids, sequences

SEQUENCE = 512
SEQUENCES = 8  # run at a time
MEASURED: tuple[Objective, ...] = ("x", "loss")  # compared where the objective is "model"
_MEASURED_SEQUENCES = 4  # on which they are compared by tensor; whole models, on all


def check_calibration(
    config: Config, ids: Tensor, *, tokens: int, options: Options, transformations: Transformations
) -> None:
    """InputError for what :func:`calibrate_integer` would refuse, as far as a model's sizes tell."""
    check_ids(ids, config.vocab_size)
    kind = _kind(config)
    options.check_names((*kind.OPERANDS, "norm_f"), kind.LOCALS)
    transformations.check(config)
    sequences(ids, tokens, SEQUENCE)


@torch.no_grad()
def calibrate_integer(
    model: Mamba,
    ids: Tensor,
    *,
    tokens: int,
    options: Options | None = None,
    transformations: Transformations | None = None,
    progress: Callable[[int], None] | None = None,
) -> ModelFormats:
    """Choose the format of every tensor of every layer.

    Args:
        model: a Mamba as it was trained.
        ids: (count,), cut into sequences of 512 tokens that each start from the empty state.
        tokens: number of ids to use, at least one sequence; rounded down to whole sequences.
        options: see :class:`Options`.
        transformations: applied to the checkpoint first; None: all of them.
        progress: called with the number of layers done before, from 0, as each is done.

    Raises:
        InputError: for a width without a Hadamard matrix, too short a text, or a tensor (named with its
            layer) that is zero or not finite, or that no type can hold.
    """
    instance(model, Mamba, "Model", "a Mamba of this package, as load_model gives it")
    options, wanted = options or Options(), transformations or Transformations()
    check_calibration(model.config, ids, tokens=tokens, options=options, transformations=wanted)
    text = sequences(ids, tokens, SEQUENCE)
    changed = wanted.model(model)
    return _Calibrator(model, changed, text, options, wanted, progress or (lambda layer: None)).best()


@dataclass(frozen=True)
class _Calibrator:
    model: Mamba
    changed: Mamba
    text: Tensor
    options: Options
    transformations: Transformations
    progress: Callable[[int], None]

    def best(self) -> ModelFormats:
        """The formats by the objective."""
        if self.options.objective != "model":
            return self.calibrate(self.options.objective, self.progress)
        candidates: dict[str, ModelFormats] = {name: self.calibrate(name, lambda layer: None) for name in MEASURED}
        measured = effects(self.model, candidates, self.text[:_MEASURED_SEQUENCES])
        rivals = [self.calibrate("loss", self.progress, self._plain(measured)), *candidates.values()]
        return min(rivals, key=self.divergence)

    def _plain(self, measured: Mapping[tuple[int, str], Mapping[str, Effect]]) -> dict[int, list[str]]:
        """The tensors, by layer, whose squared errors are better not weighted; what shares a format counts together."""
        groups: dict[Any, list[tuple[int, str]]] = {}
        for number, tensor in measured:
            name = "norm" if tensor == "norm_f" else tensor
            groups.setdefault(name if self.options.mode == "shared" else (number, tensor), []).append((number, tensor))
        plain: dict[int, list[str]] = {}
        for members in groups.values():
            losses = {name: sum(measured[member][name].kl for member in members) for name in MEASURED}
            for number, tensor in members if losses["x"] < losses["loss"] else ():
                plain.setdefault(number, []).append(tensor)
        return plain

    def calibrate(
        self, objective: Objective, report: Callable[[int], None], plain: Mapping[int, Collection[str]] | None = None
    ) -> ModelFormats:
        """The formats by squared error, weighted by the objective except in ``plain`` tensors."""
        options, config = self.options, self.model.config
        kind = _kind(config)
        own: Any = mamba2 if isinstance(config, Mamba2Config) else mamba1
        known: dict[int, tuple[Summary, Choice]] = {}
        layers: dict[int, LayerFormats] = {}
        done = 0
        for number, seen in record(self.changed, self.text, coded_names(kind, options), objective, plain):
            if number == config.n_layer:
                summary, peak = Summary.of_norm_f(seen, options), float(seen.peaks["logits"].max())
                known[number] = summary, Choice({"norm_f": quantizer_of(summary.coded["norm_f"])}, {})
                continue
            block = self.changed.blocks[number]
            summary = own.summarize(block, seen, options)
            chosen = Choice.of(summary, kind, options)
            if options.mode == "shared":
                known[number] = summary, chosen
            else:
                layers[number] = own.layer_formats(block, summary, chosen, options)
            report(done)
            done += 1
        summaries, choices = zip(*(known[number] for number in sorted(known)), strict=True)
        if options.mode == "shared":
            choices = tuple(share_formats(summaries, choices, objective))
            for number, block in enumerate(self.changed.blocks):
                layers[number] = own.layer_formats(block, summaries[number], choices[number], options)
        norm_f = choices[-1].coded["norm_f"]
        finest = fixed_point(4 * peak, WIDE_BITS).exponent
        exponent = reachable_exponent(self.changed.lm_head.weight, norm_f, finest, options.weights)
        return ModelFormats(
            model=fingerprint(self.model),
            tokens=self.text.numel(),
            transformations=self.transformations,
            weights=options.weights,
            residual=FixedPoint(bits=WIDE_BITS, exponent=-options.residual_fraction),
            layers=tuple(layers[number] for number in range(config.n_layer)),
            norm_f=norm_f,
            logits=FixedPoint(bits=WIDE_BITS, exponent=exponent),
            mode=options.mode,
        )

    def divergence(self, formats: ModelFormats) -> float:
        """KL divergence of the integer model on the calibration text, nats in all."""
        quantized = IntegerMamba.of(self.model, formats)
        return sum((divergence(self.changed, quantized, ids) for ids in torch.split(self.text, SEQUENCES)), 0.0)


def _kind(config: Config) -> type[LayerFormats]:
    return Mamba2Formats if isinstance(config, Mamba2Config) else Mamba1Formats
