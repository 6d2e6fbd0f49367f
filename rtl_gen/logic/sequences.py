"""Memories with a part for each of several sequences, which a unit walks through token by token."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value, ValueLike


def sequence_field(sequences: int) -> dict[str, Any]:
    """The field ``sequence`` of a layout: a number below ``sequences``; no field if there is only one."""
    return {"sequence": range(sequences)} if sequences > 1 else {}


def walk(m: Module, *, begins: ValueLike, sequence: Value, sequences: int, places: int, name: str) -> Signal:
    """The address of a token's next place in the memory of its sequence, a cycle later.

    Place n of sequence s has the address ``n * sequences + s``, so a memory of ``places * sequences`` words is full and
    the address needs no multiplication. It moves on under the ``m.If`` conditions around the call.

    Args:
        m: is added to.
        begins: the place is its token's first.
        sequence: of the token; counts with ``begins`` only.
        sequences: how many there are.
        places: of each.
        name: of the address.
    """
    address = Signal(range(places * sequences), name=name, reset_less=True)
    m.d.sync += address.eq(Mux(begins, sequence, address + sequences))
    return address
