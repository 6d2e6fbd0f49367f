"""Mamba models, and Quamba's recipe for them."""
