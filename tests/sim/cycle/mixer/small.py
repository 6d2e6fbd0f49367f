"""Small mixers of every proportion."""

from qse_hw.golden.formats.presets import load_format
from qse_hw.rtl_gen.mixer.config import MixerConfig


def mixer(**changes):
    """Two layers of 8 channels, 16 inside, and a head, unless something else is said."""
    se8 = load_format("se8:L=8")
    sizes = {
        "d_model": 8, "d_inner": 16, "d_state": 4, "dt_rank": 3, "layers": 2, "vocabulary": 11, "eps": 1000,
        "rows": 2, "columns": 2, "taps": True,
    }  # fmt: skip
    formats = {"norm_format": se8, "x_format": load_format("se8-silu"), "dt_low_format": se8, "y_format": se8}
    return MixerConfig(**{**formats, **sizes, **changes})


MIXERS = {
    "small": {},
    "without head": {"vocabulary": 0, "layers": 1},
    "one multiplier": {"rows": 1, "columns": 1, "d_model": 6, "d_inner": 12},
    "lanes": {
        "rows": 3, "columns": 8, "d_model": 24, "d_inner": 48, "d_state": 8, "dt_rank": 2, "scan_lanes": 4,
        "norm_lanes": 4, "hadamard_lanes": 4,
    },
    "more rows than beats": {"rows": 8, "columns": 4, "d_model": 16, "d_inner": 32, "scan_lanes": 2, "layers": 3},
    "short scan": {"rows": 4, "columns": 2, "d_inner": 32, "dt_rank": 5, "scan_lanes": 4, "vocabulary": 5},
    "sequences": {"rows": 4, "columns": 4, "scan_lanes": 2, "sequences": 3},
    "ecp5": {"rows": 2, "columns": 4, "d_model": 24, "d_inner": 32, "scan_lanes": 2, "norm_lanes": 2, "target": "ecp5"},
}
"""By name: what is changed."""
