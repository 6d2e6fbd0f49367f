"""The soft edge as published (Quamba-SE, arXiv 2601.09451), in float64 PyTorch, from its description alone.

With V a value and s Quamba's scale: small V are quantized at s/4, ordinary ones at s, outliers at 4 s. The published
simulation: up to and including 15.75 s, fine, q at most 63; up to and including 143 s, standard, q from 16 to 143;
above, 143 s plus 4 s times q, q from 0 to 63. Every rounding is half away from zero. Nothing here knows golden.

Exactness: with s = 1 and V = x * M * 2**-k everything below is exact if x has at most 24 significant bits and M at
most 20. V then has at most 44, and so have 4 V and V / 4. V - 143, where V > 143, ends where V ends, at 2**(7 - 43) or
above, and is smaller. V + 1/2 fits into 53 bits where V is at least 2**-8; below, it is rounded, but stays below 1; and
from 2**44 on floor changes nothing that the clamps let through. With s a power of two the literal form is the same
arithmetic times powers of two; with other s, float64 rounds s itself, so that values on a threshold might go astray.
"""

import torch

FINE, STANDARD, COARSE = 0, 1, 3  # the two segment bits; the standard segment's 128 codes take 1 and 2
SIGN = 256


def half_away(ratio: torch.Tensor) -> torch.Tensor:
    """Of ratios that are not negative."""
    return torch.floor(ratio + 0.5)


def soft_edge(x: torch.Tensor, s: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Values (float64) and codes (int64: sign, segment[1:0], data[5:0]) of x (float64), any shape; NaN becomes 0.

    143 s can be the last standard value or the first coarse one: the standard one is taken, as 0 is taken for -0.
    """
    x = torch.where(x.isnan(), 0.0, x)
    magnitude = x.abs()
    fine = half_away(magnitude / (s / 4)).clamp(max=63)
    standard = half_away(magnitude / s).clamp(16, 143)
    coarse = half_away((magnitude - 143 * s).clamp(min=0) / (4 * s)).clamp(0, 63)
    is_fine, is_standard = magnitude <= 15.75 * s, magnitude <= 143 * s
    value = torch.where(is_fine, fine * (s / 4), torch.where(is_standard, standard * s, 143 * s + 4 * s * coarse))
    coarse_code = torch.where(coarse == 0, STANDARD * 64 + 143 - 16, COARSE * 64 + coarse)
    code = torch.where(is_fine, FINE * 64 + fine, torch.where(is_standard, STANDARD * 64 + standard - 16, coarse_code))
    negative = (x < 0) & (value > 0)
    return torch.where(x < 0, -value, value), code.to(torch.int64) + SIGN * negative
