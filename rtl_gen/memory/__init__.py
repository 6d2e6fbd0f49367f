"""Reading from a memory on an AXI4 bus."""
