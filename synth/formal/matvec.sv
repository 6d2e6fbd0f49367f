// Where a matrix-vector engine could lose or mix up sums, and does not: the way out of the rows' totals, and the queue
// behind it.
//
// A tile has 1 to ROWS rows, an assumption; operands, weights and the rows' totals are arbitrary. The tile that leaves
// is shifted out, a total per cycle; with BACKLOG another tile may wait behind it.

// Totals wait until they have left: the engine knows how long the tiles before need.
module matvec_totals #(
  parameter ROWS = 1,
  parameter ROW_BITS = 1,
  parameter DELAY = 2,  // cycles from the start of a tile's last beat to its totals
  parameter BACKLOG = 0
) (
  input rst,
  input [DELAY-1:0] ends,  // bit n: a tile's last beat started n + 1 cycles ago
  input [DELAY*ROW_BITS-1:0] rows,  // of that tile
  input [ROWS-1:0] leaving, waiting,  // totals of the tile that leaves, and of the one behind it, in unary
  input waits,  // there is one behind it
  input free,  // the tile that leaves is replaced after this cycle, if there is another
  input [ROWS-1:0] busy,  // without BACKLOG: bit n: the next tile must not end in n cycles
  input [ROWS-1:0] slots,  // with it: further cycles that the tile that leaves has, in unary
  input [2*ROWS-1:0] taken  // and those that the tiles have that have ended, in unary
);
  wire [ROW_BITS-1:0] first = rows[ROW_BITS-1:0];
  wire done = ends[DELAY-1];
  integer n, k, b;
  reg counts, unary;
  reg [ROW_BITS-1:0] of_tile;
  always @* begin
    counts = 1;  // a tile's rows are in range
    unary = 1;
    for (n = 0; n < DELAY; n = n + 1) begin
      of_tile = rows[n*ROW_BITS +: ROW_BITS];
      if (ends[n] && (of_tile == 0 || of_tile > ROWS)) counts = 0;
    end
    for (n = 1; n < ROWS; n = n + 1)
      if (leaving[n] && !leaving[n-1] || waits && waiting[n] && !waiting[n-1]) unary = 0;
  end
  always @* if (!rst) begin
    if (ends[0]) assume (first != 0 && first <= ROWS);
    helper_counts: assert (counts);
    helper_unary: assert (unary);
    totals_are_kept: assert (!(done && waits && !free) && !(free && (waits || done) && |(leaving >> 1)));
  end

  generate if (BACKLOG) begin
    reg [2*ROWS-1:0] due;  // cycles that are taken when the tiles that have ended are done, one after another
    reg in_time, ordered;
    always @* begin
      ordered = !slots[ROWS-1];
      for (k = 1; k < ROWS; k = k + 1) if (slots[k] && !slots[k-1]) ordered = 0;
      due = waits ? {slots, {ROWS{1'b1}}} : slots;
      in_time = 1;  // no tile ends while more than ROWS cycles are taken
      for (k = DELAY - 1; k >= 0; k = k - 1) begin
        if (ends[k] && due[ROWS]) in_time = 0;
        due = ends[k] ? {due, {ROWS{1'b1}}} >> 1 : due >> 1;
      end
    end
    always @* if (!rst) begin
      helper_ordered: assert (ordered);
      helper_in_time: assert (in_time);
      helper_taken: assert (taken == due);
      helper_leaving: assert (!(leaving >> 1 & ~slots));
    end
  end else begin
    reg apart, shown, early;
    always @* begin
      apart = 1;  // tiles end at least ROWS cycles apart
      shown = 1;  // and busy says when the next one may
      early = 0;  // totals are done while so many wait that they would meet
      for (k = 0; k < DELAY; k = k + 1)
        if (ends[k]) begin
          for (b = k + 1; b < DELAY && b < k + ROWS; b = b + 1) if (ends[b]) apart = 0;
          for (b = 0; b + k + 1 < ROWS; b = b + 1) if (!busy[b]) shown = 0;
          for (b = 1; b < ROWS; b = b + 1) if (leaving[b] && k + b >= DELAY) early = 1;
        end
      // so many wait that the next tile must not end yet
      for (b = DELAY + 1; b < ROWS; b = b + 1)
        for (k = 0; k < b - DELAY; k = k + 1) if (leaving[b] && !busy[k]) shown = 0;
    end
    always @* if (!rst) begin
      helper_apart: assert (apart);
      helper_shown: assert (shown);
      helper_early: assert (!early);
    end
  end endgenerate
endmodule

// The queue has room. Its bound follows by counting: what is reserved is what is on the way to the queue, in it, and what
// left a cycle ago.
module matvec_queue #(
  parameter ROWS = 1,
  parameter ROW_BITS = 1,
  parameter DELAY = 2,
  parameter DEPTH = 8,  // of the queue
  parameter COUNT_BITS = 4,
  parameter WIDTH = 1,
  parameter SPARE = 2  // free places of the queue with which a tile may end
) (
  input clk, rst,
  input [DELAY-1:0] ends,  // these as above
  input [DELAY*ROW_BITS-1:0] rows,
  input [ROWS-1:0] leaving, waiting,
  input waits,
  input [COUNT_BITS-1:0] reserved,
  input left, room,
  input [DEPTH-1:0] level,  // of the queue, in unary
  input take,  // an item leaves them
  input queued,  // the queue has an item at its output
  input o_valid, o_ready,
  input [WIDTH-1:0] o_payload
);
  // what is in each part of the way, counted step by step, which is easier for solvers than one sum of all its bits
  reg [COUNT_BITS:0] coming = 0, out = 0, stored = 0;
  wire [ROW_BITS-1:0] ended = ends[0] ? rows[ROW_BITS-1:0] : 0;
  wire [ROW_BITS-1:0] arrived = ends[DELAY-1] ? rows[(DELAY-1)*ROW_BITS +: ROW_BITS] : 0;
  always @(posedge clk) begin
    coming <= rst ? 0 : coming + ended - arrived;
    out <= rst ? 0 : out + arrived - leaving[0];
    stored <= rst ? 0 : stored + leaving[0] - take;
  end
  wire [COUNT_BITS:0] inside = coming + ended + out + stored + queued;

  integer n;
  reg [COUNT_BITS:0] all_coming, all_out;
  always @* begin
    all_coming = 0;
    all_out = 0;
    for (n = 1; n < DELAY; n = n + 1) if (ends[n]) all_coming = all_coming + rows[n*ROW_BITS +: ROW_BITS];
    for (n = 0; n < ROWS; n = n + 1) all_out = all_out + leaving[n] + (waits && waiting[n]);
  end

  reg was_offered = 0, was_reset = 1;
  reg [WIDTH-1:0] was_payload = 0;
  always @(posedge clk) begin
    was_reset <= rst;
    was_offered <= o_valid && !o_ready;
    was_payload <= o_payload;
  end

  always @* if (!rst) begin
    helper_coming: assert (coming == all_coming);
    helper_out: assert (out == all_out);
    helper_stored: assert (stored <= DEPTH && level == (1 << stored) - 1);
    helper_reserved: assert (reserved == inside + left);
    helper_bound: assert (reserved <= DEPTH);
    helper_room: assert (!room || reserved <= DEPTH - SPARE + ended);
    queue_has_room: assert (!(leaving[0] && level[DEPTH-1]));
    offer_stays: assert (!was_offered || was_reset || (o_valid && o_payload == was_payload));
    reset_empties: assert (!was_reset || !(|ends || |leaving || waits || |level || queued || o_valid));
  end
endmodule

// An arbitrary row of an arbitrary tile: its sum goes into the queue with the tile's tag, after exactly the rows that
// were done before it; with BACKLOG when the tiles before it have had ROWS cycles each, else at once. So the engine gives
// the same with BACKLOG and without: every tile's sums, tile by tile, row by row.
module matvec_order #(
  parameter ROWS = 1,
  parameter ROW_BITS = 1,
  parameter BITS = 32,  // of a sum
  parameter NOTE = 2,  // bits of a tag, and whether the tile ends its job
  parameter BACKLOG = 0
) (
  input clk, rst,
  input watch,  // the tile that is done now
  input [ROW_BITS-1:0] which,  // of its rows
  input done,
  input [ROW_BITS-1:0] count,  // rows that are done
  input [NOTE-1:0] note,
  input [ROWS*BITS-1:0] totals,
  input [ROWS-1:0] leaving, waiting, slots,  // see above
  input waits,
  input [NOTE-1:0] leaving_note, waiting_note,
  input [ROWS*BITS-1:0] leaving_totals, waiting_totals,
  input write,  // into the queue
  input [BITS+NOTE-1:0] data
);
  localparam COUNT = $clog2(2 * ROWS + 1);
  reg [COUNT-1:0] within = 0;  // rows done whose sums are not in the queue
  reg [2*ROWS-1:0] taken = 0;  // cycles that their tiles have after this one, in unary
  reg watching = 0;
  reg [COUNT-1:0] ahead = 0;  // rows that must leave before it
  reg [2*ROWS-1:0] remaining = 0;  // cycles until it must leave, in unary
  reg [BITS+NOTE-1:0] value = 0;
  integer n;
  wire mine = watching && ahead == 0;
  reg [BITS-1:0] total;
  always @* begin
    total = 0;
    for (n = 0; n < ROWS; n = n + 1) if (which == n) total = totals[n*BITS +: BITS];
  end
  always @(posedge clk) begin
    within <= within + (done ? count : 0) - write;
    taken <= done ? {taken, {ROWS{1'b1}}} >> 1 : taken >> 1;
    if (done && watch && which < count && !watching) begin
      watching <= 1;
      ahead <= within - write + which;
      remaining <= ((BACKLOG ? taken : 0) + 1 << which) - 1;
      value <= {note[NOTE-1] && which + 1 == count, note[NOTE-2:0], total};
    end else if (watching) begin
      watching <= !(write && mine);
      ahead <= ahead - write;
      remaining <= remaining >> 1;
    end
    if (rst) begin
      within <= 0;
      taken <= 0;
      watching <= 0;
    end
  end

  always @* if (!rst) begin
    no_sum_invented: assert (!write || within != 0);
    if (watching) begin
      leaves_as_itself: assert (!(write && mine) || data == value);
      leaves_when_due: assert ((write && mine) == (remaining == 0));
    end
  end

  // helpers that make these inductive: where the row is
  reg [COUNT-1:0] of_leaving, of_waiting, place;
  reg [BITS+NOTE-1:0] here;
  always @* begin
    of_leaving = 0;
    of_waiting = 0;
    for (n = 0; n < ROWS; n = n + 1) begin
      of_leaving = of_leaving + leaving[n];
      of_waiting = of_waiting + (waits && waiting[n]);
    end
    place = ahead < of_leaving ? ahead : ahead - of_leaving;
    here = 0;
    for (n = 0; n < ROWS; n = n + 1)
      if (place == n)
        here = ahead < of_leaving
          ? {leaving_note[NOTE-1] && n + 1 == of_leaving, leaving_note[NOTE-2:0], leaving_totals[n*BITS +: BITS]}
          : {waiting_note[NOTE-1] && n + 1 == of_waiting, waiting_note[NOTE-2:0], waiting_totals[n*BITS +: BITS]};
  end
  always @* if (!rst) begin
    helper_within: assert (within == of_leaving + of_waiting);
    helper_taken: assert (!BACKLOG || taken == (waits ? {slots, {ROWS{1'b1}}} : slots));
    if (watching) begin
      helper_within_it: assert (ahead < within);
      helper_here: assert (here == value);
      helper_remaining: assert (remaining == ((ahead < of_leaving ? 0 : {slots, 1'b1}) + 1 << place) - 1);
    end
  end
endmodule
