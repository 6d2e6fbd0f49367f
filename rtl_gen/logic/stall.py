"""Flow control of a pipeline that advances or stalls as a whole."""

from collections.abc import Iterable
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value, ValueLike


def stall_control(
    m: Module, *, i_valid: ValueLike, o_ready: ValueLike, latency: int, sliced: bool = False
) -> tuple[Signal, Signal]:
    """Add the valid bits of a ``latency``-stage pipeline to ``m``.

    Returns ``(advance, o_valid)``. Every stage moves on while ``advance`` is high, which is also the input's ready. It
    depends combinationally on ``o_ready``, so no buffer is needed; it is high while the output has no beat, so the
    pipeline cannot deadlock; and a stalled output keeps its payload, as the stream rules require.

    With ``sliced``, ``o_ready`` is that of a register slice, which waits for no beat, so it alone is ``advance``: a
    register, which reaches all stages without logic. The pipeline stands still also with no beat at its end.
    """
    advance = Signal()
    valid = Signal(latency)  # bit 0: the first stage
    m.d.comb += advance.eq(o_ready if sliced else o_ready | ~valid[-1])
    with m.If(advance):
        m.d.sync += valid.eq(Cat(i_valid, valid))
    return advance, valid[-1]


def connect(m: Module, unit: Any, advance: Value, o_valid: Value, outputs: Iterable[Value]) -> None:
    """Connect the streams ``i`` and ``o`` of a pipeline with :func:`stall_control`; ``outputs``: lane 0 first."""
    m.d.comb += [
        unit.i.ready.eq(advance),
        unit.o.valid.eq(o_valid),
        Value.cast(unit.o.payload).eq(Cat(outputs)),
    ]


def sticky(m: Module, unit: Any, flag: Signal, events: Iterable[Value]) -> None:
    """Set ``flag`` when a beat leaves with one of ``events``; the unit's ``clear`` clears it, but not in that cycle."""
    event = Cat(events).any()
    m.d.sync += flag.eq((unit.o.valid & unit.o.ready & event) | (flag & ~unit.clear))
