"""A DUT in Python with the streams ``i`` and ``o``, and faults on demand: to try agents without a simulator."""

from types import SimpleNamespace

from cocotb.types import LogicArray

from qse_hw.sim.replay.agents import Monitor


class Handle:
    """As a cocotb handle: assigned integers (or text with X), read as a logic array."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._value = LogicArray("X" * width)

    def __len__(self) -> int:
        return self._width

    @property
    def value(self) -> LogicArray:
        return self._value

    @value.setter
    def value(self, value: int | str) -> None:
        text = value if isinstance(value, str) else f"{value % (1 << self._width):0{self._width}b}"
        self._value = LogicArray(text)


class FakeDut(SimpleNamespace):
    """A stream register of one beat: what enters leaves one cycle later, plus 1; ``fault`` happens at beat 3."""

    FAULTS = ("", "wrong", "drop", "repeat", "withdraw", "change", "silent", "x", "blocked")

    def __init__(self, fault: str = "", width: int = 12) -> None:
        names = {"payload": width, "valid": 1, "ready": 1}
        handles = {f"{stream}__{name}": Handle(bits) for stream in "io" for name, bits in names.items()}
        super().__init__(**handles, scale_m=Handle(8), scale_k=Handle(9))
        assert fault in self.FAULTS
        self.fault, self.mask = fault, (1 << width) - 1
        self.held: int | None = None
        self.number = 0  # of the beat held
        self.waited = 0
        self.settle()

    def settle(self) -> None:
        """Combinational outputs."""
        here, third = self.held is not None, self.number == 3
        payload = (self.held or 0) + (self.fault == "wrong" and third)
        if self.fault == "change" and third:
            payload += self.waited
        valid = here and self.fault != "silent" and not (self.fault == "withdraw" and third and self.waited == 1)
        self.o__payload.value = "X" * len(self.o__payload) if self.fault == "x" and third else payload & self.mask
        self.o__valid.value = int(valid)
        ready = str(self.o__ready.value) == "1"
        moves = not here or self.fault == "silent" or (ready and not (self.fault == "repeat" and third))
        self.i__ready.value = int(self.fault != "blocked" and moves)

    def clock(self) -> None:
        """A rising edge."""
        leaves = self.held is not None and str(self.o__ready.value) == "1" and str(self.o__valid.value) == "1"
        enters = str(self.i__valid.value) == "1" and str(self.i__ready.value) == "1"
        self.waited = 0 if leaves or self.held is None else self.waited + 1
        if leaves and not (self.fault == "repeat" and self.number == 3):
            self.held = None
        elif leaves:
            self.number += 1  # comes once more
        if enters:
            self.number += 1
            self.waited = 0
            dropped = self.fault == "drop" and self.number == 3
            self.held = None if dropped else (int(self.i__payload.value) + 1) & self.mask


def run(dut, agents, cycles: int) -> None:
    """The agents in step, as ``qse_hw.sim.replay.agents.cycles`` has them."""
    for _ in range(cycles):
        for agent in agents:
            if not isinstance(agent, Monitor):
                agent.drive()
        dut.settle()
        for agent in agents:
            agent.observe()
        dut.clock()
        dut.settle()
