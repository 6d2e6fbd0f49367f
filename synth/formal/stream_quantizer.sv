// The rules of the quantizer's streams: AXI4-Stream in and out, packets, soft resets, parameters between packets.
//
// There are no assumptions on the environment. Internal signals of the unit (between the lanes and the output's
// buffer, the soft reset, the effective parameters) come through additional outputs.

module stream_packets #(
  parameter CORE = 1,  // stages before the output's buffer
  parameter LANES = 1,
  parameter IN = 1, OUT = 1  // bytes of a value, of a code
) (
  input clk, rst, soft_reset, watch,
  input s_valid, s_ready, s_last, m_valid, m_ready, m_last,
  input [LANES*IN-1:0] s_keep,
  input [LANES*OUT-1:0] m_keep,
  input [LANES*OUT*8-1:0] m_data,
  input core_valid, into_slice, slice_ready, core_empty, pending,
  input [CORE-1:0] valid  // helps the induction
);
  localparam COUNT = $clog2(2 * CORE + 8);
  wire accept = s_valid && s_ready, leave = m_valid && m_ready;
  wire pass = core_valid && slice_ready, close = into_slice && !core_valid && slice_ready;

  reg [COUNT-1:0] core = 0, slice = 0;
  reg packet = 0, out_packet = 0;  // a packet has begun and not ended: at the input, at the output
  always @(posedge clk) begin
    core <= rst || soft_reset ? 0 : core + accept - pass;
    slice <= rst ? 0 : slice + pass + close - leave;
    if (rst || soft_reset) packet <= 0;
    else if (accept) packet <= !s_last;
    if (rst) out_packet <= 0;
    else if (leave) out_packet <= !m_last;
  end

  // an arbitrary beat, unless a soft reset removes it before the output's buffer
  reg in_core = 0, in_slice = 0, last = 0, starts = 0;
  reg [LANES-1:0] keep = 0;
  reg [COUNT-1:0] ahead = 0, moves = 0, chances = 0;
  wire watching = in_core || in_slice;
  wire passes = in_core && ahead == 0 && pass, mine = in_slice && ahead == 0;
  integer lane;
  always @(posedge clk) begin
    if (!watching) begin
      in_core <= accept && watch && !soft_reset;
      ahead <= core - pass;
      last <= s_last;
      starts <= !packet;
      for (lane = 0; lane < LANES; lane = lane + 1) keep[lane] <= &s_keep[lane*IN +: IN];
      moves <= 1;
      chances <= 0;
    end else begin
      chances <= chances + m_ready;
      if (in_core) begin
        moves <= moves + (slice_ready || !core_valid);
        in_core <= !passes && !soft_reset;
        in_slice <= passes;
        ahead <= passes ? slice - leave : ahead - pass;
      end else begin
        in_slice <= !(mine && leave);
        ahead <= ahead - leave;
      end
    end
    if (rst) {in_core, in_slice} <= 0;
  end

  reg was_reset = 0, was_offered = 0, was_last = 0;
  reg [LANES*OUT-1:0] was_keep = 0;
  reg [LANES*OUT*8-1:0] was_data = 0;
  always @(posedge clk) begin
    was_reset <= rst;
    was_offered <= m_valid && !m_ready && !rst;
    {was_last, was_keep, was_data} <= {m_last, m_keep, m_data};
  end

  reg [2:0] blocked = 0;  // cycles in which the consumer was ready and the input was not
  always @(posedge clk) blocked <= rst || s_ready || pending ? 0 : blocked + (m_ready && blocked != 7);
  reg wrong_keep;
  always @* begin
    wrong_keep = 0;
    for (lane = 0; lane < LANES; lane = lane + 1)
      if (m_keep[lane*OUT +: OUT] != {OUT{keep[lane]}}) wrong_keep = 1;
  end
  always @* begin
    offer_stays: assert (!was_offered || (m_valid && {m_last, m_keep, m_data} == {was_last, was_keep, was_data}));
    quiet_after_reset: assert (!was_reset || !m_valid);
    offered_if_there: assert (m_valid == (slice != 0));
    core_holds: assert (core <= CORE);
    helper_slice_holds: assert (slice <= 2);
    helper_empty_is_empty: assert (core_empty == (core == 0));
    helper_closes_after_all: assert (!close || core == 0);
    if (in_core) due: assert ((moves == CORE) == (core_valid && ahead == 0));
    ready_again: assert (blocked <= 4);
    if (watching) leaves_in_time: assert (chances <= CORE + 1);
    if (mine && m_valid) begin
      last_kept: assert (m_last == last);
      keep_kept: assert (!wrong_keep);
      packets_whole: assert (out_packet == !starts);
    end
  end

  // helpers of the induction: the places of the beats
  reg [CORE-1:0] inside = 0;
  always @(posedge clk)
    if (rst || soft_reset) inside <= 0;
    else if (slice_ready || !core_valid) inside <= {inside, accept};
  integer n;
  reg [COUNT-1:0] all, older;
  reg there;
  always @* begin
    all = 0;
    older = 0;
    there = 0;
    for (n = 0; n < CORE; n = n + 1) begin
      all = all + inside[n];
      older = older + (inside[n] && n >= moves);
      there = there | (inside[n] && n + 1 == moves);
    end
  end
  always @* begin
    helper_valid: assert (valid == inside && core_valid == inside[CORE-1]);
    helper_core: assert (core == all);
    if (in_core) begin
      helper_ahead: assert (ahead == older);
      helper_moves: assert (there);
    end
    if (in_slice) helper_slice: assert (ahead < slice);
  end
endmodule

// Parameters change between packets only, and as a whole.
module stream_parameters #(
  parameter EFFECTIVE = 1,  // bits of all effective parameters
  parameter SET = 1,  // bits of the parameters that software has written
  parameter CORE = 1  // stages before the output's buffer
) (
  input clk, rst, soft_reset,
  input s_valid, s_ready, s_last, core_empty, apply, pending, refused,
  input [EFFECTIVE-1:0] effective,
  input [SET-1:0] set,
  input [31:0] effective_m, effective_k, set_m, set_k,
  input effective_bypass, set_bypass,
  // helpers of the induction
  input [2:0] gate, input gate_packet,
  input [CORE-1:0] valid, input [7:0] within,
  input done, loading, last, input [1:0] phase, input [7:0] row, storing
);
  wire accept = s_valid && s_ready;
  reg packet = 0;
  always @(posedge clk)
    if (rst || soft_reset) packet <= 0;
    else if (accept) packet <= !s_last;

  reg begun = 0, was_packet = 0, was_accept = 0, was_empty = 0, was_pending = 0, was_locked = 0;
  reg [EFFECTIVE-1:0] was_effective = 0, before = 0;
  reg [SET-1:0] was_set = 0;
  always @(posedge clk) begin
    begun <= !rst;
    was_packet <= packet;
    was_accept <= accept;
    was_empty <= core_empty;
    was_effective <= effective;
    was_pending <= pending && !rst;
    was_locked <= (pending || apply) && !rst;
    was_set <= set;
    if (!pending) before <= effective;
  end
  wire changed = begun && effective != was_effective;

  always @* begin
    changes_between_packets: assert (!changed || (!was_packet && !was_accept && was_empty && core_empty));
    changes_when_told: assert (!changed || was_pending);
    set_stays: assert (!was_locked || set == was_set);
    if (was_pending && !pending) begin
      refused_changes_nothing: assert (!refused || effective == before);
      applied_whole: assert (
        refused || effective_m == set_m && effective_k == set_k && effective_bypass == set_bypass
      );
    end
  end

  // invariants of each state of the gate
  localparam IDLE = 0, CHECK = 1, WAIT = 2, START = 3, LOAD = 4;
  reg was_load = 0, was_refused = 0;
  always @(posedge clk) begin
    was_load <= gate == LOAD && !rst;
    was_refused <= refused;
  end
  // the loading walk finds what the checking walk has found: proved by the task stream_walk
  always @* if (was_load && !was_refused) assume (!refused);

  integer n;
  reg [7:0] beats;
  always @* begin
    beats = 0;
    for (n = 0; n < CORE; n = n + 1) beats = beats + valid[n];
  end
  wire as_set = effective_m == set_m && effective_k == set_k && effective_bypass == set_bypass;
  always @* begin
    helper_gate: assert (gate <= LOAD && pending == (gate != IDLE));
    helper_packet: assert (gate_packet == packet);
    helper_within: assert (within == beats && core_empty == (beats == 0));
    if (gate != CHECK && gate != LOAD) helper_done: assert (done);
    if (gate == START || gate == LOAD) helper_empty: assert (core_empty && !packet && !refused);
    if (gate == WAIT) helper_checked: assert (!refused);
    if (gate != IDLE && gate != LOAD) helper_before: assert (effective == before);
    if (gate == CHECK || gate == LOAD) helper_loading: assert (loading == (gate == LOAD));
    if (storing != 0) helper_storing: assert (gate == LOAD && phase == 0);
    if (last) helper_last: assert (phase == 0);
    if (done) helper_stands: assert (!last && storing == 0);
    if (gate == LOAD && (done || last || row != 0) && !storing[0]) helper_stored: assert (as_set);
  end
endmodule

// Covers.
module stream_packets_cover #(
  parameter CORE = 1
) (
  input clk, rst, soft_reset,
  input s_valid, s_ready, s_last, m_valid, m_ready, m_last,
  input core_valid, into_slice, slice_ready, pending
);
  wire accept = s_valid && s_ready, leave = m_valid && m_ready;
  wire close = into_slice && !core_valid && slice_ready;
  reg packet = 0, cut = 0, closed = 0;
  reg [2:0] stalled = 0;
  reg [7:0] streak = 0;
  always @(posedge clk) begin
    if (rst || soft_reset) packet <= 0;
    else if (accept) packet <= !s_last;
    stalled <= rst || !core_valid || slice_ready || m_ready ? 0 : stalled + (stalled != 7);
    streak <= rst || !(accept && leave) ? 0 : streak + (streak != CORE + 2);
    cut <= !rst && (cut || soft_reset && packet);
    closed <= !rst && (closed || cut && close);
  end
  always @* begin
    full_stall: cover (stalled == 7 && !s_ready);
    back_to_back: cover (streak == CORE + 2);
    soft_reset_in_packet: cover (closed && leave && m_last);
    packet_after_cut: cover (closed && accept && s_last && packet);
    packet_while_pending: cover (pending && packet && accept);
  end
endmodule

// Covers by two accesses, to SCALE_M and APPLY, at full speed: parameters are refused, or become effective.
module stream_parameters_cover #(
  parameter SCALE_M = 0, CONTROL = 0,  // offsets of the registers
  parameter LEGAL = 0  // another M
) (
  input clk, rst, s_valid, arvalid, awvalid, awready, wvalid, bready,
  input [9:0] awaddr,
  input [31:0] wdata,
  input [3:0] wstrb,
  input pending, refused,
  input [31:0] effective_m
);
  (* anyconst *) wire legal;
  reg [1:0] accesses = 0;
  reg begun = 0, was_pending = 0;
  reg [31:0] was_m = 0;
  always @(posedge clk) begin
    accesses <= accesses + (awvalid && awready);
    begun <= 1;
    was_pending <= pending;
    was_m <= effective_m;
  end
  always @* begin
    assume (!rst && !s_valid && !arvalid && bready);
    assume (awvalid == (accesses < 2) && wvalid == awvalid && wstrb == 4'hf);
    assume (awaddr == (accesses == 0 ? SCALE_M : CONTROL));
    assume (wdata == (accesses != 0 ? 1 : legal ? LEGAL : 0));
  end
  always @* begin
    parameters_changed: cover (begun && effective_m != was_m);
    parameters_refused: cover (was_pending && !pending && refused);
  end
endmodule
