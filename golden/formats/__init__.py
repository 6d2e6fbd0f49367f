"""The meaning of every code: segmented formats, presets, scales, inputs, and the reference in Python integers."""
