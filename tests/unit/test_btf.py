"""BTF of kinds that the local compiler may not write, composed by hand."""

import struct

import pytest

from wirepath.errors import LayoutError
from wirepath.kernel.btf import Btf, Kind
from wirepath.kernel.ctype import Octets


class Writer:
    """Writes types and names in the order of the calls; the first type is number 1."""

    def __init__(self) -> None:
        self.types = b""
        self.strings = b"\0"

    def text(self, name: str) -> int:
        at = len(self.strings)
        self.strings += name.encode() + b"\0"
        return at if name else 0

    def type(
        self, name: str, kind: int, size: int, *tail: int, vlen: int = 0, flag: int = 0
    ) -> None:
        info = flag << 31 | kind << 24 | vlen
        numbers = (self.text(name), info, size, *(n & 0xFFFFFFFF for n in tail))
        self.types += struct.pack(f"={len(numbers)}I", *numbers)

    def read(self) -> Btf:
        head = struct.pack(
            "=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self.types), len(self.types), len(self.strings)
        )
        return Btf(head + self.types + self.strings)


def test_wide_and_signed_enums() -> None:
    writer = Writer()
    wide = (writer.text("BIG_LOW"), 1, 0, writer.text("BIG_HIGH"), 0, 1 << 8)
    writer.type("big", Kind.ENUM64, 8, *wide, vlen=2)
    signed = (writer.text("SMALL_MINUS"), -3)
    writer.type("small", Kind.ENUM, 4, *signed, vlen=1, flag=1)
    negative = (writer.text("DEEP_MINUS"), -1, -1)
    writer.type("deep", Kind.ENUM64, 8, *negative, vlen=1, flag=1)
    btf = writer.read()
    assert btf.enum("big") == {"low": 1, "high": 1 << 40}
    assert btf.ctype("enum big").pack("high") == (1 << 40).to_bytes(8, "little")
    assert btf.enum("small") == {"minus": -3}
    assert btf.ctype("enum deep").unpack(bytes([0xFF] * 8)) == "minus"


def test_kinds_that_have_no_layout() -> None:
    writer = Writer()
    writer.type("int", Kind.INT, 4, 32)
    writer.type("flags", Kind.STRUCT, 4, writer.text("one"), 1, 3 << 24, vlen=1, flag=1)
    writer.type("hidden", Kind.FWD, 0)
    writer.type("later", Kind.TYPEDEF, 3)
    btf = writer.read()
    with pytest.raises(LayoutError, match="find struct flags: bit fields have no layout here"):
        btf.ctype("struct flags")
    with pytest.raises(LayoutError, match="find later: has no size in the object"):
        btf.ctype("later")
    with pytest.raises(LayoutError, match="find int: int has no members"):
        btf.record("int")


def test_kinds_that_only_lie_there() -> None:
    writer = Writer()
    writer.type("", Kind.PTR, 0)
    writer.type("double", Kind.FLOAT, 8)
    pair = (writer.text("at"), 1, 0, writer.text("of"), 2, 64)
    writer.type("holder", Kind.STRUCT, 16, *pair, vlen=2)
    members = writer.read().record("struct holder").members
    assert members == {"at": (0, Octets("pointer", 8)), "of": (8, Octets("double", 8))}


def test_kinds_of_the_future() -> None:
    writer = Writer()
    writer.type("", 25, 0)
    with pytest.raises(LayoutError, match="has a kind that came after Linux"):
        writer.read()
