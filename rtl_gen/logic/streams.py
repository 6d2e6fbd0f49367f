"""Connections between streams whose payloads are alike in bits, not in shape."""

from typing import Any

from amaranth.hdl import Module, Value


def forward(m: Module, source: Any, to: Any) -> None:
    """Give the beats of one stream to another. Payloads are bits: a narrower one is extended by its sign or zeros."""
    m.d.comb += [
        to.valid.eq(source.valid),
        Value.cast(to.payload).eq(Value.cast(source.payload)),
        source.ready.eq(to.ready),
    ]


def transfers(stream: Any) -> Value:
    """Whether a beat passes in this cycle."""
    passes: Value = stream.valid & stream.ready
    return passes
