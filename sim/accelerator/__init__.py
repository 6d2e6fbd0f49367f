"""A Mamba in Verilog, token by token, compared with the integer model."""
