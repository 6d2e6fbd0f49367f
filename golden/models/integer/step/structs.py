"""The parameters of the operations, as arithmetic.hpp, operations.hpp and scan.hpp declare them."""

import ctypes

Pointer, Integer, Number = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double


class Type(ctypes.Structure):
    """Of a tensor's values."""

    _fields_ = (
        ("scale", Number), ("low", Number), ("high", Number), ("values", Pointer), ("floors", Integer),
        ("saturated", Pointer),
    )  # fmt: skip


class Embed(ctypes.Structure):
    """The residual stream's first values."""

    _fields_ = (("n", Integer), ("weights", Pointer), ("factors", Pointer), ("to", Type), ("out", Pointer))


class Normalize(ctypes.Structure):
    """RMSNorm of groups."""

    _fields_ = (
        ("groups", Integer), ("n", Integer), ("input", Pointer), ("eps", Integer), ("M", Integer), ("k", Integer),
        ("roots", Pointer), ("to", Type), ("out", Pointer),
    )  # fmt: skip


class Product(ctypes.Structure):
    """A matrix times a vector."""

    _fields_ = (
        ("rows", Integer), ("columns", Integer), ("input", Pointer), ("weights", Pointer), ("factors", Pointer),
        ("to", Type), ("out", Pointer),
    )  # fmt: skip


class Convolve(ctypes.Structure):
    """The depthwise convolution, with its window."""

    _fields_ = (
        ("channels", Integer), ("width", Integer), ("input", Pointer), ("window", Pointer), ("taps", Pointer),
        ("bias", Pointer), ("factors", Pointer), ("to", Type), ("out", Pointer),
    )  # fmt: skip


class LookUp(ctypes.Structure):
    """A function by its table."""

    _fields_ = (("n", Integer), ("input", Pointer), ("table", Pointer), ("first", Integer), ("out", Pointer))


class Convert(ctypes.Structure):
    """To another unit, plus a bias."""

    _fields_ = (
        ("n", Integer), ("input", Pointer), ("factors", Pointer), ("bias", Pointer), ("to", Type), ("out", Pointer)
    )  # fmt: skip


class Gate(ctypes.Structure):
    """A product of two vectors."""

    _fields_ = (
        ("n", Integer), ("input", Pointer), ("gate", Pointer), ("factor", Number), ("to", Type), ("out", Pointer)
    )  # fmt: skip


class Hadamard(ctypes.Structure):
    """The transform, not normalized."""

    _fields_ = (
        ("chunks", Integer), ("chunk", Integer), ("across", Pointer), ("input", Pointer), ("out", Pointer)
    )  # fmt: skip


class Add(ctypes.Structure):
    """To the residual stream."""

    _fields_ = (("n", Integer), ("input", Pointer), ("to", Type), ("stream", Pointer))


class Exp2(ctypes.Structure):
    """The unit of decays."""

    _fields_ = (("last", Integer), ("cell_bits", Integer), ("lines", Pointer), ("shift", Integer))


class Random(ctypes.Structure):
    """The LFSR of stochastic rounding."""

    _fields_ = (("words", Pointer), ("leap", Pointer))


class Segments(ctypes.Structure):
    """Of the state's format, for stochastic rounding."""

    _fields_ = (
        ("count", Integer), ("starts", Pointer), ("steps", Pointer), ("offset", Integer), ("zero_point", Number)
    )  # fmt: skip


class Scan(ctypes.Structure):
    """A time step of the selective scan, with its state."""

    _fields_ = (
        ("channels", Integer), ("states", Integer), ("groups", Integer), ("per_delta", Integer), ("by_state", Integer),
        ("x", Pointer), ("delta", Pointer), ("B", Pointer), ("C", Pointer), ("rates", Pointer), ("inflow", Pointer),
        ("places", Pointer), ("D", Pointer), ("output", Pointer), ("h", Pointer), ("exp2", Exp2), ("random", Random),
        ("segments", Segments), ("to_inflow", Type), ("to_state", Type), ("to", Type), ("out", Pointer),
    )  # fmt: skip


class Call(ctypes.Structure):
    """An operation with its parameters."""

    _fields_ = (("operation", Pointer), ("parameters", Pointer))


OPERATIONS: dict[type[ctypes.Structure], str] = {
    Embed: "embed", Normalize: "normalize", Product: "product", Convolve: "convolve", LookUp: "look_up",
    Convert: "convert", Gate: "gate", Hadamard: "hadamard", Add: "add", Scan: "scan",
}  # fmt: skip
"""The names of the operations with these parameters."""
