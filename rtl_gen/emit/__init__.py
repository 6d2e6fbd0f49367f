"""From a component to files: Verilog, testbench, vectors, core file."""
