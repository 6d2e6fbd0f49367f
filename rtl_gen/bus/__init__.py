"""Buses of systems: AXI4-Lite and its registers, AXI4-Stream."""
