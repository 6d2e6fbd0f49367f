"""What is asked of a calibration: words, and what they are parsed to."""

from pathlib import Path

import pytest

from qse_hw.golden.calibration.spec import (
    BASELINES,
    FAMILIES,
    Float8Baseline,
    FormatFamily,
    GivenFormat,
    GroupedBaseline,
    LloydMaxBaseline,
    PercentileBaseline,
    TunedFormat,
    add_headroom,
    parse_candidate,
    parse_candidates,
    parse_format,
)
from qse_hw.golden.calibration.tune import Budget
from qse_hw.golden.errors import InputError, InputTypeError
from qse_hw.golden.formats.presets import PRESETS, format_to_json, load_format
from qse_hw.golden.io.files import write_json


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name):
    """The bare name of a family leaves parameters open; the name of any other preset is one format."""
    want = FormatFamily(name) if name in FAMILIES else GivenFormat(name, load_format(name))
    assert parse_format(name) == parse_candidate(name) == want
    assert str(want) == name


def test_given_formats(tmp_path):
    format = load_format("se8:L=12")
    assert parse_format("se8:L=12") == GivenFormat("se8:L=12", format)
    assert parse_format(format) == GivenFormat("se8", format)
    path = tmp_path / "mine.json"
    write_json(path, format_to_json(format))
    for where in (path, str(path)):
        assert parse_format(where) == GivenFormat(str(path), format)
    assert parse_format(Path("se8")) == GivenFormat("se8", load_format("se8"))


@pytest.mark.parametrize("text", ["se8", "se8:L=3", "tuned:bits=4"])
def test_what_is_parsed_stays_as_it_is(text):
    spec = parse_format(text)
    assert parse_format(spec) is spec


@pytest.mark.parametrize("odd", [None, 8, b"se8", ["se8"]])
def test_what_is_no_text(odd):
    with pytest.raises(InputTypeError, match=r"^Format must be a name, "):
        parse_format(odd)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("quamba", PercentileBaseline("quamba", load_format("int8"), None)),
        ("quamba-se:alpha=0.99", PercentileBaseline("quamba-se:alpha=0.99", load_format("se9-paper"), 0.99)),
        ("quamba-se8:alpha=1", PercentileBaseline("quamba-se8:alpha=1", load_format("se8:L=8"), 1.0)),
        ("quamba2", GroupedBaseline("quamba2")),
        ("fp8-e4m3", Float8Baseline("fp8-e4m3", "float8_e4m3fn")),
        ("fp8-e3m4", Float8Baseline("fp8-e3m4", "float8_e3m4")),
        ("lloyd-max", LloydMaxBaseline("lloyd-max")),
    ],
)
def test_baselines(text, want):
    assert parse_candidate(text) == want
    assert str(want) == text
    assert text.partition(":")[0] in BASELINES


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        ("tuned", Budget()),
        ("tuned:", Budget()),
        ("tuned:segments=3", Budget(segments=3)),
        ("tuned:bits=5,segments=8", Budget(segments=8, bits=5)),
        ("tuned:sign=0", Budget(signs=("offset",))),
        ("tuned:sign=1", Budget(signs=("sign-magnitude",))),
        ("tuned:headroom=1.25", Budget(headroom=1.25)),
        ("tuned:segments=3,headroom=2,bits=5", Budget(segments=3, bits=5, headroom=2.0)),
    ],
)
def test_budgets(spec, want):
    parsed = parse_format(spec)
    assert parsed == TunedFormat(spec, want)
    assert str(parsed) == spec
    assert parse_candidate(spec) == parsed


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("tuned:segments", "Format tuned: segments must be an integer, not ''"),
        ("tuned:segments=", "Format tuned: segments must be an integer, not ''"),
        ("tuned:segments=x", "Format tuned: segments must be an integer, not 'x'"),
        ("tuned:bits=8.0", "Format tuned: bits must be an integer, not '8.0'"),
        ("tuned:segments=0", "Segments must be from 1 to 8, not 0"),
        ("tuned:segments=9", "Segments must be from 1 to 8, not 9"),
        ("tuned:bits=11", "Bits of a tuned format must be from 2 to 10, not 11"),
        ("tuned:bits=3,bits=3", "Format tuned: bits must be given once, not again as 'bits=3'"),
        ("tuned:L=3", "Format tuned takes segments, bits, sign, headroom, not 'L=3'"),
        ("tuned:sign=2", "Format tuned: sign must be 0 or 1, not 2"),
        ("tuning", "Format must be one of int8, int8-asym, se8, se8-silu, se9-paper, or a .json file, not 'tuning'"),
        ("", "Format must be one of int8, int8-asym, se8, se8-silu, se9-paper, or a .json file, not ''"),
        ("se8:L=99", "Format se8: L must be from 1 to 15, not 99"),
    ],
)
def test_specs_that_make_no_sense(spec, text):
    with pytest.raises(InputError) as caught:
        parse_format(spec)
    assert str(caught.value) == text


@pytest.mark.parametrize("alpha", ["0", "1.5", "nan", "half"])
def test_a_bad_alpha(alpha):
    with pytest.raises(InputError, match=rf"^Alpha of quamba must be a number above 0 and at most 1, not '{alpha}'$"):
        parse_candidates(f"int8,quamba:alpha={alpha}")


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("int8", ["int8"]),
        ("int8,quamba,lloyd-max", ["int8", "quamba", "lloyd-max"]),
        ("se8-silu:K=40,f=1,int8", ["se8-silu:K=40,f=1", "int8"]),
        ("int8, tuned:segments=4, bits=6,se8:L=3", ["int8", "tuned:segments=4,bits=6", "se8:L=3"]),
        ("tuned:segments=4,tuned:segments=6,bits=7", ["tuned:segments=4", "tuned:segments=6,bits=7"]),
        ("se8,int8,se8", ["se8", "int8"]),
    ],
)
def test_lists_of_candidates(text, want):
    assert [spec.name for spec in parse_candidates(text)] == want


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fp8", r"^Format must be one of int8, .*, not 'fp8' nor one of quamba, .*, lloyd-max, tuned$"),
        ("", r"^Format must be one of .*, not '' nor "),
        ("int8,,se8", r"not '' nor "),
        ("int8,L=3", r"not 'L=3' nor "),
        ("se8:M=3", r"^Format se8 takes L, not 'M=3'$"),
        ("tuned:segments=9", r"^Segments must be from 1 to 8, not 9$"),
        ("nowhere.json", r"^Format file nowhere.json cannot be read"),
        ("quamba2:alpha=1", r"not 'quamba2:alpha=1'$"),
    ],
)
def test_what_is_no_candidate(text, said):
    with pytest.raises(InputError, match=said):
        parse_candidates(text)


@pytest.mark.parametrize(
    ("text", "headroom", "want"),
    [
        ("se8", None, "se8"),
        ("tuned", None, "tuned"),
        ("tuned", 1.25, "tuned:headroom=1.25"),
        ("tuned:", 2.0, "tuned:headroom=2"),
        ("tuned:bits=5", 1.5, "tuned:bits=5,headroom=1.5"),
    ],
)
def test_adding_headroom(text, headroom, want):
    assert add_headroom(parse_format(text), headroom) == parse_format(want)


@pytest.mark.parametrize(
    ("text", "headroom", "said"),
    [
        ("se8", 2, "Headroom must be for a tuned format, not for se8; leave it out"),
        ("tuned:headroom=2", 1.5, "Headroom must be given once, not as 1.5 and in tuned:headroom=2"),
        ("tuned", 9.0, "Headroom must be from 1 to 8, not 9.0"),
    ],
)
def test_headroom_that_cannot_be_added(text, headroom, said):
    with pytest.raises(InputError) as caught:
        add_headroom(parse_format(text), headroom)
    assert str(caught.value) == said
