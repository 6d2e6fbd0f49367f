"""The registers of an accelerator."""

from qse_hw.golden.models.integer.image.header import VERSION as IMAGE_VERSION
from qse_hw.rtl_gen.accelerator.image_words import ImageMap, hardware_crc
from qse_hw.rtl_gen.bus.registers import Codes, Field, Register, RegisterMap, counter, fixed, flag, parameter
from qse_hw.rtl_gen.memory.config import BusConfig
from qse_hw.rtl_gen.mixer.mixer import FLAGS

ID = int.from_bytes(b"QSEA", "big")
VERSION = (1, 0, 0)  # of the map: incompatible, compatible, editorial changes
BASE_ALIGNMENT = 64
"""Bytes whose multiples an image may begin at."""
STATES = {
    "IDLE": "nothing is read, no token is taken; CONTROL.START begins",
    "LOADING": "the image is read and checked, its parameters are taken",
    "READY": "tokens are taken",
    "STOPPING": "after an error or a soft reset: waits for the answers of the memory, and for the sink to take the end "
    "of its packet; then IDLE",
}
CODES = Codes("STATE", "What the accelerator does (`STATUS.STATE`):", STATES)
SEQUENCE_BITS = 8
"""Bits of a sequence's number in registers, whatever the number of sequences is."""
EFFECT = "Holds what was written. BASE is taken with CONTROL.START, MODE between two tokens' results."
COUNTERS = {
    "CYCLES": "cycles in which a token was inside: taken, and its result not yet given",
    "TOKENS": "tokens whose results were given",
    "WEIGHT_WAITS": "of these cycles, those in which the product engine had room for weights and the memory gave none",
    "SCALE_WAITS": "of these cycles, those in which it had room for row multipliers and the memory gave none",
    "OUTPUT_WAITS": "of these cycles, those in which the sink did not take what was offered",
}


def accelerator_registers(image: ImageMap, bus: BusConfig) -> RegisterMap:
    """The map of an accelerator for images with this map on this bus."""
    major, minor, patch = VERSION
    config = image.config
    sizes = {
        "LAYERS": (config.layers, "layers"),
        "D_MODEL": (config.d_model, "width of the residual stream"),
        "D_INNER": (config.d_inner, "channels of the scan"),
        "D_STATE": (config.d_state, "states of a channel"),
        "DT_RANK": (config.dt_rank, "inputs of dt_proj"),
        "VOCABULARY": (config.vocabulary, "number of tokens"),
    }
    base = (bus.address_bits, (BASE_ALIGNMENT - 1).bit_length())
    registers = [
        fixed("ID", 0x00, "what the block is", [("ID", 0, 32, 'the letters "QSEA"', ID)]),
        fixed("VERSION", 0x04, "version of this register map", [
            ("PATCH", 0, 8, "editorial changes", patch),
            ("MINOR", 8, 8, "compatible changes", minor),
            ("MAJOR", 16, 16, "incompatible changes", major),
        ]),
        *_control(config.sequences),
        *(
            fixed(name, 0x20 + 4 * n, f"what was built: {what}", [("VALUE", 0, 32, what, value)])
            for n, (name, (value, what)) in enumerate(sizes.items())
        ),
        fixed("ENGINE", 0x38, "what was built: weights per cycle", [
            ("ROWS", 0, 16, "rows of the product engine", config.rows),
            ("COLUMNS", 16, 16, "inputs of a row", config.columns),
        ]),
        fixed("BUS", 0x3C, "what was built: the memory's bus", [
            ("BITS", 0, 16, "of a bus word", bus.bus_bits),
            ("ADDRESS_BITS", 16, 8, "of an address", bus.address_bits),
        ]),
        fixed("IMAGE_BYTES", 0x40, "of the image, low bits", [("VALUE", 0, 32, "bytes", image.size % (1 << 32))]),
        fixed("IMAGE_BYTES_HIGH", 0x44, "of the image, above", [("VALUE", 0, 32, "bytes", image.size >> 32)]),
        fixed("IMAGE_VERSION", 0x48, "of the image's layout", [("VALUE", 0, 32, "version", IMAGE_VERSION)]),
        fixed("IMAGE_HARDWARE", 0x4C, "`hardware` in the header of a suitable image", [
            ("VALUE", 0, 32, "CRC-32 of the configuration", hardware_crc(config)),
        ]),
        parameter("BASE", 0x50, min(32, base[0]) - base[1], "address of the image, a multiple of 64: bits 31 to 6", 0,
                  "ADDRESS", low=base[1]),
        *([parameter("BASE_HIGH", 0x54, base[0] - 32, "address of the image, bits 32 and up", 0, "ADDRESS")]
          if base[0] > 32 else []),
        parameter("MODE", 0x58, 1, "1: results are logits, 0: the next token's id, the arg max", 0, "LOGITS"),
        *([fixed("SEQUENCES", 0x5C, "what was built: sequences whose states are kept", [
            ("VALUE", 0, 32, "sequences", config.sequences),
        ])] if config.sequences > 1 else []),
        *(counter(name, 0x200 + 4 * n, meaning) for n, (name, meaning) in enumerate(COUNTERS.items())),
    ]  # fmt: skip
    return RegisterMap(registers=tuple(registers), effect=EFFECT, codes=CODES)


def _control(sequences: int) -> list[Register]:
    """Commands and status; of what is for several sequences only if there are."""
    new_sequence = "the next token that is taken begins a sequence"
    commands, flags = [], []
    if sequences > 1:
        new_sequence = "the next token of SEQUENCE that is taken begins it anew"
        commands = [Field(name="SEQUENCE", low=3, width=SEQUENCE_BITS, meaning="which one, for NEW_SEQUENCE")]
        flags = [
            flag("SEQUENCE_ERROR", 13, "a token's TID, or SEQUENCE with NEW_SEQUENCE, was not below SEQUENCES: the "
                 "token was dropped, the command ignored"),
        ]  # fmt: skip
    return [
        Register(name="CONTROL", offset=0x10, access="command", meaning="commands", fields=(
            Field(name="START", low=0, width=1, meaning="read and check the image at BASE; ignored unless IDLE"),
            Field(name="SOFT_RESET", low=1, width=1, meaning="stop, forget all that is inside, end an open output "
                  "packet, clear counters and sticky bits; registers stay, and START is needed again"),
            Field(name="NEW_SEQUENCE", low=2, width=1, meaning=new_sequence),
            *commands,
        )),
        Register(name="STATUS", offset=0x14, access="status", meaning="state and sticky flags", fields=(
            Field(name="STATE", low=0, width=2, meaning=", ".join(f"{n} {name}" for n, name in enumerate(STATES))),
            Field(name="BUSY", low=2, width=1, meaning="a token is inside"),
            flag("READ_ERROR", 8, "the memory answered with an error (SLVERR, DECERR): stopped"),
            flag("IMAGE_MISMATCH", 9, "the image's header is not that of a suitable image: stopped"),
            flag("IMAGE_DAMAGED", 10, "a checksum of the image differs: stopped"),
            flag("ADDRESS_ERROR", 11, "the image at BASE would reach beyond the last address: not started"),
            flag("TOKEN_ERROR", 12, "a token's id was not below VOCABULARY: the token was dropped"),
            *flags,
            Field(name="REGION", low=16, width=3, meaning="where the image was last found to be damaged: 0 header and "
                  "tables, then its parts, 1 the first"),
        )),
        Register(name="SATURATED", offset=0x18, access="status", meaning="tensors with a value that saturated", fields=(
            *(flag(name.upper(), n, name) for n, name in enumerate(FLAGS)),
        )),
    ]  # fmt: skip
