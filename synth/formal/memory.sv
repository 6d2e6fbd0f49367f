// How an accelerator reads its memory: a reader asks for ranges in bursts, the manager puts the bursts of all readers on
// an AXI4 bus and hands out what comes, a FIFO in each reader keeps the words. Each part is proved by itself; what it
// assumes of the others is what is proved of them.

// A reader without its FIFO, which is free to offer a word whenever it holds one.
module reader_rules #(
  parameter WORD = 29,  // bits of a bus word's number
  parameter PAGE = 9,  // of the number of a word within 4 KiB
  parameter BURST = 2,  // beats of the longest burst
  parameter ROOM = 4  // words for which there is room
) (
  input clk, rst, stop,
  input i_valid, i_ready,
  input [WORD+31:0] i_payload,
  input b_valid, b_ready,
  input [WORD+7:0] b_payload,
  input arrived, o_valid, o_ready,
  input active, planned, room,  // the unit's registers: they help the induction
  input [WORD-1:0] word,
  input [31:0] left,
  input [8:0] beats,
  input [15:0] held
);
  wire [WORD-1:0] b_word = b_payload[WORD-1:0];
  wire [7:0] b_length = b_payload[WORD+7:WORD];
  wire [8:0] asked_beats = b_length + 1;
  wire taken = i_valid && i_ready, asked = b_valid && b_ready, leaves = o_valid && o_ready;

  reg [WORD-1:0] next = 0;  // the word to ask for
  reg [31:0] rest = 0;  // words of the range that have not been asked for
  reg [15:0] coming = 0, stored = 0;  // words on the way, and in the FIFO
  reg was_offered = 0;
  reg [WORD+7:0] was_payload = 0;
  always @(posedge clk) begin
    if (taken) {rest, next} <= {i_payload[WORD+31:WORD], i_payload[WORD-1:0]};
    else if (asked) {rest, next} <= {rest - asked_beats, next + asked_beats};
    coming <= coming + (asked ? asked_beats : 0) - arrived;
    stored <= stored + arrived - leaves;
    was_offered <= b_valid && !b_ready;
    was_payload <= b_payload;
    if (rst) {rest, coming, stored, was_offered} <= 0;
  end

  wire [8:0] to_end = BURST - (word & (BURST - 1));
  always @* begin
    assume (!taken || i_payload[WORD+31:WORD] != 0);
    assume (!arrived || coming != 0);  // memory_bus: words_delivered
    assume (!o_valid || stored != 0);  // memory_fifo: nothing_invented
  end
  always @* if (!rst) begin
    burst_in_page: assert (!b_valid || b_word[PAGE-1:0] + b_length < 1 << PAGE);
    burst_in_range: assert (!b_valid || b_word == next && asked_beats <= rest);
    range_complete: assert (!i_ready || rest == 0);
    burst_stays: assert (!was_offered || stop || b_valid && b_payload == was_payload);
    burst_stopped: assert (!stop || !b_valid);
    room_for_all: assert (coming + stored <= ROOM);
    helper_range: assert (active ? word == next && left == rest && rest != 0 : rest == 0);
    helper_planned: assert (!planned || active && beats == (left < to_end ? left : to_end));
    helper_held: assert (held == coming + stored && coming <= ROOM && stored <= ROOM);
    helper_room: assert (held <= ROOM && (!room || held <= ROOM - BURST));
  end
endmodule

module reader_cover #(parameter WORD = 29, PAGE = 9) (
  input clk, rst, stop,
  input i_valid, i_ready, b_valid, b_ready, o_valid, o_ready,
  input [WORD+7:0] b_payload,
  input active, planned, room
);
  reg [3:0] bursts = 0;
  reg waited = 0, stopped = 0;
  always @(posedge clk) begin
    bursts <= rst || i_valid && i_ready ? 0 : bursts + (b_valid && b_ready && bursts != 15);
    waited <= !rst && (waited || planned && !room);
    stopped <= !rst && (stopped || stop && planned);
  end
  wire [WORD-1:0] b_last = b_payload[WORD-1:0] + b_payload[WORD+7:WORD];
  always @* if (!rst) begin
    several_bursts: cover (bursts == 3 && i_ready);
    ends_a_page: cover (b_valid && &b_last[PAGE-1:0] && b_payload[WORD+7:WORD] != 0);
    waits_for_room: cover (waited && b_valid && b_ready);
    stopped_and_on: cover (stopped && b_valid && b_ready);
    word_leaves: cover (o_valid && o_ready);
  end
endmodule

// The manager: bursts of all readers to one bus, answers to the readers that asked. The memory answers only what it was
// asked for, in any order between the readers; nothing else is assumed of it.
module bus_rules #(
  parameter READERS = 3,
  parameter ID = 2,
  parameter WORD = 29,
  parameter LOW = 3,  // bits of the number of a byte within a bus word
  parameter PAGE = 9,
  parameter BITS = 64,
  parameter ROOM = 128  // words for which a reader has room at most
) (
  input clk, rst,
  input [READERS-1:0] b_valid, b_ready,
  input [READERS*(WORD+8)-1:0] b_payload,
  input [ID-1:0] arid, rid,
  input [WORD+LOW-1:0] araddr,
  input [7:0] arlen,
  input [2:0] arsize,
  input [1:0] arburst, rresp,
  input arvalid, arready, rvalid, rready,
  input [BITS-1:0] rdata, data,
  input [READERS-1:0] arrived,
  input failed, idle,
  input [23:0] due  // the unit's register: helps the induction
);
  integer n;
  wire [READERS-1:0] asks = b_valid & b_ready;
  reg [ID-1:0] asks_id;
  reg [WORD+7:0] asks_payload;
  reg legal, within, one;
  always @* begin
    {asks_id, asks_payload} = 0;
    {legal, within, one} = 3'b111;
    for (n = 0; n < READERS; n = n + 1) begin
      if (asks[n] && asks_id != 0) one = 0;
      if (asks[n] && n != 0 && asks[0]) one = 0;
      if (asks[n]) asks_id = n;
      if (asks[n]) asks_payload = b_payload[n*(WORD+8) +: WORD+8];
      if (b_valid[n]) begin
        if (b_payload[n*(WORD+8) +: PAGE] + b_payload[n*(WORD+8)+WORD +: 8] >= 1 << PAGE) legal = 0;
        if (pending[n*16 +: 16] + b_payload[n*(WORD+8)+WORD +: 8] >= ROOM) within = 0;
      end
    end
  end
  wire [8:0] asks_beats = asks_payload[WORD+7:WORD] + 1;

  reg [READERS*16-1:0] pending = 0, on_bus = 0;  // of each reader, words asked for, and those that the memory knows of
  reg was_asked = 0, was_stalled = 0, was_r = 0, was_reset = 1, was_failed = 0, was_empty = 1;
  reg [ID-1:0] was_id = 0, was_rid = 0, stalled_id = 0;
  reg [WORD+7:0] was_payload = 0;
  reg [WORD+LOW-1:0] stalled_address = 0;
  reg [7:0] stalled_length = 0;
  reg [BITS-1:0] was_data = 0;
  always @(posedge clk) begin
    for (n = 0; n < READERS; n = n + 1) begin
      pending[n*16 +: 16] <= rst ? 0 : pending[n*16 +: 16] + (asks[n] ? asks_beats : 0) - (rvalid && rid == n);
      on_bus[n*16 +: 16] <= rst ? 0 : on_bus[n*16 +: 16] + (arvalid && arready && arid == n ? arlen + 9'd1 : 0)
        - (rvalid && rid == n);
    end
    was_asked <= |asks && !rst;
    was_id <= asks_id;
    was_payload <= asks_payload;
    was_stalled <= arvalid && !arready && !rst;
    {stalled_id, stalled_address, stalled_length} <= {arid, araddr, arlen};
    was_r <= rvalid && !rst;
    {was_rid, was_data, was_failed} <= {rid, rdata, rresp[1]};
    was_reset <= rst;
    was_empty <= rst || pending == 0 && !(|asks);
  end

  reg answers, counted;
  reg [23:0] total;
  always @* begin
    total = 0;
    answers = 0;
    counted = 1;
    for (n = 0; n < READERS; n = n + 1) begin
      total = total + pending[n*16 +: 16];
      if (rid == n && on_bus[n*16 +: 16] != 0) answers = 1;
      if (pending[n*16 +: 16] != on_bus[n*16 +: 16] + (arvalid && arid == n ? arlen + 9'd1 : 0)) counted = 0;
      if (pending[n*16 +: 16] > ROOM) counted = 0;
    end
  end
  always @* begin
    assume (legal);  // memory_reader: burst_in_page
    assume (within);  // memory_reader: room_for_all
    assume (!rvalid || answers);
  end
  always @* if (!rst) begin
    ar_stays: assert (!was_stalled || arvalid && {arid, araddr, arlen} == {stalled_id, stalled_address, stalled_length});
    ar_legal: assert (!arvalid || arsize == LOW && arburst == 2'b01 && araddr[LOW-1:0] == 0 && arid < READERS
      && araddr[LOW +: PAGE] + arlen < 1 << PAGE);
    ar_is_the_burst: assert (!was_asked || arvalid && arid == was_id
      && araddr[WORD+LOW-1:LOW] == was_payload[WORD-1:0] && arlen == was_payload[WORD+7:WORD]);
    ar_once: assert (!arvalid || was_asked || was_stalled);
    one_at_a_time: assert (one);
    asked_in_time: assert (b_valid == 0 || arvalid && !arready || |asks);
    always_ready: assert (rready);
    words_delivered: assert (arrived == (was_r ? 1 << was_rid : 0) && (!was_r || data == was_data));
    errors_told: assert (failed == (was_r && was_failed));
    idle_exact: assert (idle == was_empty && (!idle || pending == 0));
    quiet_after_reset: assert (!was_reset || !arvalid && arrived == 0 && !failed && idle);
    helper_counted: assert (counted && due == total);
  end
endmodule

module bus_cover #(parameter READERS = 3, ID = 2) (
  input clk, rst,
  input [ID-1:0] arid, rid,
  input arvalid, arready, rvalid,
  input failed, idle
);
  reg [ID-1:0] first = 0;  // that asked
  reg asked = 0, both = 0, overtaken = 0;
  always @(posedge clk) if (rst) {asked, both, overtaken} <= 0;
  else begin
    if (arvalid && arready && !asked) {asked, first} <= {1'b1, arid};
    both <= both || asked && arvalid && arready && arid != first;
    overtaken <= overtaken || both && rvalid && rid != first && !idle;
  end
  always @* if (!rst) begin
    answered_out_of_order: cover (overtaken);
    idle_again: cover (both && idle);
    an_error: cover (failed);
    a_burst_waits: cover (arvalid && !arready && both);
  end
endmodule

// The FIFO: how many words it holds, and when they leave, whatever its memory gives.
module fifo_rules #(parameter DEPTH = 4, WAITING = 7, LATENCY = 5, BITS = 1) (
  input clk, rst,
  input i_valid, i_ready, o_valid, o_ready,
  input [BITS-1:0] o_payload,
  input [15:0] held,
  input [7:0] reserved, level,  // the unit's registers: they help the induction
  input free, room,
  input [1:0] on_the_way
);
  wire accepted = i_valid && i_ready, leaves = o_valid && o_ready;
  reg [15:0] inside = 0, was_inside = 0;
  reg [7:0] waits = 0;
  reg was_offered = 0;
  reg [BITS-1:0] was_payload = 0;
  always @(posedge clk) begin
    inside <= inside + accepted - leaves;
    was_inside <= inside;
    waits <= inside != 0 && !o_valid ? waits + (waits != 255) : 0;
    was_offered <= o_valid && !o_ready;
    was_payload <= o_payload;
    if (rst) {inside, was_inside, waits, was_offered} <= 0;
  end
  integer n;
  reg [7:0] waiting;
  always @* begin
    waiting = 0;
    for (n = 0; n < 8; n = n + 1) waiting = waiting + level[n];
  end
  always @* if (!rst) begin
    ready_with_room: assert (was_inside > DEPTH - 2 || i_ready);
    nothing_invented: assert (!o_valid || inside != 0);
    offer_stays: assert (!was_offered || o_valid && o_payload == was_payload);
    leaves_in_time: assert (waits < LATENCY);
    helper_inside: assert (inside == held + reserved && held <= DEPTH && reserved <= WAITING);
    helper_free: assert (i_ready == free && (!free || held < DEPTH) && was_inside <= DEPTH + WAITING);
    helper_room: assert (!room || reserved < WAITING);
    helper_reserved: assert (reserved == on_the_way[0] + on_the_way[1] + waiting + o_valid);
    helper_level: assert ((level & (level + 8'd1)) == 0);
  end
endmodule
