"""Names in older reports, as the code has them now; a report itself stays as it was written."""

from typing import Any

_FOLDERS = {
    "formats": ("scale", "scalar", "inputs", "presets", "tables"),
    "quantize": ("array", "tensor"),
    "reference": ("linear", "hadamard", "vectors"),
    "calibration": ("percentile", "histogram", "fitting", "lloyd"),
    "io": ("npy", "files"),
}
MOVED = {
    "golden/breakpoints.py": "golden/calibration/segmentation.py",
    "golden/formats.py": "golden/formats/segmented.py",
    "golden/quantiser.py": "golden/calibration/quantizers.py",
} | {f"golden/{name}.py": f"golden/{folder}/{name}.py" for folder, names in _FOLDERS.items() for name in names}


def renamed(value: Any) -> Any:
    """A module's path or a text in today's spelling; anything else as it is."""
    return MOVED.get(value, value.replace("quantis", "quantiz")) if isinstance(value, str) else value
