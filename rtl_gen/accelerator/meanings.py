"""What the ports of an accelerator mean."""

import re

from qse_hw.rtl_gen.bus.axi_lite import axi_lite_ports, channel_meanings
from qse_hw.rtl_gen.bus.registers import ADDRESS_WIDTH
from qse_hw.rtl_gen.memory.axi_read import axi_read_ports
from qse_hw.rtl_gen.memory.config import BusConfig

_READ = {
    "arid": "number of the reader: 0 image, then the embedding; 1 row multipliers; 2 weights",
    "araddr": "byte address, a multiple of a bus word",
    "arlen": "beats less 1; no burst crosses a multiple of 4096 bytes",
    "arsize": "log2 of a bus word's bytes, constant",
    "arburst": "INCR, constant",
    "arlock": "0",
    "arcache": "normal memory, not cacheable, constant",
    "arprot": "0: unprivileged, secure, data",
    "arqos": "0",
    "rlast": "not needed",
    "rready": "1: there is room for all that was asked for",
}
_STREAMS = {
    "s_axis_tdata": "a token's id",
    "s_axis_tkeep": "ignored",
    "s_axis_tlast": "the token is its sequence's last",
    "s_axis_tid": "the token's sequence, below {sequences}",
    "m_axis_tid": "the token's sequence",
    "m_axis_tdata": "a logit, two's complement, or the next token's id, as MODE says",
    "m_axis_tkeep": "ones; zeros if the beat only ends the packet of a token that a stop has cut off",
    "m_axis_tlast": "the token's last beat",
}


def port_meanings(bus: BusConfig, sequences: int) -> dict[str, str]:
    """The meanings of all ports but the taps, by name."""
    texts = {f"s_axi_{name}": text for name, text in channel_meanings(axi_lite_ports(ADDRESS_WIDTH)).items()}
    for name in axi_read_ports(bus.address_bits, bus.bus_bits, 1):
        channel = "read address" if re.match("ar", name) else "read data"
        texts[f"m_axi_{name}"] = f"AXI4, {channel}" + (f": {_READ[name]}" if name in _READ else "")
    texts |= {name: text.format(sequences=sequences) for name, text in _STREAMS.items()}
    for name in ("s_axis", "m_axis"):
        texts |= {f"{name}_tvalid": "a beat is offered", f"{name}_tready": "a beat is accepted"}
    return texts
