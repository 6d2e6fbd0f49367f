"""Verilator and Icarus: finding, building, running, waveforms."""
