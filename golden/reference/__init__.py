"""Exact models of the units around the quantizer: linear, Hadamard; and their test vectors."""
