"""What every code means: segmented formats, presets, scales, inputs, and the readable reference in Python integers."""
