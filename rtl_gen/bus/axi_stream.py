"""AXI4-Stream: its signals, and the packing of values into bytes."""

from amaranth.hdl import Cat, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


def bytes_of(width: int) -> int:
    """Whole bytes of a value of ``width`` bits."""
    return -(-width // 8)


def axi_stream_ports(
    prefix: str, width: int, lanes: int, *, out: bool, id_bits: int = 0
) -> dict[str, wiring.Member]:
    """The signals of a stream of ``lanes`` values, each in :func:`bytes_of` bytes, lane 0 in the first; with
    ``id_bits``, TID says to which of several streams a beat belongs."""
    size = bytes_of(width) * lanes
    forward, backward = (Out, In) if out else (In, Out)
    return {
        f"{prefix}_tdata": forward(8 * size),
        f"{prefix}_tkeep": forward(size),
        f"{prefix}_tlast": forward(1),
        **({f"{prefix}_tid": forward(id_bits)} if id_bits else {}),
        f"{prefix}_tvalid": forward(1),
        f"{prefix}_tready": backward(1),
    }


def kept(keep: Value, lanes: int) -> tuple[Value, Value]:
    """``(kept, partial)``, a bit per lane: all of its bytes are kept; some but not all are."""
    size = len(keep) // lanes
    parts = [keep.word_select(lane, size) for lane in range(lanes)]
    return Cat(part.all() for part in parts), Cat(part.any() & ~part.all() for part in parts)
