"""What every recipe of eval starts from, and the answers to tasks that every recipe ends with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from torch import Tensor

    from qse_hw.golden.evaluate.bootstrap import Bootstrap
    from qse_hw.golden.evaluate.lm_eval import Tasks
    from qse_hw.golden.evaluate.score import Forward
    from qse_hw.golden.models.mamba.hugging_face import HuggingFace
    from qse_hw.golden.models.mamba.model import Mamba

UNQUANTIZED = "unquantised"
CALIBRATION = "calibration"
"""The name, in the report, of what a calibration file chose."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The model, and the texts that it is fitted to and judged on.

    Attributes:
        model: unquantized.
        directory: where it is from, as given.
        calibration: ids (count,), of which ``tokens`` are used.
        held_out: ids (count,).
        windows: of them, ids (w, l).
        draws: of those windows.
        tokens_per_byte: 1 for a model of bytes.
        tasks: of lm-evaluation-harness, and questions per task.
    """

    model: "Mamba | HuggingFace"
    directory: str | None
    calibration: "Tensor"
    tokens: int
    held_out: "Tensor"
    windows: "Tensor"
    draws: "Bootstrap"
    tokens_per_byte: float
    tasks: "Tasks | None"
    limit: int | None

    @property
    def mamba(self) -> "Mamba":
        """The model, for the recipes that are for our own alone."""
        return cast("Mamba", self.model)

    def answers(self, models: "Mapping[str, Forward]", report: Any) -> dict[str, Any]:
        """Of the unquantized model and of all ``models``, by name, then by task and metric."""
        if self.tasks is None:
            return {}
        from qse_hw.golden.evaluate.lm_eval import HarnessModel
        from qse_hw.golden.models.mamba.text import open_tokenizer

        tokenizer = open_tokenizer(self.model.config.vocab_size, self.directory)
        everybody: dict[str, Forward] = {UNQUANTIZED: self.model, **models}
        answers = {}
        for number, (name, forward) in enumerate(everybody.items()):
            report(f"tasks with {name}", number / len(everybody))
            answers[name] = self.tasks.run(HarnessModel(forward, tokenizer), limit=self.limit)
        return {
            name: [
                {
                    "task": own.task,
                    "metric": own.metric,
                    "value": own.value,
                    "stderr": own.stderr,
                    "higher_is_better": own.higher_is_better,
                    "questions": own.samples,
                    "difference": own.value - plain.value,
                    "within_noise": own.within_noise(plain),
                }
                for own, plain in zip(metrics, answers[UNQUANTIZED], strict=True)
            ]
            for name, metrics in answers.items()
        }
