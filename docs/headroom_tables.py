"""The tables of docs/accuracy.md on headroom, from what docs/headroom.py found."""

import statistics
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from blocks import markdown

STUDIES = ("bundled", "public")
NAMES = {  # of models, and of their tokens
    "mamba-bytes": ("Mamba-1", "bytes"),
    "mamba2-bytes": ("Mamba-2", "bytes"),
    "typeseg": ("typeseg", "bytes"),
    "opensr-mamba": ("opensr-mamba", "pixels"),
}
COST, DISTANCE = 0.2, 1.5  # dB: what was aimed at, the mean cost and the distance to the held-out limit of every layer

Load = Callable[[str], dict[str, Any]]


class Run(NamedTuple):
    """All layers of a model, fitted to so many tokens."""

    name: str
    share: float  # of the held-out tokens
    layers: list[dict[str, Any]]

    def beyond(self) -> list[float]:
        """By layer, values beyond the peak in as many held-out tokens as were fitted to."""
        return [layer["held_out_beyond"] * self.share for layer in self.layers]

    def costs(self, headroom: str) -> list[float]:
        """By layer, dB on the text fitted to."""
        return [layer["sqnr_db"]["1"] - layer["sqnr_db"][headroom] for layer in self.layers]

    def distances(self, headroom: str) -> list[float]:
        """By layer, dB below the limit on held-out text."""
        return [layer["held_out_limit_db"] - layer["held_out_sqnr_db"][headroom] for layer in self.layers]


def runs(load: Load) -> Iterator[Run]:
    """All of them."""
    for study in STUDIES:
        document = load(f"headroom-{study}")
        for model, calibrations in document["models"].items():
            name, unit = NAMES[model]
            for tokens, layers in calibrations.items():
                yield Run(f"{name}, {int(tokens):,} {unit}", int(tokens) / document["held_out_tokens"], layers)


def headroom(load: Load) -> str:
    """By model and length of the calibration: what each headroom costs and what is left to the limit."""
    rows, costs = [], dict[str, list[float]]()
    for run in runs(load):
        for number, one in enumerate(run.layers[0]["sqnr_db"]):
            cost, distance = run.costs(one), run.distances(one)
            costs.setdefault(one, []).extend(cost)
            far = [str(layer) for layer, value in enumerate(distance) if value > DISTANCE]
            rows.append([
                "" if number else run.name, one, f"{statistics.mean(cost):.2f}", f"{max(cost):.2f}",
                f"{statistics.mean(distance):.2f}", f"{max(distance):.2f}", ", ".join(far) or "none",
            ])  # fmt: skip
    for one, cost in costs.items():
        rows.append(["all" if one == "1" else "", one, f"{statistics.mean(cost):.2f}", f"{max(cost):.2f}", "", "", ""])
    beyond = [count for run in runs(load) for count in run.beyond()]
    words = (
        f"A held-out text as long as the calibration has {statistics.mean(beyond):.0f} values beyond its peak, the "
        f"mean over all {len(beyond)} calibrated layers; the median is {statistics.median(beyond):.1f}."
    )
    columns = [
        "fitted to", "headroom", "cost, mean", "cost, most", "below the held-out limit, mean", "worst layer",
        f"layers more than {DISTANCE} below",
    ]  # fmt: skip
    return f"{markdown(columns, rows)}\n\n{words}"


def rare(load: Load) -> str:
    """The layers that fall far below the limit without headroom."""
    rows = []
    for run in runs(load):
        for number, layer in enumerate(run.layers):
            distance = {one: run.distances(one)[number] for one in layer["sqnr_db"]}
            if distance["1"] > DISTANCE:
                rows.append([
                    f"{run.name}, layer {number}", f"{layer['held_out_peak'] / layer['peak']:.2f}",
                    f"{layer['held_out_beyond']:,}", *(f"{value:.1f}" for value in distance.values()),
                ])  # fmt: skip
    columns = [f"dB below the limit, headroom {one}" for one in distance]
    return markdown(["fitted to", "later peak over the peak", "values beyond the peak", *columns], rows)
