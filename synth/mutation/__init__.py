"""Faults in netlists, and whether the checks notice them."""
