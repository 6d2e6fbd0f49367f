"""A tile of rows: their products and totals side by side, and the totals' way out, a few at a time."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal, Value, ValueLike

from qse_hw.rtl_gen.linear.multiply_accumulate import Row


def connect_rows(
    m: Module,
    rows: Sequence[Row],
    *,
    values: Sequence[Value],
    above: Sequence[Value],
    weights: Sequence[Value],
    **controls: Value,
) -> None:
    """Add ``rows`` to ``m``; all of them multiply the same ``values``, each by its own word of ``weights``, int8.

    ``controls``: what drives the further inputs of each row, by name.
    """
    for number, (row, word) in enumerate(zip(rows, weights, strict=True)):
        m.submodules[f"row{number}"] = row
        m.d.comb += [getattr(row, name).eq(value) for name, value in controls.items()]
        for n, value in enumerate(values):
            m.d.comb += [
                row.mantissas[n].eq(value),
                row.weights[n].eq(word.word_select(n, 8).as_signed()),
                row.above[n].eq(above[n]),
            ]


def shift_out(
    m: Module, *, done: Value, totals: Sequence[Value], lanes: int, occupied: ValueLike | None = None
) -> tuple[list[Signal], Signal]:
    """``(kept, waiting)``: totals kept when they are ``done``, then shifted by ``lanes`` of them per cycle.

    While ``waiting[0]``, the first ``lanes`` of ``kept`` leave. ``occupied``: a bit for every ``lanes`` of the totals,
    the low ones set, which of them leave; default: all. The next totals may be done as many cycles later as it takes
    for all of them to leave.
    """
    kept = [Signal.like(total, name=f"kept{n}", reset_less=True) for n, total in enumerate(totals)]
    waiting = Signal(len(totals) // lanes)
    with m.If(done):
        m.d.sync += [waiting.eq((1 << len(waiting)) - 1 if occupied is None else occupied), Cat(kept).eq(Cat(totals))]
    with m.Else():
        m.d.sync += [waiting.eq(waiting >> 1), Cat(kept[:-lanes]).eq(Cat(kept[lanes:]))]
    return kept, waiting
