// What the parts of the mixer's units compute, in the words of qse_hw.golden.reference. Inputs are those of the moment from
// which a part's outputs come; assertions hold when check is 1.

// A signal of some cycles ago.
module earlier #(parameter WIDTH = 1, parameter CYCLES = 1) (
  input clk,
  input [WIDTH-1:0] now,
  output [WIDTH-1:0] earlier
);
  reg [WIDTH*CYCLES-1:0] kept;
  always @(posedge clk) kept <= {kept, now};
  assign earlier = kept[WIDTH*CYCLES-1 -: WIDTH];
endmodule

// The nearest number of BITS bits, and whether it is another one.
module clamped #(parameter WIDTH = 2, parameter BITS = 1) (
  input signed [WIDTH-1:0] exact,
  output signed [BITS-1:0] nearest,
  output another
);
  wire signed [WIDTH-1:0] most = {{(WIDTH-BITS+1){1'b0}}, {(BITS-1){1'b1}}};
  wire high = exact > most, low = exact < ~most;
  assign nearest = high ? most[BITS-1:0] : low ? ~most[BITS-1:0] : exact[BITS-1:0];
  assign another = high || low;
endmodule

// clamp(round(a / 2**k)); ties go up, or with EVEN to the even neighbour.
module rounding #(parameter WIDTH = 32, parameter BITS = 16, parameter EVEN = 0) (
  input check,
  input signed [WIDTH-1:0] a,
  input [5:0] k,
  input signed [BITS-1:0] value,
  input saturated
);
  localparam WIDE = (WIDTH > 64 ? WIDTH : 64) + 1;
  wire signed [WIDE-1:0] exact = a;
  wire signed [WIDE-1:0] unit = {{(WIDE-1){1'b0}}, 1'b1} << k;
  wire signed [WIDE-1:0] half = $signed({1'b0, unit[WIDE-1:1]});
  wire signed [WIDE-1:0] down = exact >>> k, up = (exact + half) >>> k;
  wire tie = k != 0 && exact - (down <<< k) == half;
  wire signed [BITS-1:0] nearest;
  wire another;
  clamped #(.WIDTH(WIDE), .BITS(BITS)) limit(.exact(EVEN && tie && !down[0] ? down : up), .nearest(nearest), .another(another));
  always @* if (check) begin
    rounded: assert (value == nearest);
    rounding_clamped: assert (saturated == another);
  end
endmodule

// clamp((x << places) + bias)
module saturating_sum #(parameter WIDTH = 16) (
  input check,
  input signed [WIDTH-1:0] x,
  input [4:0] places,
  input signed [WIDTH+1:0] bias,
  input signed [WIDTH-1:0] value,
  input saturated
);
  wire signed [WIDTH+32:0] shifted = x, exact = (shifted <<< places) + bias;
  wire signed [WIDTH-1:0] nearest;
  wire another;
  clamped #(.WIDTH(WIDTH + 33), .BITS(WIDTH)) limit(.exact(exact), .nearest(nearest), .another(another));
  always @* if (check) begin
    summed: assert (value == nearest);
    sum_clamped: assert (saturated == another);
  end
endmodule

// -v, v = round(product / 2**SHIFT), ties up; -2**21 if the quotient needs more than 21 bits, or if the state is forgotten.
module exponent #(parameter WIDTH = 34, parameter SHIFT = 5) (
  input check,
  input [WIDTH-1:0] product,
  input forget,
  input signed [21:0] x
);
  wire [WIDTH:0] half = (1 << SHIFT) >> 1;
  wire [WIDTH:0] down = product >> SHIFT, v = (product + half) >> SHIFT;
  always @* if (check) begin
    exponent_of_decay: assert (x == (forget || down >= 2097152 ? -2097152 : -$signed({1'b0, v})));
  end
endmodule

// clamp(product * 4**shift) to BITS bits, and half a unit of the state.
module inflow #(parameter WIDTH = 33, parameter BITS = 32) (
  input check,
  input signed [WIDTH-1:0] product,
  input [3:0] shift,
  input signed [BITS:0] inflow
);
  wire signed [WIDTH+29:0] wide = product, exact = wide <<< {shift, 1'b0};
  wire signed [BITS-1:0] nearest;
  clamped #(.WIDTH(WIDTH + 30), .BITS(BITS)) limit(.exact(exact), .nearest(nearest));
  always @* if (check) begin
    flows_in: assert (inflow == nearest + 17'sd16384);
  end
endmodule

// clamp((kept + inflow) / 2**15) of a decayed state and an inflow that has half a unit in it.
module update #(parameter BITS = 16) (
  input check,
  input signed [BITS+15:0] kept,
  input signed [BITS+16:0] inflow,
  input signed [BITS-1:0] new,
  input saturated
);
  wire signed [BITS+17:0] exact = kept + inflow;
  wire signed [BITS-1:0] nearest;
  wire another;
  clamped #(.WIDTH(BITS + 18), .BITS(BITS)) limit(.exact(exact >>> 15), .nearest(nearest), .another(another));
  always @* if (check) begin
    updated: assert (new == nearest);
    state_clamped: assert (saturated == another);
  end
endmodule

// What inflow and update are proved to be, one after the other, is clamp(round((kept + product * 4**shift) / 2**15)).
// kept: a state of BITS bits times a factor of at most 1, which is 2**15.
module time_step_of_state #(parameter WIDTH = 33, parameter BITS = 16) (
  input signed [BITS+15:0] kept,
  input signed [WIDTH-1:0] product,
  input [3:0] shift
);
  wire signed [BITS+15:0] one = 1 <<< 15, half_of_states = one <<< (BITS - 1);
  wire signed [WIDTH+30:0] wide = product, flow = wide <<< {shift, 1'b0}, exact = kept + flow;
  wire signed [BITS+15:0] flow_nearest;
  clamped #(.WIDTH(WIDTH + 31), .BITS(BITS + 16)) flow_limit(.exact(flow), .nearest(flow_nearest));
  wire signed [BITS+17:0] sum = kept + flow_nearest + 17'sd16384;
  wire signed [BITS-1:0] state, expected;
  wire state_clamped, expected_clamped;
  clamped #(.WIDTH(BITS + 18), .BITS(BITS)) built(.exact(sum >>> 15), .nearest(state), .another(state_clamped));
  clamped #(.WIDTH(WIDTH + 31), .BITS(BITS)) meant(
    .exact((exact + 17'sd16384) >>> 15), .nearest(expected), .another(expected_clamped)
  );
  always @* begin
    assume (kept >= -half_of_states && kept <= half_of_states - one);
    same_state: assert (state == expected);
    same_flag: assert (state_clamped == expected_clamped);
  end
endmodule

// bias + product0 + ... + product3, of which the products are at most MOST and the bias is at most MOST_BIAS
module channel_sum #(parameter WIDTH = 24, parameter MOST = 4194304, parameter MOST_BIAS = 1) (
  input check,
  input signed [WIDTH-1:0] product0,
  input signed [WIDTH-1:0] product1,
  input signed [WIDTH-1:0] product2,
  input signed [WIDTH-1:0] product3,
  input signed [31:0] bias,
  input signed [31:0] total
);
  wire signed [WIDTH+15:0] exact = product0 + product1 + product2 + product3 + bias;
  always @* if (check) begin
    assume (product0 <= MOST && product0 >= -MOST && product1 <= MOST && product1 >= -MOST);
    assume (product2 <= MOST && product2 >= -MOST && product3 <= MOST && product3 >= -MOST);
    assume (bias <= MOST_BIAS && bias >= -MOST_BIAS);
    sums_exactly: assert (total == exact);
  end
endmodule

// The argument x / 4**half of 15 or 16 bits, cut; half from the shift of the result; the mantissa, below 1.
module root #(
  parameter WIDTH = 48, parameter WIDENED = 48, parameter SHIFT_BITS = 6, parameter LANE_BITS = 18, parameter SHIFT_OF_0 = 23
) (
  input check,
  input [WIDTH-1:0] x,
  input [WIDENED-1:0] normalized,
  input [LANE_BITS-1:0] y,
  input [SHIFT_BITS-1:0] shift,
  input [15:0] mantissa
);
  wire [15:0] argument = normalized[WIDENED-1 -: 16];
  wire signed [SHIFT_BITS:0] half = $signed({1'b0, shift}) - SHIFT_OF_0;
  wire [WIDENED+15:0] wide = x;
  wire [SHIFT_BITS:0] places = half < 0 ? -half : half;
  always @* if (check) begin
    assume (x != 0);
    divided_by_4s: assert (argument >= 16384 && argument == (half < 0 ? wide << {places, 1'b0} : wide >> {places, 1'b0}));
    mantissa_below_1: assert (mantissa == (y[16] ? 65535 : y[15:0]));
  end
endmodule

// The 16 highest bits of a product of two numbers of 16 bits, and k less the bits that are cut.
module token_scale #(parameter SHIFT_BITS = 6, parameter K_BITS = 9, parameter LEAST_K = 0, parameter MOST_K = 0) (
  input check,
  input [31:0] product,
  input [SHIFT_BITS-1:0] root_shift,
  input signed [K_BITS-1:0] scale_k,
  input [15:0] m,
  input signed [K_BITS-1:0] k
);
  wire [4:0] cut = product[31] ? 16 : 15;
  wire signed [15:0] exact = scale_k + $signed({1'b0, root_shift}) - $signed({1'b0, cut});
  always @* if (check) begin
    assume (product >= 1 << 30 && root_shift >= 16 && root_shift <= 46 && scale_k >= LEAST_K && scale_k <= MOST_K);
    cut_to_16: assert (m == product >> cut && m[15]);
    k_of_the_cut: assert (k == exact);
  end
endmodule

// clamp(old + value) of a lane; old is 0 if the vector is loaded, which is the beat's top bit.
module residual #(parameter WIDTH = 24, parameter LANES = 1, parameter LANE = 0) (
  input check,
  input [LANES*WIDTH:0] beat,
  input [LANES*WIDTH-1:0] word,
  input signed [WIDTH-1:0] sum,
  input clamped
);
  wire signed [WIDTH-1:0] value = beat[LANE*WIDTH +: WIDTH];
  wire signed [WIDTH-1:0] old = beat[LANES*WIDTH] ? {WIDTH{1'b0}} : word[LANE*WIDTH +: WIDTH];
  wire signed [WIDTH:0] exact = old + value;
  wire signed [WIDTH-1:0] nearest;
  wire another;
  clamped #(.WIDTH(WIDTH + 1), .BITS(WIDTH)) limit(.exact(exact), .nearest(nearest), .another(another));
  always @* if (check) begin
    added: assert (sum == nearest);
    added_clamped: assert (clamped == another);
  end
endmodule
