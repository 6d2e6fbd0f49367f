"""How an accelerator reads its memory: bursts legal and within their range, answers to whom they belong, no buffer
overflows.

Proved of the parts by themselves, as they are built for the accelerator's bus: a reader, the manager that all readers
share, and a reader's FIFO. Each part may assume of the others what is proved of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from qse_hw.rtl_gen.accelerator.accelerator import READERS
from qse_hw.rtl_gen.emit.emit import Emitted, part
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.fifo import WAITING, Fifo
from qse_hw.rtl_gen.memory.axi_read import PAGE, AxiRead, word_bits
from qse_hw.rtl_gen.memory.config import BusConfig
from qse_hw.rtl_gen.memory.reader import COUNT_BITS, SPARE, Reader
from qse_hw.rtl_gen.units.accelerator import AcceleratorConfig
from qse_hw.synth.formal.harness import TOP, checker, cut, harness, joined, probe, probed, shipped
from qse_hw.synth.formal.stream_faults import TOGGLE, WAS_RESET, Wrong, bounded, wrapped
from qse_hw.synth.formal.task import Fault, Task

_ENGINE = "smtbmc z3"
_COVERED = 24  # cycles
_CLOCK = {"clk": "clk", "rst": "rst"}
_STREAMS = {f"{side}_{signal}": f"{side}__{signal}" for side in "io" for signal in ("valid", "ready", "payload")}


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A part of the memory path, and how it is checked.

    Attributes:
        name: of its tasks.
        unit: its Verilog.
        probes: widths of the signals that the checker sees, by name.
        cut: an instance within whose outputs are arbitrary.
        rules: name of the checker's module.
        cover: name of that of the covers; "" if there is none.
        sizes: parameters of both.
        wires: what their ports are connected to.
        deep: cycles within which each of its faults shows.
        claim: what is proved.
        reached: what the covers show.
        depth: of the induction.
    """

    name: str
    unit: Emitted
    probes: Mapping[str, int]
    cut: str = ""
    rules: str
    cover: str = ""
    sizes: Mapping[str, int]
    wires: Mapping[str, str]
    deep: int
    claim: str
    reached: str = ""
    depth: int = 2

    @cached_property
    def text(self) -> str:
        """The part's Verilog, with the probes as outputs."""
        text = cut(self.unit.text, self.cut) if self.cut else self.unit.text
        return probed(text, self.unit.config.top, self.probes)

    def rule_task(self, text: str) -> Task:
        """The proof of ``text``, which is :attr:`text` or a faulty variant."""
        return Task(
            name=self.name, claim=self.claim, mode="prove", files=self._files(text, self.rules), top=TOP,
            engine=_ENGINE, depth=self.depth,
        )  # fmt: skip

    def cover_task(self) -> Task:
        """What is reached."""
        return Task(
            name=f"{self.name}_cover", claim=self.reached, mode="cover", files=self._files(self.text, self.cover),
            top=TOP, engine=_ENGINE, depth=_COVERED,
        )  # fmt: skip

    def _files(self, text: str, module: str) -> dict[str, str]:
        shared = shipped("memory.sv")
        check = checker(shared, module, "check", self.sizes, self.wires)
        return {
            f"{self.unit.config.top}.v": text,
            **self.unit.models,
            "memory.sv": shared,
            f"{TOP}.sv": harness(self.unit, [check], (), self.probes),
        }


def tasks(config: UnitConfig) -> list[Task]:
    """The proofs of an accelerator's memory path."""
    if not isinstance(config, AcceleratorConfig):
        return []
    parts = _parts(config, config.bus)
    return [*(one.rule_task(one.text) for one in parts), *(one.cover_task() for one in parts if one.cover)]


def faults(config: UnitConfig) -> list[Fault]:
    """Faulty parts, each with the property that catches it; with a small buffer, which a fault soon fills."""
    if not isinstance(config, AcceleratorConfig):
        return []
    bus = config.bus
    small = BusConfig(bus_bits=bus.bus_bits, address_bits=bus.address_bits, burst_beats=2, bursts=2)
    made = []
    reader = _reader_faults(word_bits(bus.address_bits, bus.bus_bits))
    for one, changes in zip(_parts(config, small), (reader, _BUS, _FIFO), strict=True):
        for name, catches, outputs, body in changes:
            text = wrapped(one.unit, one.text, outputs, body, one.probes)
            wrong = Wrong(name=f"{one.name}: {name}", text=text, task=one.name, catches=catches)
            made.append(Fault(name=wrong.name, task=bounded(one.rule_task(text), wrong, one.deep), catches=catches))
    return made


def _parts(config: AcceleratorConfig, bus: BusConfig) -> tuple[_Part, _Part, _Part]:
    words = word_bits(bus.address_bits, bus.bus_bits)
    sizes = {
        "WORD": words, "PAGE": (PAGE * 8 // bus.bus_bits - 1).bit_length(), "LOW": bus.address_bits - words,
        "READERS": len(READERS), "ID": (len(READERS) - 1).bit_length(), "BITS": bus.bus_bits, "BURST": bus.burst_beats,
        "ROOM": bus.burst_beats * bus.bursts,
    }  # fmt: skip
    reader = Reader(
        address_bits=bus.address_bits, bus_bits=bus.bus_bits, burst_beats=bus.burst_beats, bursts=bus.bursts,
        target=config.target,
    )  # fmt: skip
    fifo = part(config, "fifo", reader.fifo)
    return _reader(part(config, "reader", reader), sizes), _manager(config, bus, sizes), _fifo(fifo, sizes)


def _reader(unit: Emitted, sizes: Mapping[str, int]) -> _Part:
    probes = {
        "active": 1, "planned": 1, "room": 1, "word": sizes["WORD"], "left": COUNT_BITS,
        "beats": sizes["BURST"].bit_length(), "held": sizes["ROOM"].bit_length(),
    }  # fmt: skip
    return _Part(
        name="memory_reader",
        unit=unit,
        probes=probes,
        cut="fifo",
        rules="reader_rules",
        cover="reader_cover",
        sizes=sizes,
        wires=_CLOCK
        | _STREAMS
        | {f"b_{signal}": f"bursts__{signal}" for signal in ("valid", "ready", "payload")}
        | {name: name for name in ("stop", "arrived")}
        | {name: probe(name) for name in probes},
        deep=10,
        claim="The bursts of a range, one after another, are exactly its words; no burst crosses a multiple of 4 KiB; "
        "what is asked for, on the way and waiting, never exceeds the reader's room, whenever words come and leave; a "
        "burst that waits stays, until the reader is stopped.",
        reached="Reached: a range of several bursts, a burst that ends a page, a burst that waited for room, one after "
        "a stop, a word that leaves.",
    )


def _manager(config: AcceleratorConfig, bus: BusConfig, sizes: Mapping[str, int]) -> _Part:
    unit = part(
        config, "manager", AxiRead(readers=len(READERS), address_bits=bus.address_bits, bus_bits=bus.bus_bits)
    )
    numbers = range(len(READERS))
    unread = ("arlock", "arcache", "arprot", "arqos", "rlast")
    names = [port["name"] for port in unit.ports if port["name"] not in unread]
    return _Part(
        name="memory_bus",
        unit=unit,
        probes={"due": 24},
        rules="bus_rules",
        cover="bus_cover",
        sizes=sizes,
        wires={name: name for name in names if not name.startswith("bursts")}
        | {f"b_{end}": joined([f"bursts{n}__{end}" for n in numbers]) for end in ("valid", "ready", "payload")}
        | {"due": probe("due")},
        deep=6,
        claim="Every burst of a reader goes to the bus once, with the reader's ID, legal in size, alignment and kind, "
        "and stays until it is accepted; every answer goes to the reader that asked, with its data and its error, in "
        "whatever order the memory answers the readers; idle tells exactly whether all has come; a reset ends all.",
        reached="Reached: readers answered in another order than they asked, idle again, an error, a burst that "
        "waits.",
    )


def _fifo(unit: Emitted, sizes: Mapping[str, int]) -> _Part:
    depth = sizes["ROOM"] + SPARE
    probes = {
        "held": depth.bit_length(), "reserved": WAITING.bit_length(), "free": 1, "room": 1,
        "arrived": BlockRam.latency, "waiting.level": WAITING,
    }  # fmt: skip
    wires = {name: probe(name) for name in ("held", "reserved", "free", "room")}
    return _Part(
        name="memory_fifo",
        unit=unit,
        probes=probes,
        cut="memory",
        rules="fifo_rules",
        sizes={"DEPTH": depth, "WAITING": WAITING, "LATENCY": Fifo.latency, "BITS": sizes["BITS"]},
        wires=_CLOCK | _STREAMS | wires | {"on_the_way": probe("arrived"), "level": probe("waiting.level")},
        deep=Fifo.latency + 3,
        claim=f"A word can leave within {Fifo.latency} cycles, none is invented, what is offered stays until it is "
        "taken; the FIFO accepts a word while it has room for two.",
        depth=Fifo.latency + 2,
    )


_Changes = Sequence[tuple[str, str, Mapping[str, str], str]]
"""Of a faulty part: its name, the property that catches it, the wrapper's outputs, the wrapper's Verilog."""



def _reader_faults(words: int) -> _Changes:
    longer = f"inner_bursts__payload + ({words + 8}'d1 << {words})"
    return (
        ("a burst is longer than it may be", "burst_in_page", {"bursts__payload": longer}, ""),
        ("a burst begins elsewhere", "burst_in_range", {"bursts__payload": "inner_bursts__payload ^ 1'b1"}, ""),
        ("a range is accepted within another", "range_complete", {"i__ready": "1'b1"}, ""),
        ("a burst is withdrawn", "burst_stays", {"bursts__valid": "inner_bursts__valid & odd"}, TOGGLE),
        ("a stop is ignored", "burst_stopped", {"inner_stop": "1'b0"}, ""),
        ("words that wait do not count", "room_for_all", {"inner_o__ready": "1'b1"}, ""),
    )


_BUS: _Changes = (
    ("an address is withdrawn", "ar_stays", {"arvalid": "inner_arvalid & odd"}, TOGGLE),
    ("a beat is of the wrong size", "ar_legal", {"arsize": "inner_arsize ^ 1'b1"}, ""),
    ("a burst has another's ID", "ar_is_the_burst", {"arid": "2'd0"}, ""),
    ("a burst is invented", "ar_once", {"arvalid": "1'b1"}, ""),
    ("two bursts are accepted at a time", "one_at_a_time", {"bursts1__ready": "inner_bursts0__ready"}, ""),
    ("a reader is never heard", "asked_in_time", {"inner_bursts0__valid": "1'b0", "bursts0__ready": "1'b0"}, ""),
    ("an answer is not accepted", "always_ready", {"rready": "odd"}, TOGGLE),
    ("an answer is lost", "words_delivered", {"arrived": "inner_arrived & {3{odd}}"}, TOGGLE),
    ("an error is not told", "errors_told", {"failed": "1'b0"}, ""),
    ("the bus is called idle too early", "idle_exact", {"idle": "1'b1"}, ""),
    ("an address outlives a reset", "quiet_after_reset", {"arvalid": "inner_arvalid | was"}, WAS_RESET),
)
_FIFO: _Changes = (
    ("a word is refused though there is room", "ready_with_room", {"i__ready": "inner_i__ready & odd"}, TOGGLE),
    ("a word is invented", "nothing_invented", {"o__valid": "1'b1"}, ""),
    ("an offer is withdrawn", "offer_stays", {"o__valid": "inner_o__valid & odd"}, TOGGLE),
    ("words never leave", "leaves_in_time", {"o__valid": "1'b0"}, ""),
)
