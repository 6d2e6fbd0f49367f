"""Formats applied to arrays and tensors: NumPy, PyTorch, C++, Triton; equal on every bit."""
