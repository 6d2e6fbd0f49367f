// For simulation only: Gowin's 18x18 multiplier as Yosys infers it, without registers and cascades.
// Written from the cell's ports and parameters in Yosys' declaration and Gowin's description (UG287, DSP).
module MULT18X18 (A, SIA, B, SIB, ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET, DOUT, SOA, SOB);
  parameter AREG = 1'b0;
  parameter BREG = 1'b0;
  parameter OUT_REG = 1'b0;
  parameter PIPE_REG = 1'b0;
  parameter ASIGN_REG = 1'b0;
  parameter BSIGN_REG = 1'b0;
  parameter SOA_REG = 1'b0;
  parameter MULT_RESET_MODE = "SYNC";
  input [17:0] A, SIA, B, SIB;
  input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET;
  output [35:0] DOUT;
  output [17:0] SOA, SOB;

  // one bit more, so that signed and unsigned operands are alike
  wire signed [36:0] a = {{19{ASIGN & A[17]}}, A};
  wire signed [36:0] b = {{19{BSIGN & B[17]}}, B};
  wire signed [36:0] product = a * b;

  assign DOUT = product[35:0];
  assign SOA = A;
  assign SOB = B;
endmodule
