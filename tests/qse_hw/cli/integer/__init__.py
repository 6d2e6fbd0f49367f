FEW = ("--tokens", "1024", "--calibration-tokens", "512")
"""Of eval: a report on two windows of text."""
