"""Finding formats and scales: histograms, the search, the calibration file."""
