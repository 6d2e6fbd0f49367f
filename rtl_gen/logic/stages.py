"""Registers between the steps of a pipeline, behind chosen steps only."""

from collections.abc import Collection
from typing import Any, TypeVar

from amaranth.hdl import Const, Module, Signal, Value

Results = TypeVar("Results", bound=tuple[Any, ...])


class Stages:
    """Adds registers of the ``sync`` domain, without reset, to ``m``.

    Args:
        m: the module.
        registered: names of the steps whose results are registered.
    """

    def __init__(self, m: Module, registered: Collection[str]) -> None:
        self._m = m
        self._registered = registered

    def step(self, name: str, results: Results) -> Results:
        """The results of step ``name``, a named tuple: registers if the step is registered, else named signals.

        Each item of a list becomes a register or signal of its own; None stays None.
        """
        make = self.register if name in self._registered else self.name

        def each(field: str, value: Value | list[Value] | None) -> Value | list[Value] | None:
            if isinstance(value, list):
                return [make(item, f"{name}_{field}{n}") for n, item in enumerate(value)]
            return value if value is None else make(value, f"{name}_{field}")

        fields: Any = results
        made: Results = type(fields)(*(each(field, value) for field, value in fields._asdict().items()))
        return made

    def register(self, value: Value, name: str) -> Value:
        """``value`` one cycle later; constants stay as they are."""
        if isinstance(value, Const):
            return value
        register = Signal.like(value, name=name, reset_less=True)
        self._m.d.sync += register.eq(value)
        return register

    def name(self, value: Value, name: str) -> Value:
        """``value`` as a signal: an expression is converted again at each use, a signal once."""
        if isinstance(value, Const | Signal):
            return value
        named = Signal.like(value, name=name)
        self._m.d.comb += named.eq(value)
        return named

    def delay(self, value: Value, cycles: int, name: str) -> Value:
        """``value``, ``cycles`` cycles later."""
        for number in range(cycles):
            value = self.register(value, f"{name}{number}")
        return value
