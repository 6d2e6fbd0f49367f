"""The streaming Hadamard transform."""
