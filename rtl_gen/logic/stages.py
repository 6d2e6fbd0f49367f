"""Registers between the steps of a pipeline, where they are asked for."""

from collections.abc import Collection
from typing import Any, TypeVar

from amaranth.hdl import Const, Module, Signal, Value

Step = TypeVar("Step", bound=tuple[Any, ...])


class Stages:
    """Puts registers of the ``sync`` domain, without reset, into ``m``.

    Args:
        m: the module.
        cuts: names of the steps whose results are registered; those of the others are just named.
    """

    def __init__(self, m: Module, cuts: Collection[str]) -> None:
        self._m = m
        self._cuts = cuts

    def cut(self, name: str, step: Step) -> Step:
        """``step``, a named tuple, every value of it a register if there is a cut of this ``name``, else a signal.

        Lists are taken item by item; None stays.
        """
        make = self.register if name in self._cuts else self.name

        def each(field: str, value: Value | list[Value] | None) -> Value | list[Value] | None:
            if isinstance(value, list):
                return [make(item, f"{name}_{field}{n}") for n, item in enumerate(value)]
            return value if value is None else make(value, f"{name}_{field}")

        named: Any = step
        found: Step = type(named)(*(each(field, value) for field, value in named._asdict().items()))
        return found

    def register(self, value: Value, name: str) -> Value:
        """``value`` one cycle later; constants stay as they are."""
        if isinstance(value, Const):
            return value
        register = Signal.like(value, name=name, reset_less=True)
        self._m.d.sync += register.eq(value)
        return register

    def name(self, value: Value, name: str) -> Value:
        """``value`` as a signal: Amaranth builds an expression anew wherever it is used, and a signal once."""
        if isinstance(value, Const | Signal):
            return value
        named = Signal.like(value, name=name)
        self._m.d.comb += named.eq(value)
        return named

    def delay(self, value: Value, cycles: int, name: str) -> Value:
        """``value``, ``cycles`` later."""
        for number in range(cycles):
            value = self.register(value, f"{name}{number}")
        return value
