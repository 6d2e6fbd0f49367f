"""Codes times INT8 weights, requantized."""
