"""Codes become the engine's beats of values."""

import pytest

from qse_hw.golden.formats.presets import load_format
from qse_hw.rtl_gen.mixer.operand import Operand
from tests.rtl_gen.bench import at_random, join, split, stream


@pytest.mark.parametrize(("name", "size", "lanes", "columns"), [("se8-silu", 12, 2, 4), ("int8", 7, 1, 4)])
def test_values_of_all_codes(name, size, lanes, columns, rng):
    format, width = load_format(name), 17
    vectors = rng.permutation(sorted(format.decoded))[: 256 // size * size].reshape(-1, size)
    run = stream(
        Operand(format, size=size, lanes=lanes, columns=columns, width=width, target="ecp5"),
        [join(row, format.bits) for row in vectors.reshape(-1, lanes)],
        i_pause=at_random(3), o_pause=at_random(4),
    )  # fmt: skip
    beats = -(-size // columns)
    assert len(run.payloads) == len(vectors) * beats
    for number, payload in enumerate(run.payloads):
        vector, beat = divmod(number, beats)
        codes = vectors[vector, beat * columns : (beat + 1) * columns]
        values = [format.decoded[code] % (1 << width) for code in codes.tolist()]
        assert split(payload, width, columns)[: len(values)] == values
        assert payload >> width * columns == (beat == beats - 1)
