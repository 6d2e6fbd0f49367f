"""The truth: formats, scales, quantizers in Python integers, NumPy and PyTorch; Mamba; calibration.

Nothing here imports PyTorch unless the file's own subject needs it (``tensor.py`` and ``mamba/``).
"""
