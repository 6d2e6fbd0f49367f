"""A self-checking testbench of an accelerator in plain Verilog (2005, and ``$fatal``): host, memory and sink."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qse_hw.rtl_gen.accelerator.image_words import image_bytes
from qse_hw.rtl_gen.bus.register_files import constants
from qse_hw.rtl_gen.emit.testbench_head import head, testbench_name

if TYPE_CHECKING:
    from qse_hw.rtl_gen.units.accelerator import AcceleratorConfig

MAX_IMAGE = 32 << 20
"""Bytes of the largest image that a testbench has: its file has two characters for each byte."""
BASE = 0x1040
"""Where the testbench's memory has the image."""
_CONSTANTS = {
    "BASE_OFFSET", "CONTROL_OFFSET", "CONTROL_START_MASK", "STATUS_OFFSET", "MODE_OFFSET", "MODE_LOGITS_MASK",
    "STATE_READY",
}  # fmt: skip
_QUIET = 20000  # cycles in which nothing moves on any bus, besides those of a token's products, that fail

_ABOUT = """\
// Self-checking testbench of {top}: a host starts it, a memory with its image answers it, a sink takes its results:
// the next tokens' ids at full speed, then logits with random pauses of memory, host and sink."""
_TEXT = """\
{head}
  // registers, of {top}_registers.vh
{registers}
  localparam [{address_high}:0] BASE = {address_bits}'h{base:x};
  localparam TOKENS = {tokens}, LOGITS = {logits}, BUS_BYTES = {bus_bytes}, WORDS = {words};
  reg [{bus_high}:0] memory [0:WORDS-1];
  reg [{token_high}:0] sent_tokens [0:TOKENS-1];  // sequence, last, id
  reg [{result_high}:0] ids [0:TOKENS-1];  // sequence, id of the largest logit
  reg [31:0] logits [0:TOKENS*LOGITS-1];

  integer pass = 0, cycle = 0, quiet = 0;
  integer sent = 0, token = 0, beat = 0;  // tokens offered; results that came, and beats of the next
  reg run = 1'b0, failed = 1'b0;

  // xorshift: the pace of the pauses
  reg [31:0] random = 32'd20260109;
  reg pause_in = 1'b0, pause_out = 1'b0, pause_address = 1'b0, pause_data = 1'b0;
  wire [31:0] random_a = random ^ (random << 13);
  wire [31:0] random_b = random_a ^ (random_a >> 17);
  always @(posedge clk) begin
    cycle <= cycle + 1;
    random <= random_b ^ (random_b << 5);
    if (random[2:0] == 3'd0) pause_in <= pass == 1 && !pause_in;
    if (random[10:8] == 3'd0) pause_out <= pass == 1 && !pause_out;
    if (random[18:16] == 3'd0) pause_address <= pass == 1 && !pause_address;
    if (random[26:24] == 3'd0) pause_data <= pass == 1 && !pause_data;
  end

  task fail;
    begin
      $display("pass %0d (%0s), cycle %0d, token %0d", pass, pass == 0 ? "full speed" : "pauses", cycle, token);
      failed = 1'b1;
      $fatal(1);
    end
  endtask

  // memory: answers bursts in their order
  reg [{id_high}:0] burst_id [0:15];
  reg [{address_high}:0] burst_address [0:15];
  reg [7:0] burst_length [0:15];
  reg [3:0] put = 0, got = 0;
  reg [7:0] answered = 0;
  wire [3:0] waiting = put - got;
  wire [{address_high}:0] place = burst_address[got] - BASE;
  wire [12:0] burst_end = m_axi_araddr[11:0] + (m_axi_arlen + 13'd1) * BUS_BYTES;
  always @(posedge clk) begin
    m_axi_arready <= !pause_address && waiting < 4'd12;
    if (m_axi_arvalid && m_axi_arready && !failed) begin
      burst_id[put] <= m_axi_arid;
      burst_address[put] <= m_axi_araddr;
      burst_length[put] <= m_axi_arlen;
      put <= put + 4'd1;
      if (m_axi_araddr < BASE || m_axi_araddr - BASE + (m_axi_arlen + 1) * BUS_BYTES > WORDS * BUS_BYTES) begin
        $display("FAIL a burst of %0d from %h on leaves the image", m_axi_arlen + 1, m_axi_araddr);
        fail;
      end
      if (m_axi_araddr % BUS_BYTES != 0 || burst_end > 13'd4096) begin
        $display("FAIL a burst of %0d from %h on crosses 4096 bytes or is not aligned", m_axi_arlen + 1, m_axi_araddr);
        fail;
      end
    end
    if (!m_axi_rvalid || m_axi_rready) begin
      m_axi_rvalid <= waiting != 4'd0 && !pause_data;
      m_axi_rid <= burst_id[got];
      m_axi_rdata <= memory[place / BUS_BYTES + answered];
      m_axi_rlast <= answered == burst_length[got];
      if (waiting != 4'd0 && !pause_data) begin
        answered <= answered + 8'd1;
        if (answered == burst_length[got]) begin
          answered <= 8'd0;
          got <= got + 4'd1;
        end
      end
    end
  end

  // tokens, and their results
  wire last = pass == 0 || beat == LOGITS - 1;
  wire [{result_high}:0] want = pass == 0 ? ids[token] : {{{want_sequence}logits[token * LOGITS + beat]}};
  wire [{result_high}:0] result = {{{result_sequence}m_axis_tdata}};
  always @(posedge clk) if (!rst && !failed) begin
    quiet <= run ? quiet + 1 : 0;
    if (m_axi_rvalid || (s_axis_tvalid && s_axis_tready) || (m_axis_tvalid && m_axis_tready)) quiet <= 0;
    if (!s_axis_tvalid || s_axis_tready) begin
      s_axis_tvalid <= run && sent < TOKENS && !pause_in;
      if (run && sent < TOKENS && !pause_in) begin
        {{{sent_sequence}s_axis_tlast, s_axis_tdata}} <= sent_tokens[sent];
        sent <= sent + 1;
      end
    end
    m_axis_tready <= !pause_out;
    if (m_axis_tvalid && m_axis_tready) begin
      if (!run || token == TOKENS) begin
        $display("FAIL more than the results of %0d tokens", TOKENS);
        fail;
      end else if (result !== want || m_axis_tkeep !== 4'hf || m_axis_tlast !== last) begin
        $display("FAIL beat %0d is %h, not %h, or its TKEEP %h or TLAST %b is wrong", beat, result, want, m_axis_tkeep,
          m_axis_tlast);
        fail;
      end
      beat <= last ? 0 : beat + 1;
      if (last) token <= token + 1;
    end
    if (!run) {{sent, token}} <= 64'd0;
    if (quiet > {patience}) begin
      $display("FAIL nothing moves: %0d tokens offered, %0d results", sent, token);
      fail;
    end
  end

  // host
  reg address_taken, data_taken;
  reg [31:0] status;
  task write;
    input [31:0] address;
    input [31:0] data;
    begin
      s_axi_awaddr <= address;
      s_axi_awvalid <= 1'b1;
      {{s_axi_wdata, s_axi_wstrb, s_axi_wvalid}} <= {{data, 4'hf, 1'b1}};
      s_axi_bready <= 1'b1;
      {{address_taken, data_taken}} = 2'b00;
      @(posedge clk);
      while (!(address_taken && data_taken)) begin
        @(posedge clk);
        if (s_axi_awvalid && s_axi_awready) begin s_axi_awvalid <= 1'b0; address_taken = 1'b1; end
        if (s_axi_wvalid && s_axi_wready) begin s_axi_wvalid <= 1'b0; data_taken = 1'b1; end
      end
      while (!s_axi_bvalid) @(posedge clk);
      if (s_axi_bresp !== 2'b00) begin
        $display("FAIL the register at %h refuses %h", address, data);
        fail;
      end
      @(posedge clk);
      s_axi_bready <= 1'b0;
    end
  endtask
  task read_status;
    begin
      s_axi_araddr <= STATUS_OFFSET;
      {{s_axi_arvalid, s_axi_rready}} <= 2'b11;
      @(posedge clk);
      @(posedge clk);
      while (!s_axi_arready) @(posedge clk);
      s_axi_arvalid <= 1'b0;
      while (!s_axi_rvalid) @(posedge clk);
      status = s_axi_rdata;
      @(posedge clk);
      s_axi_rready <= 1'b0;
    end
  endtask

  integer most;
  initial begin
{readmemh}
    repeat (4) @(posedge clk);
    rst <= 1'b0;
    @(posedge clk);
    write(BASE_OFFSET, BASE[31:0]);
    write(CONTROL_OFFSET, CONTROL_START_MASK);
    status = 32'd0;
    // until it is READY, or has a flag that says why not
    for (most = WORDS * 2 + {patience}; most != 0 && status != STATE_READY && status < 32'h100; most = most - 1)
      read_status;
    if (status !== STATE_READY) begin
      $display("FAIL STATUS is %h, not READY, after the start", status);
      fail;
    end
    while (pass < 2) begin
      run <= 1'b1;
      while (token < TOKENS) @(posedge clk);
      repeat (40) @(posedge clk);
      run <= 1'b0;
      read_status;
      if (status !== STATE_READY) begin
        $display("FAIL STATUS is %h, not READY alone, after the last result", status);
        fail;
      end
      write(MODE_OFFSET, MODE_LOGITS_MASK);
      pass = pass + 1;
    end
    if (!failed) $display("PASS %0d beats", TOKENS + TOKENS * LOGITS);
    $finish;
  end
endmodule
"""


def accelerator_testbench(
    config: "AcceleratorConfig", ports: Sequence[Mapping[str, Any]], *, sources: Sequence[str]
) -> dict[str, str]:
    """Verilog of the testbench and the memory files that it reads, by file name; empty for an image of more than
    :data:`MAX_IMAGE` bytes.

    Args:
        config: of the accelerator.
        ports: its ports, as :class:`qse_hw.rtl_gen.emit.emit.Emitted` lists them.
        sources: names of its Verilog files, for the commands in the testbench's comments.
    """
    if config.image.size > MAX_IMAGE:
        return {}
    top, name, bus = config.top, testbench_name(config.top), config.bus
    widths = {port["name"]: int(port["width"]) for port in ports}
    sequence_bits = widths.get("s_axis_tid", 0)
    vectors = config.vectors()
    tokens, logits = vectors["tokens"].tolist(), vectors["logits"]
    numbers = vectors["sequence"].tolist() if sequence_bits else [0] * len(tokens)
    lasts = [number not in numbers[n + 1 :] for n, number in enumerate(numbers)]
    words = {
        "image": [f"{word:0{bus.bus_bits // 4}x}" for word in _bus_words(config)],
        "tokens": [
            f"{(number << 33) | (last << 32) | token:x}"
            for number, last, token in zip(numbers, lasts, tokens, strict=True)
        ],
        "ids": [f"{(number << 32) | one:x}" for number, one in zip(numbers, vectors["next"].tolist(), strict=True)],
        "logits": [f"{value % (1 << 32):x}" for value in logits.reshape(-1).tolist()],
    }
    memories = {"image": "memory", "tokens": "sent_tokens", "ids": "ids", "logits": "logits"}
    named = [one for one in constants(config.registers) if one.name in _CONSTANTS]
    text = _TEXT.format(
        head=head(_ABOUT.format(top=top), top, ports, sources=sources, values={}),
        top=top,
        registers="\n".join(f"  localparam [31:0] {one.name} = 32'h{one.value:x};" for one in named),
        base=BASE,
        address_bits=bus.address_bits,
        address_high=bus.address_bits - 1,
        id_high=widths["m_axi_arid"] - 1,
        bus_high=bus.bus_bits - 1,
        bus_bytes=bus.bus_bits // 8,
        words=len(words["image"]),
        tokens=len(tokens),
        logits=logits.shape[1],
        token_high=32 + sequence_bits,
        result_high=31 + sequence_bits,
        want_sequence=f"ids[token][{31 + sequence_bits}:32], " if sequence_bits else "",
        result_sequence="m_axis_tid, " if sequence_bits else "",
        sent_sequence="s_axis_tid, " if sequence_bits else "",
        patience=_QUIET + config.mixer.product_cycles,
        readmemh="\n".join(f'    $readmemh("{name}_{one}.hex", {memory});' for one, memory in memories.items()),
    )  # fmt: skip
    return {f"{name}.v": text, **{f"{name}_{one}.hex": "\n".join([*lines, ""]) for one, lines in words.items()}}


def _bus_words(config: "AcceleratorConfig") -> list[int]:
    """The image, as the bus reads it."""
    with tempfile.TemporaryDirectory() as folder:
        content, size = image_bytes(config.integers, config.mixer, Path(folder)), config.bus_bits // 8
    return [int.from_bytes(content[begin : begin + size], "little") for begin in range(0, len(content), size)]
