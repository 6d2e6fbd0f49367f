"""Simulation: cocotb testbenches that replay activations, and the tools they need."""
