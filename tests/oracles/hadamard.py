"""The Hadamard transform against SciPy's matrices, Paley's by SymPy's Legendre symbols, and the defining property."""

from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.linalg
import sympy

from qse_hw.golden.reference import hadamard
from qse_hw.golden.reference.linear import requantize
from tests.oracles.comparison import Comparison, same
from tests.oracles.requantize import rounded

SCIPY = "scipy.linalg.hadamard"
PALEY = "Paley's construction by sympy.legendre_symbol, doubled and extended by scipy.linalg.hadamard"
ORDERS = (12, 20, 24, 40, 48, 80, 160, 768, 1280, 1536)


def paley(q: int) -> np.ndarray:
    """Of order q + 1, q = 3 mod 4 a prime: [[1, 1], [1, -(Q + I)]] with Q[a, b] the Legendre symbol (a - b | q)."""
    H = np.ones((q + 1, q + 1), np.int64)
    for a in range(q):
        for b in range(q):
            H[a + 1, b + 1] = -1 if a == b else -sympy.legendre_symbol((a - b) % q, q)
    return H


def independent(n: int) -> np.ndarray:
    """The matrix of order n that qse_hw.golden.reference.hadamard describes."""
    for m in (40, 20, 12):
        if n % m == 0:
            core = {40: np.kron(scipy.linalg.hadamard(2), paley(19)), 20: paley(19), 12: paley(11)}[m]
            return np.kron(core, scipy.linalg.hadamard(n // m))
    return scipy.linalg.hadamard(n)


def vectors(n: int) -> np.ndarray:
    """INT8 vectors (6, n): random ones, the extremes, one outlier."""
    x = np.random.default_rng(n).integers(-128, 128, (6, n))
    x[0], x[1], x[2] = -128, 127, 0
    x[2, n // 3] = -128
    return x


def matrices(orders: tuple[int, ...], oracle: str) -> Comparison:
    """Entry by entry."""
    return same(oracle, *((hadamard.matrix(n), independent(n)) for n in orders))


def transforms(orders: tuple[int, ...], oracle: str) -> Comparison:
    """Of vectors, both directions; sums are below 2**53, so that float64 products are exact."""
    pairs = []
    for n in orders:
        x, H = vectors(n), independent(n).astype(np.float64)
        pairs += [(hadamard.transform(x), x @ H.T), (hadamard.transform(x, transpose=True), x @ H)]
    return same(oracle, *pairs)


def quantized(orders: tuple[int, ...], oracle: str) -> Comparison:
    """Transformed and requantized to INT8, as hardware does before it multiplies."""
    pairs = []
    for n in orders:
        sums = vectors(n) @ independent(n).astype(np.float64).T
        for M, k in ((40961, 22), (1, 3), (65535, 24)):
            values, saturated = requantize(hadamard.transform(vectors(n)), M, k)
            want = rounded(sums.astype(np.int64), M, k)
            pairs += [(values, np.clip(want, -128, 127)), (saturated, (want > 127) | (want < -128))]
    return same(oracle, *pairs)


def orthogonal() -> Comparison:
    """H H^T = n I, every entry; sums of ones, exact."""
    pairs = []
    for n in ORDERS:
        H = hadamard.matrix(n).astype(np.float64)
        pairs.append((H @ H.T, n * np.eye(n)))
    return same("the definition, H H^T = n I", *pairs)


POWERS = tuple(1 << k for k in range(11))
CHECKS: dict[str, Callable[[], Comparison]] = {
    "Hadamard matrices, orders 1 to 1024": partial(matrices, POWERS, SCIPY),
    "Hadamard transforms, orders 1 to 1024, both directions": partial(transforms, POWERS, SCIPY),
    "Hadamard matrices, orders 12 to 1536": partial(matrices, ORDERS, PALEY),
    "Hadamard transforms, orders 12 to 1536, both directions": partial(transforms, ORDERS, PALEY),
    "Hadamard transforms requantized to INT8": partial(quantized, (16, 64, 12, 40, 768), f"{PALEY}; torch.round"),
    "Hadamard orders 12 to 1536": orthogonal,
}
