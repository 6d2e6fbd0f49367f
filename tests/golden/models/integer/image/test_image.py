"""The memory image: read back exactly, laid out as documented, refused in one sentence where it is not sound."""

import struct
import zlib
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from functools import cache
from itertools import chain

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.models.integer.image.contents import layer_arrays, model_arrays
from qse_hw.golden.models.integer.image.header import HEADER, PART, SECTION, TABLES
from qse_hw.golden.models.integer.image.image import ParameterWords, digest, read_image, write_image
from qse_hw.golden.models.integer.image.layout import BY_NAME, PARTS, SECTIONS
from qse_hw.golden.models.integer.mamba1.weight_stream import shape_of, weight_stream
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.parameters import model_parameters
from tests.golden.models.integer import small


@cache
def formats(**options):
    return small.formats(mode="shared", **options)


@cache
def parameters(**options):
    return model_parameters(small.model(), formats(**options))


@pytest.fixture
def image(tmp_path):
    """Rows and columns that divide nothing."""
    path = tmp_path / "model.img"
    write_image(path, parameters(local_bits=16), rows=5, columns=7)
    return path


def equal(one, other) -> bool:
    """Of all that two models' parameters consist of."""
    if is_dataclass(one):
        pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(one)]
        return type(one) is type(other) and all(equal(*pair) for pair in pairs)
    if isinstance(one, tuple):
        return type(one) is type(other) and all(map(equal, one, other))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return type(one) is type(other) and one == other


@pytest.mark.every(3)
@pytest.mark.parametrize("tile", [(1, 1), (5, 7), (32, 32), (4, 3)])
@pytest.mark.parametrize("local_bits", [8, 16])
def test_read_back_exactly(tmp_path, tile, local_bits):
    own = parameters(local_bits=local_bits)
    header = write_image(tmp_path / "model.img", own, rows=tile[0], columns=tile[1])
    read = read_image(tmp_path / "model.img")
    assert read.header == header
    assert (tmp_path / "model.img").stat().st_size == header.size
    again = read.parameters(formats(local_bits=local_bits))
    assert equal(own, again)
    assert type(again.layers[0].to_exponent) is int
    ids = small.text()[:24].view(2, 12)
    assert np.array_equal(IntegerMamba(own)(ids), IntegerMamba(again)(ids))


def test_every_section_is_read_by_its_name(image):
    read, own = read_image(image), parameters(local_bits=16)
    sizes = read.header.sizes
    for name, section in BY_NAME.items():
        for number in range(2 if section.by_layer else 1):
            arrays = layer_arrays(own.layers[number], sizes) if section.by_layer else model_arrays(own, sizes)
            stored = read.array(name, number)
            assert np.array_equal(stored, arrays.get(name, np.zeros((0, 0))))
            assert stored.flags.writeable, "a copy"


def tables(content):
    """Parts and sections, by the file's own tables."""
    parts = np.frombuffer(content, PART, len(PARTS), HEADER.itemsize)
    sections = np.frombuffer(content, SECTION, len(SECTIONS), HEADER.itemsize + parts.nbytes)
    return parts, {one["name"].decode(): one for one in sections}


@pytest.mark.parametrize("tile", [(5, 7), (4, 2)])
def test_the_product_engine_reads_two_parts_as_streams(tmp_path, tile):
    """Weights and row scales of all layers and the head, as :func:`weight_stream` gives them to the engine."""
    path, own = tmp_path / "model.img", parameters(local_bits=16)
    write_image(path, own, rows=tile[0], columns=tile[1])
    content = path.read_bytes()
    parts = {one["name"].decode(): one for one in tables(content)[0]}
    shape = shape_of(own.layers[0], rows=tile[0], columns=tile[1], vocabulary=37)
    stream = weight_stream(own, shape)
    begin, length = int(parts["weights"]["offset"]), int(parts["weights"]["bytes"])
    assert content[begin : begin + length] == padded(stream.weights.tobytes())
    begin, length = int(parts["row_scales"]["offset"]), int(parts["row_scales"]["bytes"])
    scales = b"".join(struct.pack("<HbB", M, k, 0) for M, k in zip(stream.M.tolist(), stream.k.tolist(), strict=True))
    assert content[begin : begin + length] == padded(scales)


def padded(part):
    return part + bytes(-len(part) % 64)


@pytest.mark.parametrize("size", [16, 256])
def test_words_of_parameters(tmp_path, rng, size):
    words = ParameterWords(rng.integers(0, 256, (8, size), np.uint8), 0x5EED5EED)
    path, own = tmp_path / "model.img", parameters(local_bits=16)
    header = write_image(path, own, rows=5, columns=7, words=words)
    read = read_image(path)
    assert read.header == header
    assert (header.hardware, header.sizes.parameter_words, header.sizes.parameter_bytes) == (0x5EED5EED, 8, size)
    assert np.array_equal(read.array("parameters"), words.words)
    content = path.read_bytes()
    assert content.endswith(padded(words.words.tobytes()))
    assert struct.unpack_from("<I", content, 36) == (0x5EED5EED,)
    assert equal(read.parameters(formats(local_bits=16)), own)


def test_bytes_of_the_other_sections(image):
    content, own = image.read_bytes(), parameters(local_bits=16)
    _, sections = tables(content)

    def at(name, number, index, form):
        entry = sections[name]
        width = int(entry["bits"]) // 8
        assert struct.calcsize(form) == width
        return struct.unpack_from(form, content, int(entry["offset"] + number * entry["stride"]) + index * width)

    first, second = own.layers
    assert at("conv_scale", 1, 3, "<HbB") == (second.conv.by.M[3], second.conv.by.k[3], 0)
    assert at("A", 1, 4 * 11 + 2, "<I") == (second.A[11, 2],)
    assert at("D", 0, 7, "<i") == (first.scan.D[7],)
    assert at("conv_taps", 1, 4 * 47 + 3, "<b") == (second.conv.taps[47, 3],)
    assert at("conv_bias", 1, 47, "<i") == (second.conv.bias[47],)
    assert at("scan_shift", 0, 5, "<B") == (first.scan.output_shift[5],)
    assert at("norm_eps", 1, 0, "<Q") == (second.norm.eps,)
    assert at("y_scale", 1, 0, "<HbB") == (second.y_scale.M, second.y_scale.k, 0)
    assert at("gated_shift", 1, 0, "<i") == (second.gated_shift,)
    assert at("decay_shift", 0, 0, "<i") == (first.to_exponent,)
    assert at("embedding", 0, 24 * 36 + 23, "<b") == (own.embedding.weights[36, 23],)
    assert at("embedding_scale", 0, 36, "<HbB") == (own.embedding.by.M[36], own.embedding.by.k[36], 0)
    assert at("norm_f_scale", 0, 0, "<HbB") == (own.norm_f.scale.M, own.norm_f.scale.k, 0)


def test_the_header_by_its_bytes(image):
    """A driver in any language: struct and zlib alone."""
    content = image.read_bytes()
    magic, version, crc, size, parts, sections, order = struct.unpack_from("<8sIIQIII", content)
    assert (magic, version, size, parts, sections) == (b"QSEHWIMG", 2, len(content), 6, 25)
    assert content[40:72].hex() == formats(local_bits=16).model
    assert content[72:104].hex() == digest(formats(local_bits=16))
    jobs = [(0, 0, 48), (1, 0, 45), (2, 0, 3), (3, 0, 4), (4, 0, 4), (5, 0, 48), (1, 45, 48), (6, 0, 24), (7, 0, 37)]
    assert zlib.crc32(struct.pack("<27I", *chain(*jobs))) == order
    assert struct.unpack_from("<12I", content, 104) == (2, 24, 48, 4, 3, 4, 37, 5, 7, 0, 0, 0)
    end = -(-(160 + 40 * parts + 64 * sections) // 64) * 64
    assert end == TABLES
    assert zlib.crc32(content[:12] + bytes(4) + content[16:end]) == crc
    for number in range(parts):
        name, offset, length, crc = struct.unpack_from("<16sQQI", content, 160 + 40 * number)
        assert name.rstrip(b"\0").decode() == list(PARTS)[number]
        assert zlib.crc32(content[offset : offset + length]) == crc


def test_the_same_every_time(image, tmp_path):
    write_image(tmp_path / "again.img", parameters(local_bits=16), rows=5, columns=7)
    assert (tmp_path / "again.img").read_bytes() == image.read_bytes()


def refused(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_image(path)
    said = str(caught.value)
    assert said.startswith(f"Image {path} ")
    assert "\n" not in said
    return said.removeprefix(f"Image {path} ")


def test_truncated_images_are_refused(image):
    content = image.read_bytes()
    for length in (0, 7):
        assert refused(image, content[:length]).startswith("must be a memory image of an integer Mamba-1, and does not")
    for length in (8, 100, TABLES - 1):
        said = refused(image, content[:length])
        assert said == f"is truncated: its header has {TABLES} bytes, but it ends after {length}; write the image again"
    for length in (TABLES, len(content) - 1):
        assert refused(image, content[:length]) == (
            f"is truncated: it must have {len(content)} bytes, as its header says, not {length}; write the image again"
        )
    assert refused(image, content + b"\0").startswith(f"is too long: it must have {len(content)} bytes")


def test_damage_anywhere_is_noticed(image):
    """A bit of every region: by the part's name. Between parts there is nothing."""
    content = bytearray(image.read_bytes())
    parts, _ = tables(bytes(content))
    end = TABLES
    for part in parts:
        name, begin, length = part["name"].decode(), int(part["offset"]), int(part["bytes"])
        assert begin == end
        if not length:
            continue
        for place in (begin, begin + length // 2, begin + length - 1):
            content[place] ^= 0x10
            assert refused(image, content).startswith(f"is damaged: the checksum of its part {name} is ")
            content[place] ^= 0x10
        end = begin + length
    for place in (12, 32, 45, 75, 110, 150, HEADER.itemsize, TABLES - 1):
        content[place] ^= 1
        assert refused(image, content) == "is damaged: the checksum of its header differs; write the image again"
        content[place] ^= 1
    assert end == len(content)


def signed(content):
    """With the header's checksum made anew."""
    crc = zlib.crc32(content[:12] + bytes(4) + content[16:TABLES])
    return content[:12] + struct.pack("<I", crc) + content[16:]


def test_other_versions_and_layouts_are_refused(image):
    content = image.read_bytes()
    other = content[:8] + struct.pack("<I", 1) + content[12:]
    assert refused(image, signed(other)) == "must be of version 2, and is of version 1; write the image again"
    moved = bytearray(content)
    struct.pack_into("<Q", moved, 160 + 16, 4096)
    assert refused(image, signed(bytes(moved))).startswith("must have the layout of version 2, and has another")
    turned = content[:32] + struct.pack("<I", 5) + content[36:]
    assert refused(image, signed(turned)).startswith("must have its weights in the product engine's order, and has ano")
    wider = bytearray(content)
    struct.pack_into("<I", wider, 104 + 7 * 4, 2000)
    assert refused(image, signed(bytes(wider))) == (
        "is damaged: Image's rows times columns must be at most 1024, not 2000 times 7; write the image again"
    )


@pytest.mark.parametrize("size", range(7))
@pytest.mark.parametrize("value", [0, 100_000, (1 << 32) - 1])
def test_sizes_that_lie_cost_nothing(image, size, value):
    """Of layers, widths and vocabulary; the checksum is right."""
    content = bytearray(image.read_bytes())
    struct.pack_into("<I", content, 104 + 4 * size, value)
    said = refused(image, signed(bytes(content)))
    assert said.startswith(("is damaged: Image's ", "is truncated: ", "must have "))


def test_hostile_images(image, rng):
    """Bytes changed anywhere, most often with the right checksum of the header: read as they were, or refused."""
    content, own = image.read_bytes(), formats(local_bits=16)
    known = IntegerMamba(parameters(local_bits=16)).parameters
    for _ in range(200):
        changed = bytearray(content)
        for place in rng.integers((len(content), HEADER.itemsize, TABLES)[rng.integers(3)], size=rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        image.write_bytes(signed(bytes(changed)) if rng.random() < 0.7 else bytes(changed))
        with suppress(InputError):
            assert equal(read_image(image).parameters(own), known)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"^Image .*nowhere cannot be read: No such file"):
        read_image(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"^Image .* cannot be read: Is a directory"):
        read_image(tmp_path)


def test_images_of_other_models_are_refused(image):
    read = read_image(image)
    other = replace(formats(local_bits=16), model="5eed" * 16)
    with pytest.raises(InputError, match=r"Image must be of the model 5eed5eed5eed, but is of .*; write it again"):
        read.parameters(other)
    with pytest.raises(InputError, match=r"Image must be of this calibration, .* another of the same model, "):
        read.check(formats(local_bits=8))


def test_what_has_no_image(tmp_path):
    path = tmp_path / "model.img"
    first, second = formats(local_bits=16).layers
    other = replace(second.norm, format=load_format("int8"))
    apart = replace(formats(local_bits=16), layers=(first, replace(second, norm=other)))
    with pytest.raises(InputError, match=r"but norm is another in layer 1 than in layer 0; calibrate with"):
        write_image(path, model_parameters(small.model(), apart), rows=4, columns=4)
    mamba2 = model_parameters(small.model("mamba2"), small.formats("mamba2", mode="shared", local_bits=16))
    with pytest.raises(InputError, match="Image must be of a Mamba-1, and not of a Mamba-2"):
        write_image(path, mamba2, rows=4, columns=4)
    with pytest.raises(InputError, match="rows times columns must be at most 1024, not 64 times 32"):
        write_image(path, parameters(local_bits=16), rows=64, columns=32)
    own = parameters(local_bits=16)
    first, second = own.layers
    D = second.scan.D.copy()
    D[3] = 1 << 31
    large = replace(own, layers=(first, replace(second, scan=replace(second.scan, D=D))))
    with pytest.raises(InputError, match=r"Layer 1, D must be from -2147483648 to 2147483647 in an image, but is from"):
        write_image(path, large, rows=4, columns=4)
    assert not list(tmp_path.iterdir()), "nothing half-written"


def test_sections_that_do_not_exist(image):
    read = read_image(image)
    with pytest.raises(InputError, match=r"Section must be one of weights, .*, not 'x'"):
        read.array("x")
    with pytest.raises(InputError, match="Layer of head_weights must be from 0 to 0, not 1"):
        read.array("head_weights", 1)
