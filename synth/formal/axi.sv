// The rules of an AXI4-Lite subordinate that answers in order, and the answers of its registers.
//
// There are no assumptions on the manager: its signals and the reset are free in every cycle.

// The handshakes: exactly one answer to each request.
module axi_rules #(
  parameter SETTLED = 4  // cycles from the later of address and data to the answer, unless it has to wait
) (
  input clk, rst,
  input awvalid, awready, wvalid, wready, bvalid, bready, arvalid, arready, rvalid, rready,
  input [1:0] bresp, rresp,
  input [31:0] rdata
);
  // accepted and not answered yet
  reg [2:0] addresses = 0, data = 0, reads = 0;
  wire b_taken = bvalid && bready, r_taken = rvalid && rready;
  always @(posedge clk) begin
    addresses <= rst ? 0 : addresses + (awvalid && awready) - b_taken;
    data <= rst ? 0 : data + (wvalid && wready) - b_taken;
    reads <= rst ? 0 : reads + (arvalid && arready) - r_taken;
  end

  reg was_reset = 0, was_b = 0, was_r = 0;
  reg [1:0] was_bresp = 0, was_rresp = 0;
  reg [31:0] was_rdata = 0;
  always @(posedge clk) begin
    was_reset <= rst;
    was_b <= bvalid && !bready && !rst;
    was_r <= rvalid && !rready && !rst;
    was_bresp <= bresp;
    was_rresp <= rresp;
    was_rdata <= rdata;
  end

  always @* begin
    write_answer_stays: assert (!was_b || (bvalid && bresp == was_bresp));
    read_answer_stays: assert (!was_r || (rvalid && rresp == was_rresp && rdata == was_rdata));
    write_answered_if_asked: assert (!bvalid || (addresses != 0 && data != 0));
    read_answered_if_asked: assert (!rvalid || reads != 0);
    two_at_most: assert (addresses <= 2 && data <= 2 && reads <= 2);
    okay_or_slverr: assert ((!bvalid || !bresp[0]) && (!rvalid || !rresp[0]));
    quiet_after_reset: assert (!was_reset || (!bvalid && !rvalid));
  end

  // no deadlock: bounds on the wait for an answer, and for the next request, while the manager is ready
  reg [3:0] write_waits = 0, read_waits = 0, aw_waits = 0, w_waits = 0, ar_waits = 0;
  wire b_free = !bvalid || bready, r_free = !rvalid || rready;
  function [3:0] waits(input [3:0] before, input waiting);
    waits = waiting ? before + (before != 15) : 0;
  endfunction
  always @(posedge clk) begin
    write_waits <= waits(write_waits, !rst && addresses != 0 && data != 0 && !bvalid);
    read_waits <= waits(read_waits, !rst && reads != 0 && !rvalid);
    // a cycle in which the manager withholds the other channel does not count
    if (rst || awready || wready) aw_waits <= 0;
    else if (b_free) aw_waits <= waits(aw_waits, 1);
    if (rst || wready || awready) w_waits <= 0;
    else if (b_free) w_waits <= waits(w_waits, 1);
    if (rst || arready) ar_waits <= 0;
    else if (r_free) ar_waits <= waits(ar_waits, 1);
  end
  always @* begin
    write_answered_in_time: assert (write_waits <= SETTLED);
    read_answered_in_time: assert (read_waits <= SETTLED);
    address_ready_again: assert (aw_waits <= SETTLED);
    data_ready_again: assert (w_waits <= SETTLED);
    read_ready_again: assert (ar_waits <= SETTLED);
  end

  always @* begin
    // a request without an answer is in its slot, or its answer is offered
    helper_addresses: assert (addresses == bvalid + !awready);
    helper_data: assert (data == bvalid + !wready);
    helper_reads: assert (reads == rvalid + !arready);
  end
endmodule

// The answers of the registers; their access and width come from the generated module axi_map.
module axi_registers (
  input clk, rst,
  input awvalid, awready, wvalid, wready, bvalid, bready, arvalid, arready, rvalid, rready,
  input [9:0] awaddr, araddr,
  input [31:0] wdata, rdata,
  input [3:0] wstrb,
  input [1:0] bresp, rresp,
  input locked,  // the unit's: STATUS.PENDING, in which parameters refuse writes
  input [31:0] held,  // the unit's value of the watched parameter: helps the induction
  output [7:0] watched  // index of an arbitrary register
);
  localparam FIXED = 0, PARAMETER = 1, COMMAND = 2, STATUS = 3, COUNTER = 4;
  localparam OKAY = 2'b00, SLVERR = 2'b10;

  (* anyconst *) wire [7:0] which;
  assign watched = which;

  reg [9:0] aw = 0, ar = 0;
  reg [31:0] data = 0;
  reg [3:0] strobe = 0;
  always @(posedge clk) begin
    if (awvalid && awready) aw <= awaddr;
    if (wvalid && wready) {strobe, data} <= {wstrb, wdata};
    if (arvalid && arready) ar <= araddr;
  end

  reg open_b = 0, open_r = 0;  // whether an answer that is offered now is a new one
  reg locked1 = 0, locked2 = 0;
  always @(posedge clk) begin
    open_b <= !rst && (!bvalid || bready);
    open_r <= !rst && (!rvalid || rready);
    locked1 <= locked && !rst;
    locked2 <= locked1 && !rst;
  end
  wire new_b = bvalid && open_b, new_r = rvalid && open_r;

  wire there, extends, read_there, read_extends;
  wire [2:0] access, read_access;
  wire [5:0] width, read_width;
  wire [31:0] reset, read_reset;
  axi_map written (.index(aw[9:2]), .there(there), .access(access), .width(width), .extends(extends), .reset(reset));
  axi_map read (
    .index(ar[9:2]), .there(read_there), .access(read_access), .width(read_width), .extends(read_extends),
    .reset(read_reset)
  );
  wire [31:0] watched_reset;
  wire [2:0] watched_access;
  axi_map of_watched (.index(which), .access(watched_access), .reset(watched_reset));

  reg [31:0] model = 0;
  reg begun = 0;
  reg [31:0] model1 = 0, model2 = 0;
  wire [31:0] now = begun ? model : watched_reset;  // a register's initial value cannot be a variable

  wire [31:0] bits = {{8{strobe[3]}}, {8{strobe[2]}}, {8{strobe[1]}}, {8{strobe[0]}}};
  wire [31:0] merged = (data & bits) | (now & ~bits);
  wire excess = width != 32 && ((data & bits) >> width) != 0;
  wire signed [31:0] sign = $signed(merged) >>> (width - 1);  // all bits are equal if the register can hold the value
  wire unfit = extends ? sign != 0 && ~sign != 0 : excess;
  wire mine = aw[9:2] == which;
  wire refused = aw[1:0] != 0 || !there || access == FIXED || (access == COMMAND && excess)
    || (access == PARAMETER && (locked2 || unfit));
  always @(posedge clk) begin
    begun <= 1;
    model <= now;
    if (new_b && bresp == OKAY && access == PARAMETER && mine) model <= merged;
    if (rst) model <= watched_reset;
    model1 <= rst ? watched_reset : now;
    model2 <= rst ? watched_reset : begun ? model1 : watched_reset;
  end

  always @* begin
    // of signed parameters the fit depends on what is there, which is only known of the one that is watched
    if (new_b && (!extends || mine)) refused_exactly: assert ((bresp == SLVERR) == refused);
    if (new_r) begin
      reads_refused_exactly: assert ((rresp == SLVERR) == (ar[1:0] != 0 || !read_there));
      if (rresp == SLVERR) reads_nothing: assert (rdata == 0);
      else begin
        if (read_access == FIXED) fixed_as_documented: assert (rdata == read_reset);
        if (read_access == COMMAND) command_reads_zero: assert (rdata == 0);
        if (read_access == PARAMETER && ar[9:2] == which)
          reads_what_was_written: assert (rdata == (begun ? model2 : watched_reset));
      end
    end
    if (watched_access == PARAMETER) helper_held: assert (held == now);
  end
endmodule

module axi_cover (
  input clk, rst,
  input awvalid, awready, wvalid, wready, bvalid, bready, arvalid, arready, rvalid, rready,
  input [1:0] bresp, rresp,
  input pending
);
  reg [2:0] b_waits = 0, r_waits = 0;
  reg data_first = 0, address_first = 0, answered = 0, refused = 0;
  always @(posedge clk) begin
    b_waits <= rst || !bvalid || bready ? 0 : b_waits + (b_waits != 7);
    r_waits <= rst || !rvalid || rready ? 0 : r_waits + (r_waits != 7);
    data_first <= !rst && (data_first || !wready && awready);
    address_first <= !rst && (address_first || !awready && wready);
    answered <= answered || bvalid && bready && bresp == 0;
    refused <= refused || bvalid && bready && bresp != 0;
  end
  always @* begin
    write_answer_waits: cover (b_waits == 7 && !awready && !wready);
    read_answer_waits: cover (r_waits == 7 && !arready);
    in_any_order: cover (data_first && address_first && bvalid && bready);
    write_refused: cover (refused && answered);
    read_refused: cover (rvalid && rresp != 0);
    refused_while_pending: cover (pending && bvalid && bresp != 0 && answered);
    reset_in_access: cover (rst && !awready && !wready && !arready && !bvalid);
  end
endmodule
