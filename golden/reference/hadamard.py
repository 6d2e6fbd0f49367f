"""Hadamard transforms in the order in which hardware can stream them, exact in integers and fast in PyTorch.

A Hadamard matrix H of order n has entries +1 and -1 and H H^T = n I. An outlier in one channel becomes a small
contribution to every channel, which is why Quamba transforms y before it quantizes it.

Order n = m 2^k with m one of 40, 20, 12, 1 (the first that leaves a power of two). Element i = c 2^k + j is chunk c,
offset j: a 2^k transform in natural (Sylvester) order within each chunk, then the order-m matrix across the chunks,
that is H_n = H_m (x) H_2^k. Sources of the matrices:

* 2^k: Sylvester (1867), H_2n = [[H_n, H_n], [H_n, -H_n]].
* 12 and 20: Paley (1933), first construction, from the quadratic residues modulo q = 11 and 19: with
  Q[a, b] = chi(a - b), which is skew because q = 3 mod 4, Q Q^T = q I - J and Q J = 0, so
  [[1, 1], [1, -(Q + I)]] is Hadamard.
* 40: Sylvester's doubling of Paley's 20. (Paley's second construction would need 2 (q + 1) = 40, q = 19, but it asks
  for q = 1 mod 4, and the first would need q = 39, which is no prime power.)

Other published matrices of these orders differ by permuted and negated rows and columns: the same recipe, not the same
bits. All matrices here have a first row and a first column of ones.

Bit growth: inputs of B bits (two's complement) give outputs of B + ceil(log2 n) bits, unnormalized. That is also enough
for -2^(B-1) everywhere, as its one way to +n 2^(B-1) would be a row of minus ones and every row begins with +1.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError

if TYPE_CHECKING:
    import torch

Integers = npt.NDArray[np.int64]

CORES = (40, 20, 12, 1)
"""The orders m across chunks, in the order of preference."""


def factorize(n: int) -> tuple[int, int]:
    """(m, 2^k) with n = m 2^k, m the first of :data:`CORES` that leaves a power of two.

    Raises:
        InputError: if there is none.
    """
    for m in CORES:
        chunk = n // m
        if n > 0 and n % m == 0 and chunk & (chunk - 1) == 0:
            return m, chunk
    raise InputError(f"Hadamard order must be 2^k, 12 2^k, 20 2^k or 40 2^k, not {n}; pad the channels with zeros")


def growth(n: int) -> int:
    """Bits by which the unnormalized transform of order n widens two's complement integers: ceil(log2 n)."""
    factorize(n)
    return (n - 1).bit_length()


@lru_cache(maxsize=16)
def core(m: int) -> Integers:
    """The matrix (m, m) across chunks; m one of :data:`CORES`. Read-only."""
    if m == 40:
        half = core(20)
        H = np.block([[half, half], [half, -half]])
    elif m == 1:
        H = np.ones((1, 1), np.int64)
    else:
        q = m - 1
        residues = {a * a % q for a in range(1, q)}
        chi = np.array([0] + [1 if a in residues else -1 for a in range(1, q)])
        a = np.arange(q)
        H = np.ones((m, m), np.int64)
        H[1:, 1:] = -(chi[(a[:, None] - a) % q] + np.eye(q, dtype=np.int64))
    H.setflags(write=False)
    return H


@lru_cache(maxsize=16)
def sylvester(order: int) -> Integers:
    """The matrix (order, order) of a power of two: entry (i, j) is -1 to the number of ones in i & j. Read-only."""
    H = np.ones((1, 1), np.int64)
    while len(H) < order:
        H = np.block([[H, H], [H, -H]])
    H.setflags(write=False)
    return H


def matrix(n: int) -> Integers:
    """H (n, n), entries +1 and -1.

    Raises:
        InputError: if there is no such order here (:func:`factorize`).
    """
    m, chunk = factorize(n)
    return np.kron(core(m), sylvester(chunk))


def transform(x: npt.NDArray[np.integer], *, transpose: bool = False) -> Integers:
    """H x (or H^T x) along the last axis, unnormalized and exact: what a hardware unit computes.

    k butterfly passes within the chunks, then the matrix across. ``transform(transform(x), transpose=True)`` is n x.

    Args:
        x: integers (..., n).
        transpose: the inverse's direction.

    Returns:
        int64 (..., n).

    Raises:
        InputError: for another dtype, an unsupported n, or values whose transform could pass 63 bits.
    """
    if not np.issubdtype(x.dtype, np.integer):
        raise InputError(f"Hadamard inputs must be integers, not {x.dtype}; use transform_tensor for floating point")
    n = x.shape[-1]
    m, chunk = factorize(n)
    peak = max(abs(int(x.max())), abs(int(x.min()))) if x.size else 0
    if peak * n >= 1 << 63:
        raise InputError(f"Hadamard inputs must be below 2^63 / {n} in magnitude, not {peak}")
    y = x.astype(np.int64).reshape(-1, m, chunk)
    half = 1
    while half < chunk:
        pairs = y.reshape(-1, m, chunk // (2 * half), 2, half)
        low, high = pairs[..., 0, :], pairs[..., 1, :]
        y = np.stack((low + high, low - high), axis=-2).reshape(-1, m, chunk)
        half *= 2
    if m > 1:
        y = (core(m).T if transpose else core(m)) @ y
    return y.reshape(x.shape)


def transform_tensor(x: "torch.Tensor", *, transpose: bool = False, normalize: bool = True) -> "torch.Tensor":
    """H x / sqrt(n) (or H^T x / sqrt(n), its inverse) along the last axis, in the dtype and on the device of x.

    Args:
        x: floating point (..., n).
        transpose: the inverse's direction.
        normalize: whether to divide by sqrt(n), which makes the transform orthonormal. Without, it is exact wherever
            the sums are: float16 values in a float64 tensor, for one, are below 2^40 units of 2^-24, so that any order
            up to 8192 fits into 53 bits.

    Raises:
        InputError: for an unsupported n.
    """
    import torch

    n = x.shape[-1]
    m, chunk = factorize(n)
    inner = min(chunk, 1 << chunk.bit_length() // 2)
    y = x.reshape(-1, m, chunk // inner, inner)

    def like(H: Integers) -> torch.Tensor:
        return torch.from_numpy(H.copy()).to(device=x.device, dtype=x.dtype)

    y = y @ like(sylvester(inner))  # symmetric
    y = like(sylvester(chunk // inner)) @ y
    if m > 1:
        y = (like(core(m).T if transpose else core(m)) @ y.flatten(-2)).view_as(y)
    if normalize:
        y = y * n**-0.5
    return y.reshape(x.shape)


def fold_inverse(weight: "torch.Tensor") -> "torch.Tensor":
    """W H^T / n (rows, n), so that ``fold_inverse(W) @ transform_tensor(y, normalize=False)`` is W y.

    H^T / n inverts the unnormalized H, and W H^T transforms every row of W: (W H^T)[i] = H W[i]. Computed in float64,
    returned as W's dtype.
    """
    return (transform_tensor(weight.double(), normalize=False) / weight.shape[-1]).to(weight.dtype)
