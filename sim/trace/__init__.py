"""Traces of single beats, and what they cover."""
