// The rules of a stream through a pipeline that stalls as a whole.
//
// There are no assumptions on the environment: every input, the reset included, is free in every cycle.

// The rules at the ports of any unit with streams i and o.
module stream_rules #(
  parameter LATENCY = 1,
  parameter WIDTH = 1
) (
  input clk, rst, i_valid, i_ready, o_valid, o_ready,
  input [WIDTH-1:0] o_payload,
  input [LATENCY-1:0] valid  // the unit's valid bits: helps the induction
);
  localparam COUNT = $clog2(LATENCY + 2);

  // the shadow of the valid bits: a beat per cycle in which the input is ready, bit 0 the youngest
  reg [LATENCY-1:0] inside = 0;
  always @(posedge clk)
    if (rst) inside <= 0;
    else if (i_ready) inside <= {inside, i_valid};

  reg [COUNT-1:0] within = 0;  // accepted and not left
  wire accept = i_valid && i_ready, leave = o_valid && o_ready;
  always @(posedge clk)
    if (rst) within <= 0;
    else within <= within + accept - leave;

  integer n;
  reg [COUNT-1:0] all;
  always @* begin
    all = 0;
    for (n = 0; n < LATENCY; n = n + 1) all = all + inside[n];
  end

  reg was_reset = 0, was_offered = 0;
  reg [WIDTH-1:0] was_payload = 0;
  always @(posedge clk) begin
    was_reset <= rst;
    was_offered <= o_valid && !o_ready && !rst;
    was_payload <= o_payload;
  end

  always @* begin
    // the shadow is in registers, so this also shows that valid does not depend on this cycle's ready
    offered_when_due: assert (o_valid == inside[LATENCY-1]);
    valid_stays: assert (!was_offered || o_valid);
    payload_stays: assert (!was_offered || o_payload == was_payload);
    silent_after_reset: assert (!was_reset || !o_valid);
    nothing_invented: assert (!o_valid || within != 0);
    at_most_full: assert (within <= LATENCY);
    moves_when_taken: assert (!o_ready || i_ready);
    moves_when_empty: assert (o_valid || i_ready);
    helper_valid: assert (valid == inside);
    helper_within: assert (within == all);
  end
endmodule

// An arbitrary beat: when it leaves, and in which place.
module stream_order #(
  parameter LATENCY = 1
) (
  input clk, rst, i_valid, i_ready, o_valid, o_ready,
  input watch,
  input [LATENCY-1:0] valid
);
  localparam COUNT = $clog2(LATENCY + 2);
  wire accept = i_valid && i_ready, leave = o_valid && o_ready;

  reg [COUNT-1:0] within = 0;
  reg watching = 0;
  reg [COUNT-1:0] ahead = 0;  // beats within that must leave before it
  reg [COUNT-1:0] moves = 0;  // cycles since it was accepted in which the input was ready, its own included
  reg [COUNT-1:0] chances = 0;  // cycles since then in which the consumer was ready
  wire mine = watching && ahead == 0;
  wire starts = accept && watch && (!watching || leave && mine);

  always @(posedge clk) begin
    within <= within + accept - leave;
    if (starts) begin
      watching <= 1;
      ahead <= within - leave;
      moves <= 1;
      chances <= 0;
    end else if (watching) begin
      watching <= !(leave && mine);
      ahead <= ahead - leave;
      moves <= moves + i_ready;
      chances <= chances + o_ready;
    end
    if (rst) begin
      within <= 0;
      watching <= 0;
    end
  end

  always @*
    if (watching) begin
      not_lost: assert (moves <= LATENCY);
      leaves_as_itself: assert (!(o_valid && mine) || moves == LATENCY);
      latency_exact: assert (moves != LATENCY || (o_valid && mine));
      leaves_in_time: assert (chances < LATENCY);
    end

  // helpers that make these inductive: the places of the beats
  reg [LATENCY-1:0] inside = 0;
  always @(posedge clk)
    if (rst) inside <= 0;
    else if (i_ready) inside <= {inside, i_valid};
  integer n;
  reg [COUNT-1:0] all, older;
  reg there;
  always @* begin
    all = 0;
    older = 0;
    there = 0;
    for (n = 0; n < LATENCY; n = n + 1) begin
      all = all + inside[n];
      older = older + (inside[n] && n >= moves);
      there = there | (inside[n] && n + 1 == moves);
    end
  end
  always @* begin
    helper_valid: assert (valid == inside);
    helper_within: assert (within == all);
    if (watching) begin
      helper_ahead: assert (ahead == older);
      helper_moves: assert (there);
      helper_chances: assert (chances < moves);
    end
  end
endmodule

// The status outputs, with the lanes cut out: the lowest output bits of each lane are its events.
module stream_status #(
  parameter LANES = 1,
  parameter BITS = 1,  // of a lane's output
  parameter FLAGS = 1,  // sticky flags; flag n is about bit n of every lane
  parameter POSSIBLE = 1,  // bit n: whether the event of flag n can happen
  parameter COUNT = 0  // bits of the counter of the events of flag 0; 0: none
) (
  input clk, rst, clear, o_valid, o_ready,
  input [LANES*BITS-1:0] o_payload,
  input [FLAGS-1:0] flags,
  input [(COUNT ? COUNT : 1)-1:0] count
);
  localparam MAXIMUM = (65'b1 << COUNT) - 1;

  wire leave = o_valid && o_ready;
  reg [FLAGS-1:0] happened, expected = 0;
  reg [15:0] events;
  integer lane, flag;
  always @* begin
    happened = 0;
    events = 0;
    for (lane = 0; lane < LANES; lane = lane + 1) begin
      for (flag = 0; flag < FLAGS; flag = flag + 1)
        happened[flag] = happened[flag] | leave & POSSIBLE >> flag & o_payload[lane * BITS + flag];
      events = events + (leave & POSSIBLE & o_payload[lane * BITS]);
    end
  end
  always @(posedge clk) expected <= rst ? 0 : happened | (clear ? 0 : expected);
  always @* flags_sticky: assert (flags == expected);

  generate if (COUNT) begin
    reg [64:0] counted = 0;
    wire [64:0] next = (clear ? 0 : counted) + events;
    always @(posedge clk) counted <= rst ? 0 : next > MAXIMUM ? MAXIMUM : next;
    always @* begin
      counts_once: assert (count == counted[COUNT-1:0]);
      helper_counted: assert (counted <= MAXIMUM);
    end
  end endgenerate
endmodule

// Covers.
module stream_cover #(
  parameter LATENCY = 1
) (
  input clk, rst, i_valid, i_ready, o_valid, o_ready
);
  localparam COUNT = $clog2(LATENCY + 4);
  wire accept = i_valid && i_ready, leave = o_valid && o_ready;

  reg [COUNT-1:0] within = 0, stalled = 0, streak = 0;
  reg cut = 0, gap = 0;
  always @(posedge clk) begin
    within <= rst ? 0 : within + accept - leave;
    stalled <= rst || within != LATENCY || !o_valid || o_ready ? 0 : stalled + (stalled != 3);
    streak <= rst || !(accept && leave) ? 0 : streak + (streak != LATENCY + 1);
    cut <= cut || rst && within > 1;  // a reset while beats were within
    gap <= !rst && (gap || o_valid && o_ready && within > 1);
  end

  always @* begin
    full_stall: cover (stalled == 3);
    stall_released: cover (stalled == 3 && leave && accept);
    back_to_back: cover (streak == LATENCY + 1);
    reset_within: cover (cut && leave);
    gap_within: cover (gap && !o_valid && within != 0);
  end
endmodule
