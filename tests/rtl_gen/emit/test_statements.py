"""Processes as Yosys writes them, read and written as registers."""

import pytest

from qse_hw.rtl_gen.emit.statements import Assign, Choice, held, lines, parsed, renamed, reset_first

WIDTHS = {"\\$8": 4, "valid": 4, "a": 2, "b": 2}
COUNTER = """
    \\$8  = valid;
    if (enable) begin
      \\$8  = 4'h1;
    end else if (\\$2 ) begin
      \\$8 [0] = a[0];
    end else begin
      (* full_case = 32'd1 *)
      casez (a)
        2'h0:
            \\$8  = 4'h2;
        2'b1?:
          begin
            \\$8 [3] = 1'h1;
            \\$8 [2] = 1'h1;
          end
        2'h1:
            /* empty */;
      endcase
    end
    if (rst) begin
      \\$8  = 4'h0;
    end
"""


def as_register(text):
    return list(lines(reset_first(held(renamed(parsed(text, WIDTHS), "valid"))), ""))


def test_a_register():
    assert as_register(COUNTER) == [
        "if (rst) begin",
        "  valid <= 4'h0;",
        "end else if (enable) begin",
        "  valid <= 4'h1;",
        "end else if (\\$2 ) begin",
        "  valid[0] <= a[0];",
        "end else begin",
        "  casez (a)",
        "    2'h0: valid <= 4'h2;",
        "    2'b1?: begin",
        "      valid[3] <= 1'h1;",
        "      valid[2] <= 1'h1;",
        "    end",
        "    2'h1: ;",
        "    default: ;",
        "  endcase",
        "end",
    ]


def test_an_assignment_to_several_parts():
    found = parsed("{ \\$8 [3:2], \\$8 [0] } = { a, b[1] };", WIDTHS)
    assert found == (Assign("\\$8", "[3:2]", "a"), Assign("\\$8", "[0]", "b[1]"))


def test_a_block_stands_for_what_is_in_it():
    assert parsed("if (a) begin\nend\nbegin\n\\$8 [0] = a[0];\nend", WIDTHS)[1:] == (Assign("\\$8", "[0]", "a[0]"),)


def test_a_register_that_keeps_a_part():
    """Yosys does not say that a part keeps its value where every branch gives it another one."""
    text = "{ \\$8 [3], \\$8 [1:0] } = { valid[3], valid[1:0] };\nif (a) begin\n\\$8 [2] = b[0];\nend"
    assert as_register(text) == ["if (a) begin", "  valid[2] <= b[0];", "end"]


def test_only_what_overrides_all_comes_first():
    part = parsed("\\$8  = a;\nif (rst) begin\n\\$8 [0] = 1'h0;\nend", WIDTHS)
    assert reset_first(part) == part
    alternative = parsed("\\$8  = a;\nif (rst) begin\n\\$8  = 4'h0;\nend else begin\n\\$8  = b;\nend", WIDTHS)
    assert reset_first(alternative) == alternative
    assert reset_first(()) == ()


def test_a_choice_within_an_alternative_is_no_chain_if_more_follows():
    inner = (Choice("", (("b", (Assign("x", "", "1'h1"),)),)), Assign("y", "", "1'h0"))
    outer = (Choice("", (("a", (Assign("x", "", "1'h0"),)), ("default", inner))),)
    assert list(lines(outer, "")) == [
        "if (a) begin", "  x <= 1'h0;", "end else begin", "  if (b) begin", "    x <= 1'h1;", "  end", "  y <= 1'h0;",
        "end",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["while (a) begin\nend", "if (a) begin\n$finish;\nend", "casez (a)\nx <= 1;\nendcase"])
def test_what_yosys_does_not_write_is_refused(text):
    with pytest.raises((ValueError, IndexError)):
        parsed(text, WIDTHS)
