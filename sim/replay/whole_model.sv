// Sends a file of beats through encoder and decoder and compares their outputs with files of expected beats: the
// per-cycle work of the testbench, compiled. Beats in files are in $fread's order, the high byte first.

module whole_model (
    input wire clk /*verilator public_flat_rw*/,
    input wire rst /*verilator public_flat_rw*/,
    input wire [31:0] beats /*verilator public_flat_rw*/,  // of the pass
    input wire [31:0] seed /*verilator public_flat_rw*/,   // of the stalls; 0: none
    output reg done /*verilator public_flat_rd*/,
    output wire saturated /*verilator public_flat_rd*/,
    output wire nan /*verilator public_flat_rd*/,
    output wire invalid /*verilator public_flat_rd*/,
    output wire [31:0] saturation_count /*verilator public_flat_rd*/
);
  localparam LANES = `QSE_LANES;
  localparam PATIENCE = 1000;  // cycles without any beat after which the pass ends
  localparam AFTERWARDS = 50;  // further cycles, in which no beat may appear

  reg [63 + LANES * `QSE_INPUT:0] offered, next;  // k, M, payload
  reg i_valid, o_ready, stalling_i, stalling_o;
  wire [LANES * `QSE_INPUT - 1:0] i_payload = offered[0+:LANES * `QSE_INPUT];
  wire [31:0] scale_m = offered[LANES * `QSE_INPUT+:32], scale_k = offered[LANES * `QSE_INPUT + 32+:32];
  wire [LANES * `QSE_CODE - 1:0] link_payload;
  wire [LANES * `QSE_VALUE - 1:0] o_payload;
  wire i_ready, link_valid, link_ready, o_valid;

  replay_top units (
      .clk(clk), .rst(rst), .clear(1'b0),
      .i__payload(i_payload), .i__valid(i_valid), .i__ready(i_ready),
      .scale_m(scale_m[`QSE_SCALE - 1:0]), .scale_k(scale_k[8:0]),
      .link__payload(link_payload), .link__valid(link_valid), .link__ready(link_ready),
      .o__payload(o_payload), .o__valid(o_valid), .o__ready(o_ready),
      .saturated(saturated), .nan(nan), .saturation_count(saturation_count), .invalid(invalid)
  );

  // what cocotb reads when it is done
  reg [31:0] cycles /*verilator public_flat_rd*/, last /*verilator public_flat_rd*/;
  reg [31:0] offers /*verilator public_flat_rd*/, accepted /*verilator public_flat_rd*/;
  reg [31:0] link_beats /*verilator public_flat_rd*/, o_beats /*verilator public_flat_rd*/;
  reg [31:0] wrong_codes /*verilator public_flat_rd*/, wrong_values /*verilator public_flat_rd*/;
  reg [31:0] violations /*verilator public_flat_rd*/, broken_files /*verilator public_flat_rd*/;
  reg [31:0] first_beat /*verilator public_flat_rd*/, first_lane /*verilator public_flat_rd*/;
  reg [31:0] first_got /*verilator public_flat_rd*/, first_want /*verilator public_flat_rd*/;
  reg [1:0] first_kind /*verilator public_flat_rd*/;  // 1: a code, 2: a value

  reg [31:0] random, quiet;
  reg link_waiting, o_waiting;
  reg [LANES * `QSE_CODE - 1:0] link_held, code;
  reg [LANES * `QSE_VALUE - 1:0] o_held, value;
  integer inputs, codes, values, lane, got;

  initial begin
    inputs = $fopen("inputs.bin", "rb");
    codes = $fopen("codes.bin", "rb");
    values = $fopen("values.bin", "rb");
  end

  always @(posedge clk)
    if (rst) begin
      {i_valid, o_ready, stalling_i, stalling_o, link_waiting, o_waiting, done} <= 0;
      offered <= 0;
      random <= seed;
      {cycles, last, offers, accepted, link_beats, o_beats, quiet} = 0;
      {wrong_codes, wrong_values, violations, broken_files} = 0;
      got = $fseek(inputs, 0, 0) | $fseek(codes, 0, 0) | $fseek(values, 0, 0);
      if (got != 0) broken_files = 1;
      {first_beat, first_lane, first_got, first_want, first_kind} = 0;
    end else begin
      cycles = cycles + 1;
      quiet = quiet + 1;
      random <= xorshift(random);
      stalling_i <= stalling_i ? random[0] : random[10:8] == 1;  // 2 cycles of 10 on average; a seed of 0 stays 0
      stalling_o <= stalling_o ? random[16] : random[26:24] == 1;
      o_ready <= !stalling_o;

      if (i_valid && i_ready) begin
        accepted = accepted + 1;
        quiet = 0;
      end
      if (!i_valid || i_ready) begin
        i_valid <= offers != beats && !stalling_i;
        if (offers != beats && !stalling_i) begin
          got = $fread(next, inputs);
          if (got != $bits(next) / 8) broken_files = broken_files + 1;
          offered <= next;
          offers = offers + 1;
        end
      end

      if (link_waiting && (!link_valid || link_payload !== link_held)) violations = violations + 1;
      link_waiting <= link_valid && !link_ready;
      link_held <= link_payload;
      if (link_valid && link_ready) begin
        if (link_beats < beats) begin
          got = $fread(code, codes);
          if (got != $bits(code) / 8) broken_files = broken_files + 1;
          if (link_payload !== code)
            for (lane = 0; lane < LANES; lane = lane + 1)
              if (link_payload[lane*`QSE_CODE+:`QSE_CODE] !== code[lane*`QSE_CODE+:`QSE_CODE]) begin
                wrong_codes = wrong_codes + 1;
                if (first_kind == 0) begin
                  first_kind = 1;
                  first_beat = link_beats;
                  first_lane = lane;
                  first_got  = 32'(link_payload[lane*`QSE_CODE+:`QSE_CODE]);
                  first_want = 32'(code[lane*`QSE_CODE+:`QSE_CODE]);
                end
              end
        end
        link_beats = link_beats + 1;
        quiet = 0;
      end

      if (o_waiting && (!o_valid || o_payload !== o_held)) violations = violations + 1;
      o_waiting <= o_valid && !o_ready;
      o_held <= o_payload;
      if (o_valid && o_ready) begin
        if (o_beats < beats) begin
          got = $fread(value, values);
          if (got != $bits(value) / 8) broken_files = broken_files + 1;
          if (o_payload !== value)
            for (lane = 0; lane < LANES; lane = lane + 1)
              if (o_payload[lane*`QSE_VALUE+:`QSE_VALUE] !== value[lane*`QSE_VALUE+:`QSE_VALUE]) begin
                wrong_values = wrong_values + 1;
                if (first_kind == 0) begin
                  first_kind = 2;
                  first_beat = o_beats;
                  first_lane = lane;
                  first_got  = 32'(o_payload[lane*`QSE_VALUE+:`QSE_VALUE]);
                  first_want = 32'(value[lane*`QSE_VALUE+:`QSE_VALUE]);
                end
              end
        end
        o_beats = o_beats + 1;
        last = cycles;
        quiet = 0;
      end

      done <= done || quiet >= (o_beats >= beats && link_beats >= beats ? AFTERWARDS : PATIENCE)
                   || o_beats > beats + AFTERWARDS;
    end

  function automatic [31:0] xorshift(input [31:0] x);  // Marsaglia 2003
    begin
      xorshift = x ^ (x << 13);
      xorshift = xorshift ^ (xorshift >> 17);
      xorshift = xorshift ^ (xorshift << 5);
    end
  endfunction
endmodule
