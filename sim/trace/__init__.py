"""Traces of a unit's ports in every cycle, and their functional coverage."""
