// For simulation only: Gowin's 36x36 multiplier as Yosys infers it, without registers.
// Written from the cell's ports and parameters in Yosys' declaration and Gowin's description (UG287, DSP).
module MULT36X36 (A, B, ASIGN, BSIGN, CE, CLK, RESET, DOUT);
  parameter AREG = 1'b0;
  parameter BREG = 1'b0;
  parameter OUT0_REG = 1'b0;
  parameter OUT1_REG = 1'b0;
  parameter PIPE_REG = 1'b0;
  parameter ASIGN_REG = 1'b0;
  parameter BSIGN_REG = 1'b0;
  parameter MULT_RESET_MODE = "SYNC";
  input [35:0] A, B;
  input ASIGN, BSIGN, CE, CLK, RESET;
  output [71:0] DOUT;

  // one bit more, so that signed and unsigned operands are alike
  wire signed [72:0] a = {{37{ASIGN & A[35]}}, A};
  wire signed [72:0] b = {{37{BSIGN & B[35]}}, B};
  wire signed [72:0] product = a * b;

  assign DOUT = product[71:0];
endmodule
