"""Formats and scales from activations: histograms, the search, the calibration file.

The search, from the outside in: calibrate -> fitting -> tune (fine steps) -> segmentation (dynamic programming over
segment borders).
"""
