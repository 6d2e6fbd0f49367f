"""The quantizer with buses in every cycle, without accesses to its registers."""

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.vectors import expected
from qse_hw.rtl_gen.bus.axi_lite import axi_lite_ports
from qse_hw.rtl_gen.bus.axi_stream import bytes_of
from qse_hw.rtl_gen.bus.registers import ADDRESS_WIDTH
from qse_hw.rtl_gen.logic.register_slice import RegisterSlice
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from qse_hw.sim.cycle.pipeline import Handshake
from qse_hw.sim.cycle.stimulus import Stimulus
from qse_hw.sim.cycle.trace import Trace
from qse_hw.sim.packing import unpack

_IDLE = {"awready": 1, "wready": 1, "bvalid": 0, "bresp": 0, "arready": 1, "rvalid": 0, "rresp": 0, "rdata": 0}


class QuantizerModel:
    """The value of every port of :class:`qse_hw.rtl_gen.quantizer.quantizer.Quantizer` in every cycle, with nothing on
    the register bus.

    A beat of the stimulus is tdata in the low bits, then tkeep, then tlast; the streams ``i`` and ``o`` of the stimulus
    are ``s_axis`` and ``m_axis``. In both, tdata, tkeep and tlast are 0, by definition, where tvalid is 0.

    ``latency``: cycles from an accepted beat to its output.
    """

    def __init__(self, config: QuantizerConfig) -> None:
        self._config = config
        self.latency = config.component().latency

    def run(self, stimulus: Stimulus) -> Trace:
        """The trace of ``stimulus``.

        Raises:
            InputError: if it sets inputs other than the streams'.
        """
        config, lanes = self._config, self._config.lanes
        if stimulus.ports:
            raise InputError(f"Stimulus ports must be none, the bus being idle, not {', '.join(stimulus.ports)}")
        handshake = self._handshake(stimulus)
        size, code_size = bytes_of(config.input.width), bytes_of(config.format.bits)
        data, rest = np.split(stimulus.beats, [size * lanes], axis=1)
        bits = np.unpackbits(rest, axis=1, bitorder="little")
        keep, last = bits[:, : size * lanes], bits[:, size * lanes]
        kept = keep.reshape(-1, lanes, size).all(axis=2)
        x = unpack(data, 8 * size, lanes) & np.uint32((1 << config.input.width) - 1)
        codes = expected(np.where(kept, x, 0).astype(np.uint32), config.format, config.input, config.scale).codes
        code_bytes = codes.astype("<u2").view(np.uint8).reshape(-1, lanes, 2)[:, :, :code_size].reshape(len(x), -1)

        trace: Trace = {}
        for name, member in axi_lite_ports(ADDRESS_WIDTH).items():
            width: int = member.shape if isinstance(member.shape, int) else 0
            values = np.full(stimulus.cycles, _IDLE.get(name, 0), np.uint64)
            trace[f"s_axi_{name}"] = values > 0 if width == 1 else values
        sides = (
            ("s_axis", data, keep, handshake.i_valid, handshake.i_ready),
            ("m_axis", code_bytes, np.repeat(kept, code_size, axis=1), handshake.o_valid, handshake.o_ready),
        )
        for name, tdata, tkeep, valid, ready in sides:
            passes = valid & ready
            passed: npt.NDArray[np.int64] = np.cumsum(passes) - passes  # before this cycle
            for part, beats in (("tdata", tdata), ("tkeep", np.packbits(tkeep, axis=1, bitorder="little"))):
                shown = np.zeros((stimulus.cycles, beats.shape[1]), np.uint8)
                shown[valid] = beats[passed[valid]]
                trace[f"{name}_{part}"] = _port(shown, tdata.shape[1] * (8 if part == "tdata" else 1))
            trace[f"{name}_tlast"] = np.zeros(stimulus.cycles, np.bool_)
            trace[f"{name}_tlast"][valid] = last[passed[valid]] > 0
            trace |= {f"{name}_tvalid": valid, f"{name}_tready": ready}
        return trace

    def _handshake(self, stimulus: Stimulus) -> Handshake:
        """The handshake of the core, which stalls as a whole, followed by the register slice, which holds two beats."""
        i_valid, i_ready, o_valid = (bytearray(stimulus.cycles) for _ in range(3))
        left, held, stages, full, offered = len(stimulus.beats), False, 0, False, False
        last = 1 << self.latency - RegisterSlice.latency - 1
        mask = last - 1
        for cycle, (offer, accept) in enumerate(zip(stimulus.offer.tolist(), stimulus.accept.tolist(), strict=True)):
            valid = held or (offer and left > 0)
            out = stages & last > 0
            ready = not full or not out
            i_valid[cycle], i_ready[cycle], o_valid[cycle] = valid, ready, offered
            if valid and not held:
                left -= 1
            if accept or not offered:
                offered, full = full or out, False
            elif out:
                full = True
            if ready:
                stages = (stages & mask) << 1 | valid
            held = valid and not ready
        return Handshake(
            i_valid=np.frombuffer(i_valid, np.bool_),
            i_ready=np.frombuffer(i_ready, np.bool_),
            o_valid=np.frombuffer(o_valid, np.bool_),
            o_ready=stimulus.accept,
        )


def _port(rows: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.generic]:
    """(cycles, bytes) in the form that a :data:`Trace` has for a port of that width."""
    if width > 64:
        return rows
    padded = np.zeros((len(rows), 8), np.uint8)
    padded[:, : rows.shape[1]] = rows
    words: npt.NDArray[np.uint64] = padded.view("<u8")[:, 0].astype(np.uint64)
    return words > 0 if width == 1 else words
