"""Hadamard matrices, their streaming order, and integer against float transforms."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference import hadamard

SIZES = [1, 2, 4, 12, 20, 24, 40, 80, 160, 512, 768, 1536]
LARGE = [2048, 3072, 4096, 5120]


def parity_matrix(order: int) -> np.ndarray:
    """(-1)^popcount(i & j): Sylvester's matrix by its entries."""
    i = np.arange(order)
    ones = i[:, None] & i
    for shift in (8, 4, 2, 1):  # below 16 bits; the parity ends in the lowest
        ones = ones ^ (ones >> shift)
    return 1 - 2 * (ones & 1)


@pytest.mark.parametrize("n", SIZES)
def test_rows_are_orthogonal(n):
    H = hadamard.matrix(n)
    assert H.shape == (n, n)
    assert set(np.unique(H)) <= {1, -1}
    H = H.astype(np.float32)  # sums of ones below 2^24: exact
    assert np.array_equal(H @ H.T, n * np.eye(n, dtype=np.float32))


@pytest.mark.parametrize("m", hadamard.CORES)
def test_first_row_and_column_are_ones(m):
    H = hadamard.core(m)
    assert (H[0] == 1).all()
    assert (H[:, 0] == 1).all()


@pytest.mark.every(9)
@pytest.mark.parametrize("n", SIZES + LARGE)
def test_order_is_natural_within_chunks_then_across_them(n):
    m, chunk = hadamard.factorize(n)
    x = np.random.default_rng(n).integers(-128, 128, (3, n))
    within = parity_matrix(chunk)
    expected = np.empty_like(x)
    for row, out in zip(x, expected, strict=True):
        chunks = np.stack([within @ row[c * chunk : (c + 1) * chunk] for c in range(m)])
        out[:] = np.concatenate([sum(hadamard.core(m)[d, c] * chunks[c] for c in range(m)) for d in range(m)])
    transformed = hadamard.transform(x)
    assert transformed.dtype == np.int64
    assert np.array_equal(transformed, expected)
    assert np.array_equal(transformed[:1], x[:1] @ hadamard.matrix(n).T)


def test_the_sizes_of_real_models_factorise_as_the_recipe_says():
    expected = {512: (1, 512), 768: (12, 64), 1536: (12, 128), 2048: (1, 2048), 3072: (12, 256), 4096: (1, 4096)}
    assert {n: hadamard.factorize(n) for n in expected} == expected
    assert hadamard.factorize(5120) == (40, 128)
    assert hadamard.factorize(20) == (20, 1)


def test_powers_of_two_equal_scipys():
    assert np.array_equal(hadamard.matrix(256), scipy.linalg.hadamard(256))


@pytest.mark.parametrize("n", SIZES + LARGE)
def test_the_transpose_inverts(n):
    x = np.random.default_rng(n).integers(-(1 << 20), 1 << 20, (2, 3, n))
    assert np.array_equal(hadamard.transform(hadamard.transform(x), transpose=True), n * x)
    assert np.array_equal(hadamard.transform(hadamard.transform(x, transpose=True)), n * x)


@pytest.mark.parametrize("n", SIZES + LARGE)
def test_tensors_equal_integers_where_the_sums_are_exact(n):
    x = np.random.default_rng(n).integers(-128, 128, (2, 3, n))
    exact = hadamard.transform(x)
    for dtype in (torch.float32, torch.float64):
        t = torch.from_numpy(x).to(dtype)
        assert np.array_equal(hadamard.transform_tensor(t, normalize=False).numpy(), exact)
        orthonormal = hadamard.transform_tensor(t)
        assert orthonormal.dtype == dtype
        np.testing.assert_allclose(orthonormal.numpy(), exact / np.sqrt(n), rtol=1e-6)
    backward = hadamard.transform_tensor(torch.from_numpy(x).double(), transpose=True, normalize=False)
    assert np.array_equal(backward.numpy(), hadamard.transform(x, transpose=True))


def test_orthonormal_tensors_come_back():
    x = torch.randn(5, 768, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    there = hadamard.transform_tensor(x)
    assert torch.allclose(there.square().sum(), x.square().sum())
    assert torch.allclose(hadamard.transform_tensor(there, transpose=True), x)


def test_tensors_stay_on_their_device():
    with FakeTensorMode(allow_non_fake_inputs=True):  # refuses operations between devices, and needs none
        x = torch.empty((2, 768), device="cuda")
        for transpose in (False, True):
            assert hadamard.transform_tensor(x, transpose=transpose).device == x.device


def test_any_float16_is_transformed_exactly():
    bits = np.random.default_rng(2).integers(0, 1 << 16, (4, 768)).astype(np.uint16)
    x = bits.view(np.float16)
    x = np.where(np.isfinite(x), x, np.float16(0))
    units = np.rint(x.astype(np.float64) * 2.0**24).astype(np.int64)
    transformed = hadamard.transform_tensor(torch.from_numpy(x).double(), normalize=False)
    assert np.array_equal(transformed.numpy() * 2.0**24, hadamard.transform(units))


def test_a_folded_inverse_undoes_the_transform():
    generator = torch.Generator().manual_seed(3)
    weight, y = torch.randn(7, 80, generator=generator), torch.randn(80, 4, generator=generator)
    folded = hadamard.fold_inverse(weight)
    assert folded.dtype == weight.dtype
    transformed = hadamard.transform_tensor(y.T, normalize=False).T
    assert torch.allclose(folded @ transformed, weight @ y, atol=1e-4)


@pytest.mark.parametrize("n", [1, 12, 40, 512, 768])
def test_bit_growth_is_enough_and_no_more(n):
    bits = 8 + hadamard.growth(n)
    H = hadamard.matrix(n)
    worst = np.where(H > 0, 127, -128)  # row i meets its largest sum
    low = np.where(H > 0, -128, 127)
    high = int((H * worst).sum(1).max())
    lowest = int((H * low).sum(1).min())
    assert -(1 << (bits - 1)) <= lowest
    assert high < 1 << (bits - 1)
    assert lowest < -(1 << (bits - 2)) or n == 1  # one bit less would not do


@pytest.mark.parametrize("n", [0, 3, 10, 36, 1280 * 3, 28])
def test_other_orders_are_refused(n):
    with pytest.raises(InputError, match=f"not {n}; pad"):
        hadamard.factorize(n)
    with pytest.raises(InputError, match="order must be"):
        hadamard.transform_tensor(torch.zeros(2, n))


def test_floats_and_overflow_are_refused():
    with pytest.raises(InputError, match="must be integers, not float32"):
        hadamard.transform(np.zeros(4, np.float32))
    with pytest.raises(InputError, match="not 4611686018427387904"):
        hadamard.transform(np.array([1 << 62, 0]))
    assert hadamard.transform(np.array([(1 << 62) - 1, (1 << 62) - 1])).tolist() == [(1 << 63) - 2, 0]
    assert hadamard.transform(np.zeros((0, 4), np.int8)).shape == (0, 4)


@pytest.mark.parametrize(("m", "q"), [(12, 11), (20, 19)])
def test_cores_are_paleys(m, q):
    """-(Q + I) bordered by ones, Q[a, b] the Legendre symbol of a - b, by Euler's criterion."""
    H = hadamard.core(m)
    for a in range(q):
        for b in range(q):
            euler = pow(a - b, (q - 1) // 2, q)
            assert H[1 + a, 1 + b] == -((-1 if euler == q - 1 else euler) + (a == b))


@pytest.mark.parametrize(("n", "bits"), [(1, 0), (2, 1), (4, 2), (12, 4), (40, 6), (64, 6)])
def test_bits_of_growth(n, bits):
    assert hadamard.growth(n) == bits


def test_matrices_are_integers_and_the_shared_ones_read_only():
    for shared in (*map(hadamard.core, hadamard.CORES), hadamard.sylvester(8)):
        assert shared.dtype == np.int64
        assert not shared.flags.writeable
    for n in (1, 8, 24):
        assert hadamard.matrix(n).dtype == np.int64
