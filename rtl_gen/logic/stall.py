"""Flow control of a pipeline that advances or stalls as a whole."""

from amaranth.hdl import Cat, Module, Signal, ValueLike


def stall_control(m: Module, *, i_valid: ValueLike, o_ready: ValueLike, latency: int) -> tuple[Signal, Signal]:
    """Add the valid bits of a ``latency``-stage pipeline to ``m``.

    Returns ``(advance, o_valid)``. Every stage moves on while ``advance`` is high, which is also the input's ready. It
    depends combinationally on ``o_ready``, so no buffer is needed; it is high while the output has no beat, so the
    pipeline cannot deadlock; and a stalled output keeps its payload, as the stream rules require.
    """
    advance = Signal()
    valid = Signal(latency)  # bit 0: the first stage
    m.d.comb += advance.eq(o_ready | ~valid[-1])
    with m.If(advance):
        m.d.sync += valid.eq(Cat(i_valid, valid))
    return advance, valid[-1]
