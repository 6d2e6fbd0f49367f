"""A lane of the encoder: product, thresholds, segments, code."""
