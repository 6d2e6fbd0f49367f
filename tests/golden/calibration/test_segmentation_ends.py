"""Where the best path ends: as soon as nothing is gained, and nowhere if there are too few codes."""

import math

import numpy as np

from qse_hw.golden.calibration.segmentation import best_path, best_paths, costs

FOUND = costs(np.array([0.0, 1.0, 3.0]), np.array([5.0, 3.0, 2.0]), 1.0, None)


def test_no_more_codes_than_help():
    assert [(path.segments, path.error) for path in best_paths(FOUND, 9, 2)] == [(((4, 0),), 0.0), (((4, 0),), 0.0)]
    assert sum(codes for codes, _ in best_path(FOUND, 9, (0, 1)).segments) == 3


def test_fewer_codes_than_segments():
    assert best_path(FOUND, 1, (0, 1)).error == math.inf
