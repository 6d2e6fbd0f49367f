"""Every input pattern through the compiled Verilog."""
