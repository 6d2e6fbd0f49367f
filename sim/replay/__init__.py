"""Captured activations through the Verilog."""
