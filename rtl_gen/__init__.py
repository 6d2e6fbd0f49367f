"""The hardware: Amaranth components, one per file, and their Verilog."""
