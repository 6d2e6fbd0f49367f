"""The encoder behind AXI4-Stream and AXI4-Lite, with its registers."""
