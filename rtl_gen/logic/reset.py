"""Output ports that are registers without a reset."""

from amaranth.hdl import Signal
from amaranth.lib import wiring


def omit_reset(component: wiring.Component, *ports: str) -> None:
    """Make output ports of a new component registers that a reset does not change.

    A signature describes no resets: whether a port has one is left to the component. A data path without resets
    is smaller; the valid bits beside it, which have one, say when its values count.
    """
    for name in ports:
        setattr(component, name, Signal.like(getattr(component, name), name=name, reset_less=True))
