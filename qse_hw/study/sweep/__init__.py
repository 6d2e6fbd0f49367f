"""The design space: what a file describes, built, measured and compared (``python -m qse_hw sweep``)."""
