"""What combinational processes compute, as expressions."""

import pytest

from qse_hw.rtl_gen.emit.statements import parsed
from qse_hw.rtl_gen.emit.values import expressions, table

WIDTHS = {"y": 4, "z": 1, "s": 2, "a": 4, "b": 4, "c": 1}


def values(text):
    return dict(expressions(parsed(text, WIDTHS), WIDTHS))


def test_a_choice():
    text = "y = a;\nif (c) begin\ny = b;\nend else if (s[0]) begin\ny = 4'h0;\nend"
    assert values(text) == {"y": ["c ? b :", "s[0] ? 4'h0 :", "a"]}


def test_a_later_assignment_overrides():
    assert values("y = a;\nif (c) begin\ny = b;\nend\nif (s[0]) begin\ny = 4'h0;\nend") == {
        "y": ["s[0] ? 4'h0 :", "c ? b :", "a"]
    }
    assert values("y = a;\nif (c) begin\ny = 4'h0;\nend\ny = b;") == {"y": ["b"]}


def test_a_choice_within_a_choice():
    text = "y = a;\nif (c) begin\nif (s[0]) begin\ny = b;\nend\nend"
    assert values(text) == {"y": ["c ? (", "  s[0] ? b :", "  a", ") :", "a"]}


def test_two_signals():
    text = "y = a;\nz = 1'h0;\nif (c) begin\nz = 1'h1;\nend else begin\ny = b;\nend"
    assert values(text) == {"y": ["c ? a :", "b"], "z": ["c ? 1'h1 :", "1'h0"]}


def test_parts():
    text = "y = a;\nif (c) begin\ny[3:2] = b[1:0];\nend"
    assert values(text) == {"y[1:0]": ["a[1:0]"], "y[3:2]": ["c ? b[1:0] :", "a[3:2]"]}


def test_parts_that_are_assigned_elsewhere():
    assert values("y[3:2] = a[3:2];") == {"y[3:2]": ["a[3:2]"]}


def test_parts_that_come_later():
    text = "y[3:2] = a[3:2];\nif (c) begin\ny[3:2] = 2'h0;\nend\ny[1:0] = b[1:0];"
    assert values(text) == {"y[1:0]": ["b[1:0]"], "y[3:2]": ["c ? 2'h0 :", "a[3:2]"]}


def test_a_case():
    text = "y = 4'h0;\ncasez (s)\n2'h0:\ny = a;\n2'h1, 2'h2:\ny = b;\n2'h3:\ny = 4'h0;\nendcase"
    assert values(text) == {"y": ["(s == 2'h0) ? a :", "(s == 2'h1 || s == 2'h2) ? b :", "4'h0"]}


def test_question_marks_stand_for_any_bit():
    text = "y = a;\ncasez (s)\n2'b1?:\ny = a;\n2'b?1:\ny = b;\nendcase"
    assert values(text) == {"y": ["((s & 2'b10) == 2'b10) ? a :", "((s & 2'b01) == 2'b01) ? b :", "a"]}


def test_all_labels():
    rows = "".join(f"2'h{n}:\ny = 4'h{n};\n" for n in range(3)) + "2'h3:\ny = a;\n"
    assert values(f"casez (s)\n{rows}endcase")["y"][-1] == "a"
    with pytest.raises(ValueError, match="in every case"):
        values("casez (s)\n2'h0:\ny = a;\nendcase")


def test_a_long_table_is_a_function():
    rows = "".join(f"4'h{n:x}:\ny = 4'h{15 - n:x};\n" for n in range(6))
    found = table(parsed(f"y = 4'h0;\ncasez (a)\n{rows}endcase", WIDTHS))
    text = list(found.lines("table_y", "[3:0] "))
    assert text[:2] == ["  function [3:0] table_y;", "    input [3:0] index;"]
    assert text[2:4] == ["    casez (index)", "      4'h0: table_y = 4'hf;"]
    assert text[-4:] == ["      default: table_y = 4'h0;", "    endcase", "  endfunction", "  assign y = table_y(a);"]


@pytest.mark.parametrize("last", ["y = b;", "y[0] = 1'h0;", "z = 1'h0;", "y = 4'h0;\nz = 1'h0;"])
def test_what_is_no_table(last):
    rows = "".join(f"4'h{n:x}:\ny = 4'h{15 - n:x};\n" for n in range(6))
    assert table(parsed(f"y = 4'h0;\ncasez (a)\n{rows}4'hf:\nbegin\n{last}\nend\nendcase", WIDTHS)) is None
    assert table(parsed("y = 4'h0;\ncasez (a)\n4'h0:\ny = 4'h1;\nendcase", WIDTHS)) is None
