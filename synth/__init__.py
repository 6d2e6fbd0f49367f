"""Synthesis: area and timing of the units with Yosys and nextpnr."""
