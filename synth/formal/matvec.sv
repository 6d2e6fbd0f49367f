// Where a matrix-vector engine could lose sums, and does not: the totals that wait to leave, and the queue behind them.
//
// A tile has 1 to ROWS rows, an assumption; operands, weights and the rows' totals are arbitrary. The queue's bound
// follows by counting: what is reserved is what is on the way to the queue, in it, and what left a cycle ago.
module matvec_sums #(
  parameter ROWS = 1,
  parameter ROW_BITS = 1,
  parameter DELAY = 2,  // cycles from the start of a tile's last beat to its totals
  parameter DEPTH = 8,  // of the queue
  parameter COUNT_BITS = 4,
  parameter WIDTH = 1
) (
  input clk, rst,
  input [DELAY-1:0] ends,  // bit n: a tile's last beat started n + 1 cycles ago
  input [DELAY*ROW_BITS-1:0] rows,  // of that tile
  input [ROWS-1:0] busy, waiting,
  input [COUNT_BITS-1:0] reserved,
  input left, room,
  input [DEPTH-1:0] level,  // of the queue, in unary
  input queued,  // the queue has an item at its output
  input o_valid, o_ready,
  input [WIDTH-1:0] o_payload
);
  wire [ROW_BITS-1:0] first = rows[ROW_BITS-1:0];
  integer n, b;
  reg [15:0] inside;
  reg counts, apart, shown, early, unary;
  reg [ROW_BITS-1:0] of_tile;
  always @* begin
    inside = queued;
    counts = 1;  // a tile's rows are in range
    apart = 1;  // tiles end at least ROWS cycles apart
    shown = 1;  // and busy says when the next one may
    early = 0;  // totals are done while so many wait that they would meet
    unary = 1;
    for (n = 0; n < DEPTH; n = n + 1) inside = inside + level[n];
    for (n = 0; n < ROWS; n = n + 1) inside = inside + waiting[n];
    for (n = 0; n < DELAY; n = n + 1) begin
      of_tile = rows[n*ROW_BITS +: ROW_BITS];
      if (ends[n]) begin
        inside = inside + of_tile;
        if (of_tile == 0 || of_tile > ROWS) counts = 0;
        for (b = n + 1; b < DELAY && b < n + ROWS; b = b + 1) if (ends[b]) apart = 0;
        for (b = 0; b + n + 1 < ROWS; b = b + 1) if (!busy[b]) shown = 0;
        for (b = 1; b < ROWS; b = b + 1) if (waiting[b] && n + b >= DELAY) early = 1;
      end
    end
    // so many wait that the next tile must not end yet
    for (b = DELAY + 1; b < ROWS; b = b + 1)
      for (n = 0; n < b - DELAY; n = n + 1) if (waiting[b] && !busy[n]) shown = 0;
    for (n = 1; n < ROWS; n = n + 1) if (waiting[n] && !waiting[n-1]) unary = 0;
    for (n = 1; n < DEPTH; n = n + 1) if (level[n] && !level[n-1]) unary = 0;
  end

  reg was_offered = 0, was_reset = 1;
  reg [WIDTH-1:0] was_payload = 0;
  always @(posedge clk) begin
    was_reset <= rst;
    was_offered <= o_valid && !o_ready;
    was_payload <= o_payload;
  end

  always @* if (!rst) begin
    if (ends[0]) assume (first != 0 && first <= ROWS);
    helper_counts: assert (counts);
    helper_apart: assert (apart);
    helper_shown: assert (shown);
    helper_early: assert (!early);
    helper_unary: assert (unary);
    helper_reserved: assert (reserved == inside + left);
    helper_bound: assert (reserved <= DEPTH);
    helper_room: assert (!room || reserved <= DEPTH - (ROWS > 2 ? ROWS : 2) + (ends[0] ? first : 0));
    queue_has_room: assert (!(waiting[0] && level[DEPTH-1]));
    totals_are_kept: assert (!(ends[DELAY-1] && |(waiting >> 1)));
    offer_stays: assert (!was_offered || was_reset || (o_valid && o_payload == was_payload));
    reset_empties: assert (!was_reset || (inside == 0 && !o_valid));
  end
endmodule
