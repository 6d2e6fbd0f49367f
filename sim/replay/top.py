"""The simulation's top module: encoder into decoder, with the stream between them visible."""

from qse_hw.rtl_gen.emit.emit import Emitted

NAME = "replay_top"
# The many equal lanes are compiled once per module instead of once per instance, so that the code fits into the cache.
VERILATOR_CONFIG = """`verilator_config
no_inline -module "qse_encoder_lane"
no_inline -module "qse_decoder_lane"
"""
_STREAMS = ("payload", "valid", "ready")


def top(encoder: Emitted, decoder: Emitted) -> str:
    """Verilog of a module whose ports are the encoder's, the decoder's output stream ``o`` and the stream ``link``."""
    lines: list[str] = []
    declared: list[str] = []
    encoder_pins: list[str] = []
    decoder_pins: list[str] = []
    for unit, pins, streams in (
        (encoder, encoder_pins, {"i": "i", "o": "link"}),
        (decoder, decoder_pins, {"i": "link", "o": "o"}),
    ):
        for port in unit.ports:
            stream, _, member = port["name"].partition("__")
            name = f"{streams[stream]}__{member}" if member in _STREAMS else port["name"]
            pins.append(f".{port['name']}({name})")
            if name in declared:
                continue
            declared.append(name)
            direction = "output" if name.startswith("link__") else port["direction"]
            width = f" [{port['width'] - 1}:0]" if port["width"] > 1 else ""
            # public for the testbench; Verilator hides all other signals
            lines.append(f"  {direction} wire{width} {name} /*verilator public_flat_rw*/")
    return (
        f"module {NAME} (\n" + ",\n".join(lines) + "\n);\n"
        f"  {encoder.config.top} encoder ({', '.join(encoder_pins)});\n"
        f"  {decoder.config.top} decoder ({', '.join(decoder_pins)});\n"
        "endmodule\n"
    )
