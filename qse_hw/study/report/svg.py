"""Drawings that are part of the page: they take its colors, light or dark, and print sharply."""

import math
from collections.abc import Iterable, Sequence

from qse_hw.study.report.html import Html, join, tag

COLORS = 6
"""Classes ``c0`` to ``c5`` of the page's style; more segments than that begin again."""


def color(number: int) -> str:
    """The class of the color of a number."""
    return f"c{number % COLORS}"


class Plot:
    """A pair of axes, and what is drawn between them in the axes' own units.

    Args:
        alt: what the picture shows, for who cannot see it.
        x, y: the ends of the axes.
        log: y is logarithmic, base 2.
        height: of the drawing, in its own units, of which it is 640 wide.
        left, bottom, top: room for what is written at the axes, and above.
    """

    width = 640

    def __init__(
        self,
        alt: str,
        *,
        x: tuple[float, float],
        y: tuple[float, float],
        log: bool = False,
        height: int = 280,
        left: int = 64,
        bottom: int = 48,
        top: int = 30,
    ) -> None:
        self.alt, self.x, self.log, self.height = alt, x, log, height
        self.y = (math.log2(y[0]), math.log2(y[1])) if log else y
        self.left, self.right, self.top, self.bottom = left, self.width - 14, top, height - bottom
        self.parts: list[Html] = []

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point is in the drawing."""
        value = math.log2(y) if self.log else y
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (value - self.y[0]) / (self.y[1] - self.y[0])
        return self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top)

    def axes(
        self, x: str, y: str, *, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]]
    ) -> None:
        """Grid lines with their texts, and the axes' names."""
        for value, word in x_ticks:
            place = self.at(value, 2 ** self.y[0] if self.log else self.y[0])[0]
            self._line(place, self.top, place, self.bottom, "grid")
            self.write(word, place, self.bottom + 17, anchor="middle")
        for value, word in y_ticks:
            place = self.at(self.x[0], value)[1]
            self._line(self.left, place, self.right, place, "grid")
            self.write(word, self.left - 7, place + 4, anchor="end")
        self._line(self.left, self.bottom, self.right, self.bottom, "axis")
        self.write(x, (self.left + self.right) / 2, self.bottom + 38, anchor="middle", kind="name")
        self.write(y, self.left, 16, anchor="start", kind="name")

    def line(self, points: Iterable[tuple[float, float]], kind: str) -> None:
        """A line through points."""
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self.at(*point) for point in points))
        self.parts.append(tag("polyline", points=places, class_=f"line {kind}"))

    def dot(self, x: float, y: float, kind: str, title: str) -> None:
        """A point, which tells its value when it is pointed at."""
        across, down = self.at(x, y)
        self.parts.append(tag("g", tag("title", title), tag("circle", cx=across, cy=down, r=4.0), class_=kind))

    def box(self, x: tuple[float, float], y: tuple[float, float], kind: str, title: str) -> None:
        """A rectangle between two x and two y."""
        left, bottom = self.at(x[0], y[0])
        right, top = self.at(x[1], y[1])
        self.rectangle(left, top, right - left, bottom - top, kind, title)

    def rectangle(self, x: float, y: float, width: float, height: float, kind: str, title: str) -> None:
        """A rectangle in the drawing's units."""
        drawn = tag("rect", x=float(x), y=float(y), width=float(width), height=float(height))
        self.parts.append(tag("g", tag("title", title), drawn, class_=kind))

    def write(self, text: str, x: float, y: float, *, anchor: str = "start", kind: str | None = None) -> None:
        """Words at a place in the drawing's units."""
        self.parts.append(tag("text", text, x=float(x), y=float(y), text_anchor=anchor, class_=kind))

    def legend(self, entries: Sequence[tuple[str, str]]) -> None:
        """Words and their colors' classes, above the axes, from the right."""
        place = float(self.right)
        for word, kind in reversed(entries):
            place -= 7.2 * len(word)
            self.write(word, place, 16)
            self.rectangle(place - 15, 7, 10, 10, kind, word)
            place -= 28

    def svg(self) -> Html:
        """The drawing."""
        return tag(
            "svg", "\n", join((tag("title", self.alt), *self.parts)), "\n",
            role="img", aria_label=self.alt, viewBox=f"0 0 {self.width} {self.height}",
        )  # fmt: skip

    def _line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self.parts.append(tag("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=kind))


def ticks(low: float, high: float, most: int = 8) -> list[tuple[float, str]]:
    """Round numbers between two, at most so many, with their texts."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    numbers = range(math.ceil(low / step), math.floor(high / step) + 1)
    return [(number * step, f"{number * step:.10g}") for number in numbers]


def powers(low: float, high: float, most: int = 9) -> list[tuple[float, str]]:
    """Powers of two between two, at most so many, as ``1/4``, ``2``."""
    first, last = math.ceil(math.log2(low)), math.floor(math.log2(high))
    every = -(-(last - first + 1) // most)
    return [(2.0**power, power_of_two(power)) for power in range(first, last + 1) if power % every == 0]


def power_of_two(power: int) -> str:
    """``1/4`` for -2, ``4`` for 2."""
    return f"{1 << power}" if power >= 0 else f"1/{1 << -power}"
