"""A quantizer in a simulator, with cocotbext-axi as the independent master of its buses, and what golden says to it."""

import importlib.util
import json
import os
import random
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, ReadOnly
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import format_from_json
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.vectors import encoder_vectors, expected
from qse_hw.rtl_gen.bus.axi_stream import bytes_of
from qse_hw.rtl_gen.lane.format_family import FormatFamily
from qse_hw.rtl_gen.quantizer.parameter_rules import parameters_of, refusal
from qse_hw.rtl_gen.quantizer.registers import REFUSALS
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig

FOLDER_VARIABLE = "QSE_QUANTIZER"  # environment variable: the folder of the generated files
PERIOD = 10
SEED = 20260109


def folder():
    return Path(os.environ[FOLDER_VARIABLE])


def config():
    """The configuration that was built."""
    document = json.loads((folder() / "parameters.json").read_text())
    return QuantizerConfig(
        format=format_from_json(document["format"]),
        input=input_type(document["input"]),
        scale=Scale(**document["scale"]),
        lanes=document["lanes"],
    )


def generated_constants():
    """The generated Python module."""
    spec = importlib.util.spec_from_file_location("registers", folder() / "qse_quantizer_registers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pauses(seed):
    """For ever, in runs of random length, half of the time."""
    draw = random.Random(seed)
    while True:
        for _ in range(draw.choice((1, 1, 2, 5, 9))):
            yield True
        for _ in range(draw.choice((1, 1, 2, 5, 11))):
            yield False


class Packet:
    """Values, which of them are kept (with all or with some of their bytes), and what golden makes of them."""

    def __init__(self, config, rng, patterns, beats, holes=True):
        count = beats * config.lanes
        self.config = config
        self.values = rng.choice(patterns, count).astype(np.uint32)
        size = bytes_of(config.input.width)
        keep = np.ones((count, size), np.int64)
        if holes:
            keep[rng.random(count) < 0.2] = 0
            keep[rng.random(count) < 0.1] = rng.integers(0, 2, size)
        self.keep = keep
        self.kept = keep.all(axis=1)
        self.partial = bool((keep.any(axis=1) & ~self.kept).any())
        # what lies above a value's bits does not matter
        spare = rng.integers(0, 1 << 32, count, dtype=np.uint64) << np.uint64(config.input.width)
        self._bytes = (self.values | spare).astype("<u8").view(np.uint8).reshape(-1, 8)[:, :size]

    @property
    def frame(self):
        return AxiStreamFrame(self._bytes.tobytes(), tkeep=self.keep.reshape(-1).tolist())

    def answer(self, format, scale, bypass=False):
        """Golden's vectors for what is kept, and the frame that must come."""
        values = np.where(self.kept, self.values, 0)
        want = expected(values, format, self.config.input, scale)
        if bypass:
            want = want._replace(
                codes=(values & ((1 << format.bits) - 1)).astype(np.uint16),
                saturated=np.zeros_like(want.saturated), nan=np.zeros_like(want.nan),
            )  # fmt: skip
        size = bytes_of(format.bits)
        data = want.codes.astype("<u2").view(np.uint8).reshape(-1, 2)[:, :size].tobytes()
        return want, (data, np.repeat(self.kept, size).astype(int).tolist())


class Counts(dict):
    """What the counters must say."""

    def __init__(self, config):
        names = ["VALUES", "SATURATED", "NAN", *(f"SEGMENT{n}_VALUES" for n in range(len(config.format.segments)))]
        super().__init__(dict.fromkeys(names, 0))

    def add(self, packet, format, scale, bypass=False):
        want, _ = packet.answer(format, scale, bypass)
        self["VALUES"] += int(packet.kept.sum())
        if bypass:
            return
        self["SATURATED"] += int((want.saturated & packet.kept).sum())
        self["NAN"] += int((want.nan & packet.kept).sum())
        codes = want.codes[packet.kept] & ((1 << format.code_field_bits) - 1)
        for n, segment in enumerate(format.segments):
            inside = (codes >= segment.first_code) & (codes < segment.first_code + segment.codes)
            self[f"SEGMENT{n}_VALUES"] += int(inside.sum())


class Bench:
    """Masters and checkers; use :func:`start`."""

    def __init__(self, dut, stalled):
        self.dut, self.config, self.rng = dut, config(), np.random.default_rng(SEED)
        self.registers, self.family = self.config.registers, FormatFamily.of(self.config.format)
        self.setting = (self.config.format, self.config.scale, False)
        self.patterns = encoder_vectors(self.config.format, self.config.input, self.config.scale).input_bits
        dut.rst.value = 1
        cocotb.start_soon(Clock(dut.clk, PERIOD, unit="ns").start())
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
        self.broken = []
        for prefix in ("m_axis_t", "s_axi_b", "s_axi_r"):
            cocotb.start_soon(self._watch(prefix))
        if stalled:
            print(f"seed of the stalls: {SEED}")
            write, read = self.master.write_if, self.master.read_if
            channels = (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel)
            for number, agent in enumerate((self.source, self.sink, *channels)):
                agent.set_pause_generator(pauses(SEED + number))

    async def _watch(self, prefix):
        """A channel on which the unit is the source: what is offered stays, unchanged, until it is accepted."""
        valid, ready = getattr(self.dut, f"{prefix}valid"), getattr(self.dut, f"{prefix}ready")
        names = {"m_axis_t": ("data", "keep", "last"), "s_axi_b": ("resp",), "s_axi_r": ("data", "resp")}[prefix]
        payload = [getattr(self.dut, f"{prefix}{name}") for name in names]
        waiting = None
        while True:
            await FallingEdge(self.dut.clk)
            await ReadOnly()
            now = tuple(int(signal.value) for signal in payload) if int(valid.value) else None
            if waiting is not None and now != waiting:
                self.broken.append(f"{prefix}: {waiting} became {now}")
            waiting = now if now is not None and not int(ready.value) else None
            if int(self.dut.rst.value):
                waiting = None

    async def write(self, name, value, *, size=4):
        """The answer, 0 for OKAY; only the lowest ``size`` bytes are strobed."""
        data = (value % (1 << 32)).to_bytes(4, "little")[:size]
        return int((await self.master.write(self.registers[name].offset, data)).resp)

    async def read(self, name):
        response = await self.master.read(self.registers[name].offset, 4)
        assert response.resp == 0
        return int.from_bytes(response.data, "little")

    async def status(self):
        word = await self.read("STATUS")
        return {field.name: field.of(word) for field in self.registers["STATUS"].fields}

    async def set(self, parameters):
        """Write parameters, by their names in lower case."""
        for name, value in parameters.items():
            assert await self.write(name.upper(), value) == 0, (name, value)

    async def apply(self, parameters):
        """Write and apply parameters, wait until that is done; returns STATUS."""
        await self.set(parameters)
        assert await self.write("CONTROL", 1) == 0
        while (status := await self.status())["PENDING"]:
            pass
        want = refusal(self.family, self.config.scale.bits, parameters)
        assert status["ERROR"] == [*REFUSALS].index(want)
        assert status["PARAMETER_ERROR"] == (want != "NONE")
        return status

    async def use(self, format, scale, bypass=False):
        """Apply a legal setting."""
        await self.apply(parameters_of(format, scale, bypass=bypass))
        self.setting = (format, scale, bypass)

    def packet(self, beats=None, **options):
        return Packet(self.config, self.rng, self.patterns, beats or int(self.rng.integers(1, 13)), **options)

    async def receive(self):
        """(data, keep) of the next packet."""
        frame = await self.sink.recv(compact=False)
        return bytes(frame.tdata), [int(bit) for bit in frame.tkeep]

    async def check_counts(self, counts):
        await ClockCycles(self.dut.clk, 5)
        assert {name: await self.read(name) for name in counts} == counts


async def start(dut, stalled=False):
    """A bench whose unit has been reset."""
    bench = Bench(dut, stalled)
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 2)
    return bench
