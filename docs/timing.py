"""Draws docs/timing-handshake.svg, a decoder's streams in Amaranth's simulator: python docs/timing.py [--check]."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qse_hw.golden.formats.presets import se8
from qse_hw.rtl_gen.units.decoder import DecoderConfig, value_width
from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.trace.amaranth_trace import simulate

FILE = Path(__file__).parent / "timing-handshake.svg"
CODES = (0x41, 0x07, 0xC3, 0x12, 0x55, 0x9A, 0x20)
BUBBLE = (3,)  # cycles in which nothing is offered
STALL = (7, 8)  # cycles in which the output is not accepted
CYCLES = 13

_LEFT, _TOP, _CELL, _ROW, _HIGH = 92, 26, 56, 34, 20
_COLOURS = ("#a6cee3", "#b2df8a", "#fdbf6f", "#cab2d6", "#ffff99", "#fb9a99", "#9fe0d0")
_LINE = 'fill="none" stroke="black" stroke-width="1.3"'


def record() -> tuple[Trace, int]:
    """What the streams do, and the unit's latency."""
    decoder = DecoderConfig(format=se8()).component()
    cycles = np.arange(CYCLES)
    stimulus = Stimulus(
        beats=np.array(CODES, np.uint8)[:, None], offer=~np.isin(cycles, BUBBLE), accept=~np.isin(cycles, STALL)
    )
    return simulate(decoder, stimulus), decoder.latency


def draw(trace: Trace, latency: int) -> str:
    """The picture as SVG: one column per cycle, which begins with the clock's rising edge."""
    names = [f"{stream}.{member}" for stream in "io" for member in ("payload", "valid", "ready")]
    rows = {name: _TOP + _ROW * number for number, name in enumerate(["clk", *names])}
    bottom = _TOP + _ROW * len(rows)
    width, height = _LEFT + _CELL * CYCLES + 8, bottom + 44
    parts = [_text(_LEFT + _CELL * (cycle + 0.5), 16, str(cycle), "#777") for cycle in range(CYCLES)]
    for cycles, color in ((BUBBLE, "#eeeeee"), (STALL, "#fbe3d6")):
        parts.append(
            f'<rect x="{_x(cycles[0])}" y="{_TOP - 4}" width="{_CELL * len(cycles)}" height="{bottom - _TOP}" '
            f'fill="{color}"/>'
        )
    parts += [f'<path d="M{_x(cycle)} {_TOP - 4}V{bottom - 4}" stroke="#ccc"/>' for cycle in range(CYCLES + 1)]
    parts += [_text(_LEFT - 8, y + 15, name, "black", "end") for name, y in rows.items()]
    clock = "".join(f"M{_x(n)} {_TOP + _HIGH}v{-_HIGH}h{_CELL // 2}v{_HIGH}h{_CELL // 2}" for n in range(CYCLES))
    parts.append(f'<path d="{clock}" {_LINE}/>')
    for name in names:
        signal = trace[name.replace(".", "__")]
        if name.endswith("payload"):
            stream = name[0]
            shown = [f"0x{row[0]:02x}" for row in signal] if stream == "i" else [str(n) for n in _signed(signal)]
            parts += _boxes(shown, trace[f"{stream}__valid"], trace[f"{stream}__ready"], rows[name])
        else:
            parts.append(f'<path d="{_wave(signal, rows[name])}" {_LINE}/>')
    first = np.flatnonzero(trace["i__valid"] & trace["i__ready"])[0]
    parts += _arrow(int(first), latency, bottom + 8)
    notes = ((BUBBLE, "bubble: nothing is offered", "#555"), (STALL, "stall: nothing is taken, all wait", "#a04000"))
    parts += [_text(_x(cycles[0]), bottom + 34, text, color, "start") for cycles, text, color in notes]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="DejaVu Sans, Arial, sans-serif" font-size="12">\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n{body}\n</svg>\n'
    )


def _x(cycle: int) -> int:
    return _LEFT + _CELL * cycle


def _signed(rows: np.ndarray) -> list[int]:
    bits = value_width(se8())
    patterns = [int.from_bytes(row.tobytes(), "little") for row in rows]
    return [pattern - (pattern >> (bits - 1) << bits) for pattern in patterns]


def _wave(signal: np.ndarray, y: int) -> str:
    levels = [y if high else y + _HIGH for high in signal.tolist()]
    return f"M{_x(0)} {levels[0]}" + "".join(f"V{level}H{_x(cycle + 1)}" for cycle, level in enumerate(levels))


def _boxes(shown: list[str], valid: np.ndarray, ready: np.ndarray, y: int) -> Iterator[str]:
    """A box per beat for as long as it is there, in the beat's color; grey where there is none."""
    begin, number = 0, 0
    for cycle in range(CYCLES):
        if valid[cycle] and not ready[cycle] and cycle + 1 < CYCLES:
            continue  # it stays
        left, right, middle = _x(begin), _x(cycle + 1), y + _HIGH // 2
        if valid[cycle]:
            shape = f"M{left} {middle}l4 {-_HIGH // 2}H{right - 4}l4 {_HIGH // 2}l-4 {_HIGH // 2}H{left + 4}z"
            yield f'<path d="{shape}" fill="{_COLOURS[number % len(_COLOURS)]}" stroke="black"/>'
            yield _text((left + right) / 2, y + 15, shown[cycle], "black")
            number += 1
        else:
            yield f'<rect x="{left}" y="{middle - 3}" width="{right - left}" height="6" fill="#bbb"/>'
        begin = cycle + 1


def _arrow(cycle: int, latency: int, y: int) -> Iterator[str]:
    left, right = _x(cycle) + _CELL // 2, _x(cycle + latency) + _CELL // 2
    yield f'<path d="M{left} {y - 5}v10M{right} {y - 5}v10M{left} {y}H{right}m-6 -4l6 4l-6 4" {_LINE}/>'
    yield _text((left + right) / 2, y + 17, f"latency: {latency} cycles", "black")


def _text(x: float, y: float, text: str, color: str, anchor: str = "middle") -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="{color}" text-anchor="{anchor}">{text}</text>'


if __name__ == "__main__":
    made = draw(*record())
    if "--check" in sys.argv[1:]:
        sys.exit(0 if made == FILE.read_text(encoding="utf-8") else f"{FILE.name} is not what docs/timing.py makes")
    FILE.write_text(made, encoding="utf-8")
