"""Cycle-accurate models: what is on every port of a unit in every cycle, without simulating its gates."""
