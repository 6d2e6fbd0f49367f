"""Exhaustive checks: every input pattern through the compiled Verilog."""
