"""The layer of an integer Mamba-2."""
