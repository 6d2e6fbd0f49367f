"""The command that puts faults into netlists: what it reports, and what it refuses."""

import json

import pytest

from qse_hw.cli import main
from qse_hw.cli.mutate import CLAIM, LEVELS, SAMPLE, SEED
from qse_hw.golden.io.evidence import SCHEMA
from qse_hw.synth.mutation import mutate
from qse_hw.synth.mutation import netlist as mutate_netlist

FORMAT = {"name": "two", "bits": 3, "kind": "sign-magnitude", "segments": [{"codes": 3, "log2_step": 0}]}


def test_a_decoder(tmp_path, capsys):
    format, report = tmp_path / "two.json", tmp_path / "report.json"
    format.write_text(json.dumps(FORMAT))
    assert main(["mutate", "decoder", "--format", str(format), "--mutants", "30", "--json", str(report)]) == 0
    said = capsys.readouterr().out
    assert "decoder two, words" in said
    assert "100.00" in said
    document = json.loads(report.read_text())
    assert (document["schema"], document["claim"], document["passed"]) == (SCHEMA, CLAIM, True)
    assert document["command"].startswith("python -m qse_hw mutate decoder")
    (item,) = document["items"]
    assert item["mutants"] == 30 == item["killed"] + item["equivalent"]
    assert document["figures"]["score_percent"] == 100
    assert document["figures"]["seed"] == SEED


def test_survivors_are_an_error(monkeypatch, capsys, tmp_path):
    survivor = {"where": "inv at $and x A[0], signal o__valid", "verdict": "different"}
    outcome = mutate.Outcome(
        name="decoder se8, words", level="word", mutants=10, killed=8, equivalent={"induction": 1},
        survivors=[survivor], cycles=9, seconds=1.0,
    )  # fmt: skip
    monkeypatch.setattr(mutate, "mutate_all", lambda jobs, **how: iter([outcome]))
    report = tmp_path / "report.json"
    with pytest.raises(SystemExit, match=r"^1 mutants survived and are not proved equivalent$"):
        main(["mutate", "decoder", "--json", str(report)])
    assert "decoder se8, words: different: inv at $and x A[0], signal o__valid" in capsys.readouterr().out
    document = json.loads(report.read_text())
    assert not document["passed"]
    assert document["figures"]["score_percent"] == 88.889
    assert document["items"][0]["survivors"] == [survivor]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "Mutate takes either --all or one unit of encoder, decoder, function"),
        (["--all", "decoder"], "Mutate takes either --all or one unit of encoder, decoder, function"),
        (["decoder", "--level", "bits"], "Level must be one of word, gate, not 'bits'"),
        (["decoder", "--mutants", "-3"], "Mutants must be at least 1, or 0 for all, not -3"),
        (["--all", "--seed", "-1"], "Seed must be at least 0, not -1"),
        (["encoder"], "Scale must be given: --scale S, --scale runtime or --calibration FILE --layer K"),
        (["decoder", "--mutants", "many"], "argument --mutants: must be an integer, not 'many'"),
    ],
)
def test_refused(arguments, text, capsys):
    assert main(["mutate", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {text}")
    assert said.count("\n") == 1


def test_what_the_parser_knows_is_what_there_is():
    """The command has copies of the levels and the sample, so that --help loads none of the tools' modules."""
    assert LEVELS == mutate_netlist.LEVELS
    assert (SAMPLE, SEED) == (mutate.SAMPLE, mutate.SEED)
