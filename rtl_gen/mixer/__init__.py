"""The layers of a Mamba around one product engine."""
