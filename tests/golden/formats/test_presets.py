"""Presets by name, own formats from JSON, and what is refused."""

import copy
import json
from dataclasses import replace

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import (
    PRESETS,
    format_from_json,
    format_to_json,
    int8,
    load_format,
    se8,
    se8_silu,
    se9_paper,
    spec_of,
)
from qse_hw.golden.formats.segmented import Segment, SegmentedFormat
from tests.golden.formats import oracles

GOOD = {
    "name": "mine",
    "bits": 8,
    "kind": "offset",
    "zero_point": 20,
    "segments": [{"start": 0, "codes": 40, "log2_step": -1}, {"start": 20, "codes": 200, "log2_step": 1}],
}


def changed(path: str, value) -> dict:
    """GOOD with the value at ``a/0/b`` replaced, or removed if it is ``...``."""
    document = copy.deepcopy(GOOD)
    *way, last = path.split("/")
    target = document
    for part in way:
        target = target[int(part) if part.isdigit() else part]
    if value is ...:
        del target[last]
    else:
        target[int(last) if last.isdigit() else last] = value
    return document


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_its_name(name):
    assert load_format(name).name == name
    assert load_format(f"{name}:") == load_format(name)


def test_parameters():
    assert load_format("se8:L=12") == se8(12)
    assert load_format("se8-silu:g=1,K=24,zero_point=3") == se8_silu(K=24, zero_point=3, g=1)
    assert load_format("int8:narrow_range=1") == int8(narrow_range=1)
    assert load_format("int8:narrow_range=0") == int8()


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("tuned", "Format tuned must be searched for first: calibrate with it, then give that calibration"),
        ("tuned:bits=4", "Format tuned:bits=4 must be searched for first: calibrate with it, then give that"),
        ("", "Format must be one of int8, int8-asym, se8, se8-silu, se9-paper, or a .json file, not ''"),
        ("se10", "Format must be one of .*, or a .json file, not 'se10'"),
        ("SE8", "Format must be one of .*, not 'SE8'"),
        (":L=3", "Format must be one of .*, not ':L=3'"),
        ("se8:M=3", "Format se8 takes L, not 'M=3'"),
        ("se8:12", "Format se8 takes L, not '12'"),
        ("se8:return=1", "Format se8 takes L, not 'return=1'"),
        ("se9-paper:L=8", "Format se9-paper takes no parameters, not 'L=8'"),
        ("se8-silu:L=8", "Format se8-silu takes K, f, g, zero_point, not 'L=8'"),
        ("se8:L=", "Format se8: L must be an integer, not ''"),
        ("se8:L", "Format se8: L must be an integer, not ''"),
        ("se8:L=8.0", "Format se8: L must be an integer, not '8.0'"),
        ("se8:L=True", "Format se8: L must be an integer, not 'True'"),
        (f"se8:L={'9' * 5000}", "Format se8: L must be an integer, not '9999"),
        ("se8:L=8,L=9", "Format se8: L must be given once, not again as 'L=9'"),
        ("se8:L=0", "Format se8: L must be from 1 to 15, not 0"),
        ("se8:L=16", "Format se8: L must be from 1 to 15, not 16"),
        ("se8-silu:K=0", "Format se8-silu: K must be from 1 to 127, not 0"),
        ("se8-silu:K=128", "Format se8-silu: K must be from 1 to 127, not 128"),
        ("se8-silu:K=1000000000000", "Format se8-silu: K must be from 1 to 127, not 1000000000000"),
        ("se8-silu:f=9", "Segment log2_step must be from -8 to 8, not -9"),
        ("se8-silu:g=9", "Segment log2_step must be from -8 to 8, not 9"),
        ("se8-silu:f=7,g=7", "Format 'se8-silu': reach must be at most 32768 fine steps, not"),
        ("se8-silu:zero_point=40", "Format 'se8-silu': zero_point must lie in a segment of the finest step"),
        ("int8-asym:zero_point=256", "Format 'int8-asym': zero_point must lie in a segment of the finest step"),
        ("int8-asym:zero_point=-1", "Format 'int8-asym': zero_point must lie in a segment of the finest step"),
        ("int8:narrow_range=2", "Format int8: narrow_range must be 0 or 1, not 2"),
        ("int8:narrow_range=-1", "Format int8: narrow_range must be 0 or 1, not -1"),
    ],
)
def test_bad_names(spec, text):
    with pytest.raises(InputError, match=f"^{text}"):
        load_format(spec)


@pytest.mark.parametrize("name", oracles.ORACLES)
def test_round_trip(name, tmp_path):
    format = oracles.make(name)
    document = json.loads(json.dumps(format_to_json(format), allow_nan=False))
    assert format_from_json(document) == format
    path = tmp_path / "format.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert load_format(str(path)) == format


def test_defaults():
    format = format_from_json(GOOD)
    assert [segment.first_code for segment in format.segments] == [0, 40]
    assert not any(segment.exact_end for segment in format.segments)
    document = {"name": "d", "bits": 4, "kind": "sign-magnitude", "segments": [{"codes": 8, "log2_step": 0}]}
    assert (format_from_json(document).zero_point, format_from_json(document).aliases) == (0, ())


def test_json_integers_may_have_a_point():
    document = changed("segments/0/codes", 40.0) | {"bits": 8.0, "zero_point": 20.0, "aliases": [[250.0, 3.0]]}
    document["segments"][1] |= {"log2_step": 1.0, "first_code": 40.0, "start": 20.0}
    format = format_from_json(document)
    assert format == format_from_json(GOOD | {"aliases": [[250, 3]]})
    assert type(format.segments[0].codes) is type(format.bits) is type(format.aliases[0][0]) is int


HUGE = 10**4000
BAD = [
    ([], r"^Format file x.json must be a JSON object, not \[\]$"),
    (None, "must be a JSON object, not None$"),
    ("se8", "must be a JSON object, not 'se8'$"),
    (float("nan"), "must be a JSON object, not nan$"),
    ({}, "document: '.*' is a required property"),
    (changed("bits", ...), "document: 'bits' is a required property"),
    (changed("segments/0/codes", ...), "segments/0: 'codes' is a required property"),
    (GOOD | {"zeropoint": 3}, r"document: Additional properties are not allowed \('zeropoint' was unexpected\)"),
    (changed("segments/0/step", 1), "segments/0: Additional properties are not allowed"),
    (changed("name", ""), "name: "),
    (changed("name", 8), "name: 8 is not of type 'string'"),
    (changed("name", "x" * 65), "name: 'x+' is too long"),
    (changed("name", "a\nmodule"), "name: .*should not be valid under"),
    (changed("name", "a\n"), "name: .*should not be valid under"),
    (changed("name", "\ud800"), "name: .*should not be valid under"),
    (changed("name", "a\0"), "name: .*should not be valid under"),
    (changed("bits", True), "bits: True is not of type 'integer'"),
    (changed("bits", "8"), "bits: '8' is not of type 'integer'"),
    (changed("bits", None), "bits: None is not of type 'integer'"),
    (changed("bits", 8.5), "bits: 8.5 is not of type 'integer'"),
    (changed("bits", float("inf")), "bits: inf is not of type 'integer'"),
    (changed("bits", HUGE), "bits: 10+"),
    (changed("bits", 13), None),
    (changed("kind", "unsigned"), "kind: 'unsigned' is not one of"),
    (changed("kind", ["offset"]), "kind: .* is not one of"),
    (changed("segments", []), "segments: "),
    (changed("segments", {}), "segments: {} is not of type 'array'"),
    (changed("segments", [{"codes": 1, "log2_step": 0}] * 65), r"segments: \[{'codes': 1, "),
    (changed("segments/0", 5), "segments/0: 5 is not of type 'object'"),
    (changed("segments/0/codes", True), "segments/0/codes: True is not of type 'integer'"),
    (changed("segments/0/codes", HUGE), "segments/0/codes: 10+"),
    (changed("segments/0/codes", -HUGE), "segments/0/codes: -10+"),
    (changed("segments/0/codes", 1e300), "segments/0/codes: 1e[+]300 is greater than the maximum"),
    (changed("segments/0/codes", 1 << 15), None),
    (changed("segments/0/codes", 0), "Segment codes must be at least 1, not 0"),
    (changed("segments/0/log2_step", HUGE), "segments/0/log2_step: 10+"),
    (changed("segments/0/log2_step", 9), "Segment log2_step must be from -8 to 8, not 9"),
    (changed("segments/0/log2_step", 0.5), "segments/0/log2_step: 0.5 is not of type 'integer'"),
    (changed("segments/0/first_code", HUGE), "segments/0/first_code: 10+"),
    (changed("segments/0/exact_end", 1), "segments/0/exact_end: 1 is not of type 'boolean'"),
    (changed("segments/1/start", HUGE), "segments/1/start: 10+"),
    (changed("segments/1/start", -1), "segments/1/start: -1 is less than the minimum of 0"),
    (changed("segments/1/start", "20"), "segments/1/start: '20' is not of type 'number'"),
    (changed("segments/1/start", False), "segments/1/start: False is not of type 'number'"),
    (changed("segments/1/start", float("inf")), "segments/1/start: inf is greater than the maximum"),
    (changed("segments/1/start", 20.5), "gap before segment 1: it starts at 20.5 s, the one before ends at 20 s"),
    (changed("segments/1/start", 19), "overlap before segment 1: it starts at 19 s, the one before ends at 20 s"),
    (changed("segments/0/start", 1), "gap before segment 0: it starts at 1 s, the one before ends at 0 s"),
    (changed("segments/1/start", float("nan")), "before segment 1: it starts at nan s"),
    (changed("segments/1/codes", 217), "too many codes: 257 do not fit into 256"),
    (changed("segments/1/first_code", 39), "codes must not overlap, but 39 is in segments 0 and 1"),
    (changed("zero_point", 40), "zero_point must lie in a segment of the finest step"),
    (changed("zero_point", HUGE), "zero_point: 10+"),
    (changed("zero_point", True), "zero_point: True is not of type 'integer'"),
    (GOOD | {"narrow_range": 1}, "narrow_range: 1 is not of type 'boolean'"),
    (GOOD | {"narrow_range": True}, "narrow_range must be false unless the kind is twos-complement"),
    (GOOD | {"aliases": [[250]]}, "aliases/0: "),
    (GOOD | {"aliases": [[250, 1, 2]]}, "aliases/0: "),
    (GOOD | {"aliases": {"250": 1}}, "aliases: .* is not of type 'array'"),
    (GOOD | {"aliases": [[250, True]]}, "aliases/0/1: True is not of type 'integer'"),
    (GOOD | {"aliases": [[250, 251]]}, "aliases must map an unused code to a used one, not 250 to 251"),
    (GOOD | {"aliases": [[250, 1], [250, 2]]}, "aliases must map an unused code to a used one, not 250 to 2"),
]


@pytest.mark.parametrize(("document", "text"), BAD, ids=range(len(BAD)))
def test_bad_documents(document, text):
    with pytest.raises(InputError, match=text) as error:
        format_from_json(document, where="Format file x.json")
    assert len(str(error.value)) < 400


def test_good_is_good():
    assert format_from_json(GOOD).zero_point == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "must be JSON: "),
        (b"{", "must be JSON: "),
        (b"{'name': 1}", "must be JSON: "),
        (b"\xff\xfe", "must be JSON: "),
        (b"\xef\xbb\xbf{}", "must be JSON: "),
        (b"[" * 100_000, "must be JSON: "),
        (b'{"a":' * 100_000, "must be JSON: "),
        (b"1" * 5000, "must be JSON: "),
        (b"1e999", "must be a JSON object, not inf$"),
        (b"NaN", "must be a JSON object, not nan$"),
    ],
    ids=range(10),
)
def test_bad_files(text, message, tmp_path):
    path = tmp_path / "bad.json"
    path.write_bytes(text)
    with pytest.raises(InputError, match=rf"^Format file .*bad\.json:? {message}"):
        load_format(str(path))


def test_any_depth_of_nesting_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "deep.json"
    for depth in range(10, 1200, 7):
        path.write_text(json.dumps(GOOD).replace('"mine"', "[" * depth + "]" * depth))
        with pytest.raises(InputError, match=r"^Format file .*deep.json"):
            load_format(str(path))


def test_missing_and_unreadable_files(tmp_path):
    with pytest.raises(InputError, match=r"^Format file .*none.json cannot be read: No such file or directory$"):
        load_format(str(tmp_path / "none.json"))
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InputError, match=r"^Format file .*folder.json cannot be read: Is a directory$"):
        load_format(str(tmp_path / "folder.json"))
    with pytest.raises(InputError, match=r"^Format file .* must be JSON: "):
        load_format("a\0.json")


def test_se9_paper_has_one_alias():
    assert se9_paper().aliases == ((192, 191),)


@pytest.mark.parametrize(
    "spec",
    [
        *PRESETS, "int8:narrow_range=1", "int8-asym:zero_point=3", *(f"se8:L={L}" for L in (1, 7, 9, 15)),
        "se8-silu:K=39", "se8-silu:zero_point=20,f=2,g=1", "se8-silu:K=127,zero_point=1,f=3,g=4",
    ],
)  # fmt: skip
def test_spec_of_a_preset(spec):
    assert spec_of(load_format(spec)) == spec
    assert load_format(spec_of(load_format(spec))) == load_format(spec)


FINE, COARSE = Segment(codes=2, log2_step=-2, first_code=0), Segment(codes=60, log2_step=0, first_code=2)


@pytest.mark.parametrize(
    "format",
    [
        replace(se8(), name="mine"), replace(se8(), bits=9),
        SegmentedFormat(name="se8", bits=8, kind="sign-magnitude", segments=(FINE, COARSE)),  # no L makes it
    ],
    ids=["name", "bits", "segments"],
)  # fmt: skip
def test_spec_of_another_format_is_its_name(format):
    assert spec_of(format) == format.name


def test_defaults_are_left_out():
    assert spec_of(load_format("se8:L=8")) == "se8"
