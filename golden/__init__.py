"""The golden model: formats, scales and quantizers in Python integers, NumPy and PyTorch; calibration; Mamba.

PyTorch is imported only by the files whose subject needs it.
"""
