"""Converting values to bytes and back, by BTF."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wirepath.errors import LayoutError
from wirepath.kernel.btf import Btf
from wirepath.kernel.ctype import Array, Boolean, CType, Integer, Octets, Record, Text, fits
from wirepath.kernel.object import Object

pytestmark = pytest.mark.kernel
Compile = Callable[[str], Path]

ENTRY = {
    "name": "eth0",
    "address": b"\x02\x00\x00\x00\x00\x01",
    "on": True,
    "pair": [{"port": 80, "delta": -1}, {"port": 443, "delta": 2}],
    "colour": "green",
    "word": {"whole": 0x01020304},
    "network": 0xC0000201,
    "wide": -5,
    "unnamed": 9,
}


@pytest.fixture(scope="module")
def btf(compiled: Compile) -> Btf:
    with Object.load(compiled("sample")) as loaded:
        return loaded.btf


def test_round_trip(btf: Btf) -> None:
    ctype = btf.record("struct entry")
    packed = ctype.pack(ENTRY)
    assert len(packed) == ctype.size == 56
    back = ctype.unpack(packed)
    word = struct.pack("=I", 0x01020304)
    assert back == ENTRY | {"word": {"whole": 0x01020304, "bytes": word}}


def test_byte_order_is_in_the_type(btf: Btf) -> None:
    ctype = btf.record("struct entry")
    packed = ctype.pack(ENTRY)
    at, pair = ctype.members["pair"]
    assert packed[at : at + 2] == b"\x00\x50"
    at, _ = ctype.members["network"]
    assert packed[at : at + 4] == b"\xc0\x00\x02\x01"
    assert pair.name == "struct inner[2]"


def test_numpy_reads_the_same(btf: Btf) -> None:
    ctype = btf.record("struct entry")
    rows = np.frombuffer(ctype.pack(ENTRY) * 3, dtype=np.dtype(ctype.dtype))
    assert rows["name"][1] == b"eth0"
    assert rows["pair"]["port"][2].tolist() == [80, 443]
    assert rows["network"].tolist() == [0xC0000201] * 3
    assert rows["word"]["whole"][0] == 0x01020304
    assert rows.itemsize == ctype.size


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "much too long"}, r"pack char\[8\]: 'much too long' does not fit 8 bytes"),
        ({"address": b"12345"}, "does not fit 6 bytes"),
        ({"on": 2}, "pack bool: 2 does not fit"),
        ({"pair": []}, r"pack struct inner\[2\]: 0 elements"),
        ({"pair": 5}, "5 is no sequence"),
        ({"colour": "blue"}, "pack enum colour: no 'blue' in it"),
        ({"word": {"whole": 1, "bytes": b"1234"}}, "pack union word: 2 members given, not one"),
        ({"word": {"half": 1}}, "pack union word: members differ: half"),
        ({"word": 7}, "pack union word: 7 is no mapping"),
        ({"wide": "x"}, "'x' does not fit 8 bytes"),
        ({"network": -1}, "pack __be32: -1 does not fit 4 bytes"),
        ({"nme": 1}, "pack struct entry: members differ: nme"),
    ],
)
def test_what_does_not_fit(btf: Btf, change: dict[str, object], message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        btf.ctype("struct entry").pack(ENTRY | change)


def test_what_is_left_out_is_named(btf: Btf) -> None:
    with pytest.raises(LayoutError, match=r"members differ: loud$"):
        btf.ctype("struct sample_config").pack({"answer": 1})


def test_names_of_enums(btf: Btf) -> None:
    colour = btf.ctype("enum colour")
    assert colour.pack("green") == colour.pack(1)
    assert colour.unpack(colour.pack(1)) == "green"
    assert colour.unpack(colour.pack(77)) == 77


def test_short_buffers(btf: Btf) -> None:
    with pytest.raises(LayoutError, match=r"unpack struct entry: 3 bytes, not 56"):
        btf.ctype("struct entry").unpack(b"123")
    with pytest.raises(LayoutError, match=r"read BTF: starts with 0x0"):
        Btf(bytes(24))


@pytest.mark.parametrize(
    ("ctype", "value", "packed"),
    [
        (Integer("__u128", 16, order="big"), 1 << 100, (1 << 100).to_bytes(16, "big")),
        (Integer("__s16", 2, signed=True, order="little"), -2, b"\xfe\xff"),
        (Boolean(), True, b"\x01"),
        (Text("char[3]", 3), "abc", b"abc"),
        (Octets("__u8[2]", 2), b"\x00\x01", b"\x00\x01"),
    ],
)
def test_scalars(ctype: CType, value: object, packed: bytes) -> None:
    assert ctype.pack(value) == packed
    assert ctype.unpack(packed) == value
    assert np.dtype(ctype.dtype).itemsize == ctype.size


def test_what_another_object_has_laid_out() -> None:
    """Members must be at the same offsets; the other object may have more names for the bytes."""
    word = Integer("__u64", 8)
    mine = Record("struct c", 16, {"packets": (0, word), "dropped": (8, word)})
    theirs = Record("struct c", 16, {**mine.members, "mirrored": (8, word)})
    assert fits(mine, theirs)
    assert not fits(theirs, mine)
    assert fits(Array("c[2]", 32, mine, 2), Array("c[2]", 32, theirs, 2))
    for other in (
        Record("struct c", 24, mine.members),
        Record("struct c", 16, {"packets": (8, word), "dropped": (0, word)}),
        Record(
            "struct c", 16, {"packets": (0, word), "dropped": (8, Integer("__s64", 8, signed=True))}
        ),
        word,
    ):
        assert not fits(mine, other)
    assert not fits(Array("c[2]", 32, mine, 2), Array("c[3]", 48, mine, 3))
