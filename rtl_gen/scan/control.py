"""Which group of states enters the scan, and what is known of it later on."""

from typing import Any, NamedTuple

from amaranth.hdl import Cat, Module, Signal, Value

from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.logic.sequences import walk
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.units.scan import ScanConfig


class Issued(NamedTuple):
    """A group is issued; it is its channel's last; and the last one that its set of coefficients serves; with several
    sequences, it is its token's first."""

    group: Signal
    last: Signal
    set_last: Signal
    token_first: Signal | None = None


class Chains:
    """What was issued, step by step: bits that move on in every cycle.

    Args:
        m: is added to.
        issued: at step 0.
        steps: the last step.
    """

    def __init__(self, m: Module, issued: Issued, steps: int) -> None:
        self._bits: dict[str, list[Value]] = {}
        for name, bit in issued._asdict().items():
            if bit is None:
                continue
            chain = Signal(steps, name=f"{name}_at")
            m.d.sync += chain.eq(Cat(bit, chain))
            self._bits[name] = [bit, *chain]

    def group(self, step: int) -> Value:
        """Whether a group is at a step."""
        return self._bits["group"][step]

    def last(self, step: int) -> Value:
        """Whether its channel's last one is."""
        return self._bits["last"][step]

    def set_last(self, step: int) -> Value:
        """Whether the last one of a set of coefficients is."""
        return self._bits["set_last"][step]

    def token_first(self, step: int) -> Value:
        """Whether a token's first one is, with several sequences."""
        return self._bits["token_first"][step]


class Issue(NamedTuple):
    """What is issued, its place in memories, and its channel's place there."""

    issued: Issued
    place: Signal
    channel: Signal


def issue(m: Module, i: Any, config: ScanConfig, *, begins: Signal, room: Value, ready: Value) -> Issue:
    """Issue groups of the channels on the stream ``i``, one per cycle.

    Args:
        m: is added to.
        i: the stream; a beat is accepted with its last group.
        config: of the unit.
        begins: is set: a channel is begun.
        room, ready: with both, a channel may begin.
    """
    issued = Issued(
        Signal(name="group"), Signal(name="last"), Signal(name="set_last"),
        Signal(name="token_first") if config.sequences > 1 else None,
    )  # fmt: skip
    begin = Signal(init=1)
    go = Signal()
    with m.If(issued.group):
        _, group_last = count(m, config.groups, "group_number")
        place, token_last = count(m, config.channels * config.groups, "place")
        m.d.sync += begin.eq(group_last)
    with m.If(issued.last):
        channel, _ = count(m, config.channels, "channel")
        _, layer_last = count(m, config.channels // config.layers, "channel_of_layer")
    m.d.comb += [
        go.eq(~begin | (room & ready)),
        i.ready.eq(group_last & go),
        issued.group.eq(i.valid & go),
        issued.last.eq(issued.group & group_last),
        issued.set_last.eq(issued.last & layer_last),
        begins.eq(issued.group & begin),
    ]
    if issued.token_first is not None:
        token_begin = Signal(init=1)
        with m.If(issued.group):
            m.d.sync += token_begin.eq(token_last)
        m.d.comb += issued.token_first.eq(issued.group & token_begin)
    return Issue(issued, place, channel)


def state_places(
    m: Module, config: ScanConfig, chains: Chains, channel: Any, *, read: int, write: int
) -> tuple[Signal, Signal]:
    """Where the states of a group are read at step ``read``, and where they are written at step ``write``.

    Args:
        m: is added to.
        config: of the unit.
        chains: of the groups that were issued.
        channel: the beat whose groups are issued.
        read, write: the steps.
    """
    groups, stages = config.channels * config.groups, Stages(m, ())
    if config.sequences == 1:
        with m.If(chains.group(read)):
            read_place, _ = count(m, groups, "read_place")
        with m.If(chains.group(write)):
            write_place, _ = count(m, groups, "write_place")
        return read_place, write_place

    def place(step: int, sequence: Value, name: str) -> Signal:
        with m.If(chains.group(step - 1)):
            return walk(
                m, begins=chains.token_first(step - 1), sequence=sequence, sequences=config.sequences, places=groups,
                name=name,
            )  # fmt: skip

    reads = stages.delay(channel.sequence, read - 1, "read_sequence")
    writes = stages.delay(reads, write - read, "write_sequence")
    return place(read, reads, "read_place"), place(write, writes, "write_place")


def reserve(m: Module, *, depth: int, begins: Value, left: Value, room: Signal, idle: Signal) -> None:
    """Count the places of a queue that are taken or will be.

    Args:
        m: is added to.
        depth: places.
        begins, left: a place is reserved, is free again.
        room: is set, a cycle late: there is room for two.
        idle: is set, a cycle late: no place is taken or reserved.
    """
    reserved = Signal(range(depth + 1))
    m.d.sync += [
        reserved.eq(reserved + begins - left),
        room.eq(reserved <= depth - 2),
        idle.eq((reserved == 0) & ~begins),
    ]
