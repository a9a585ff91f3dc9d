# ruff: noqa: E501, ISC004 - messages stand as they are printed
import os
import struct
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.frames import Eth, IPv4, Udp
from wirepath.errors import CaptureError
from wirepath.pcap import CaptureWriter, Frame, read_capture

FRAME = bytes(Eth() / IPv4() / Udp() / b"data")


def pcap(
    order: str = "<",
    magic: int = 0xA1B2C3D4,
    link: int = 1,
    records: tuple[tuple[int, int, int, bytes], ...] = (),
) -> bytes:
    """Write a classic pcap; records are (seconds, fraction, wire bytes, data)."""
    head = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    return head + b"".join(
        struct.pack(order + "IIII", s, f, len(data), wire) + data for s, f, wire, data in records
    )


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(order: str = "<", link: int = 1, snap: int = 0, options: bytes = b"") -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, snap) + options, order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def enhanced(
    units: int, data: bytes = FRAME, order: str = "<", number: int = 0, wire: int | None = None
) -> bytes:
    wire = len(data) if wire is None else wire
    words = (number, units >> 32, units & 0xFFFFFFFF, len(data), wire)
    return block(6, struct.pack(order + "IIIII", *words) + data + bytes(-len(data) % 4), order)


def read(tmp_path: Path, data: bytes) -> list[Frame]:
    path = tmp_path / "x.pcap"
    path.write_bytes(data)
    with read_capture(path) as capture:
        assert len(capture) == len(list(capture))
        return list(capture)


def error(tmp_path: Path, data: bytes) -> str:
    with pytest.raises(CaptureError) as caught:
        read(tmp_path, data)
    return str(caught.value).removeprefix(f"read {tmp_path}/x.pcap: ")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_pcap(tmp_path: Path, order: str, magic: int, unit: int) -> None:
    records = ((1, 5, len(FRAME), FRAME), (2_000_000_000, 999_999, 1500, FRAME[:40]))
    assert read(tmp_path, pcap(order, magic, records=records)) == [
        (1_000_000_000 + 5 * unit, len(FRAME), FRAME),
        (2_000_000_000_000_000_000 + 999_999 * unit, 1500, FRAME[:40]),
    ]


def test_pcap_without_frames(tmp_path: Path) -> None:
    assert read(tmp_path, pcap()) == []


def test_pcap_with_frame_checksums(tmp_path: Path) -> None:
    records = ((1, 0, len(FRAME), FRAME),)
    assert len(read(tmp_path, pcap(link=0x2400_0001, records=records))) == 1


def test_wire_length_is_never_less_than_what_is_there(tmp_path: Path) -> None:
    assert read(tmp_path, pcap(records=((0, 0, 10, FRAME),)))[0].wire_bytes == len(FRAME)


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_blocks(tmp_path: Path, order: str) -> None:
    data = (
        section(order)
        + interface(order, snap=50)
        + block(0xBAD, b"unknown", order)
        + enhanced(1_500_000, order=order, wire=9000)
        + block(3, struct.pack(order + "I", 9000) + bytes(52), order)
        + block(2, struct.pack(order + "HHIIII", 0, 0, 0, 7, len(FRAME), 80) + FRAME, order)
        + block(5, struct.pack(order + "III", 0, 0, 0), order)
    )
    assert read(tmp_path, data) == [
        (1_500_000_000, 9000, FRAME),
        (1_500_000_000, 9000, bytes(50)),  # a simple packet: no time, the interface's snap length
        (7_000, 80, FRAME),
    ]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("options", "units", "time_ns"),
    [
        ([], 3, 3_000),
        ([(9, b"\x09")], 3, 3),
        ([(9, b"\x03")], 3, 3_000_000),
        ([(9, b"\x00")], 3, 3_000_000_000),
        ([(9, b"\x0c")], 3_999, 3),
        ([(9, b"\x8a")], 1024, 1_000_000_000),
        ([(9, b"\x80")], 2, 2_000_000_000),
        ([(2, b"eth0"), (9, b"\x09"), (1, b"comment")], 5, 5),
        ([(9, b"\x09"), (0, b""), (9, b"\x06")], 5, 5),
        ([(14, 100)], 1, 100_000_001_000),
        ([(14, -1)], 1_000_001, 1_000),
        ([(14, -5)], 1_000_001, 0),
    ],
)
def test_pcapng_clocks(
    tmp_path: Path, order: str, options: list[tuple[int, bytes | int]], units: int, time_ns: int
) -> None:
    packed = b"".join(
        option(code, struct.pack(order + "q", value) if isinstance(value, int) else value, order)
        for code, value in options
    )
    data = section(order) + interface(order, options=packed) + enhanced(units, order=order)
    assert read(tmp_path, data)[0].time_ns == time_ns


def test_pcapng_sections_and_interfaces(tmp_path: Path) -> None:
    ns = option(9, b"\x09")
    data = (
        section()
        + interface()
        + interface(options=ns)
        + interface(link=105)  # harmless as long as no frame refers to it
        + enhanced(1, number=1)
        + enhanced(1)
        + section(">")
        + interface(">", options=option(9, b"\x09", ">"))
        + enhanced(7, order=">")
    )
    assert [frame.time_ns for frame in read(tmp_path, data)] == [1, 1000, 7]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty (capture again)"),
        (b"abc", "neither pcap nor pcapng (convert it with `editcap -F pcapng`)"),
        (bytes(100), "neither pcap nor pcapng (convert it with `editcap -F pcapng`)"),
        (
            b"\x1f\x8b\x09" + bytes(50),
            "the compressed data is damaged or ends early (copy it again)",
        ),
        (b"\x28\xb5\x2f\xfd" + bytes(50), "the file is compressed (run `unzstd` on it first)"),
        (
            pcap()[:20],
            "the file ends inside frame 1, which begins at byte 0 "
            "(copy it again, or keep the whole frames: `tcpdump -r OLD -w NEW`)",
        ),
        (
            pcap(records=((0, 0, 46, FRAME), (0, 0, 46, FRAME)))[:-1],
            "the file ends inside frame 2, which begins at byte 86 "
            "(copy it again, or keep the whole frames: `tcpdump -r OLD -w NEW`)",
        ),
        (
            pcap(records=((0, 0, 46, FRAME),)) + bytes(15),
            "the file ends inside frame 2, which begins at byte 86 "
            "(copy it again, or keep the whole frames: `tcpdump -r OLD -w NEW`)",
        ),
        (
            pcap(link=105),
            "link type 105 (802.11) is not judged "
            "(capture on an Ethernet interface: `tcpdump -i eth0`)",
        ),
        (
            pcap(">", link=250),
            "link type 250 is not judged (capture on an Ethernet interface: `tcpdump -i eth0`)",
        ),
        (
            section() + interface() + enhanced(0) + interface(link=127) + enhanced(0, number=1),
            "frame 2: link type 127 (802.11 with radiotap) is not judged "
            "(capture on an Ethernet interface: `tcpdump -i eth0`)",
        ),
        (
            (section() + interface() + enhanced(0))[:-1],
            "the file ends inside frame 1, which begins at byte 48 "
            "(copy it again, or keep the whole frames: `tcpdump -r OLD -w NEW`)",
        ),
        (
            section() + interface() + enhanced(0, number=1),
            "frame 1: the record at byte 48 contradicts itself (the file is damaged: copy it again)",
        ),
        (
            section() + enhanced(0),
            "frame 1: the record at byte 28 contradicts itself (the file is damaged: copy it again)",
        ),
    ],
)
def test_message(tmp_path: Path, data: bytes, message: str) -> None:
    assert error(tmp_path, data) == message


@pytest.mark.parametrize(
    "damage",
    [
        struct.pack("<III", 0x0A0D0D0A, 12, 12),  # no room for its byte order
        section()[:8] + b"\0\0\0\0" + section()[12:],  # no byte order
        section() + struct.pack("<III", 1, 8, 8),  # shorter than its own head and tail
        section() + struct.pack("<III", 1, 13, 13) + bytes(3),  # not a multiple of 4
        section() + struct.pack("<III", 1, 12, 16),  # two lengths
        section() + block(1, bytes(4)),  # an interface without its fields
        section() + interface(options=struct.pack("<HH", 9, 200)),  # an option past its block
        section() + interface(options=option(9, b"\x7f")),  # 10^-127 s
        section() + interface() + block(6, bytes(16)),
        section() + interface() + block(6, struct.pack("<IIIII", 0, 0, 0, 99, 99)),
        section() + interface() + block(3, struct.pack("<I", 99)),
        section() + interface() + block(2, bytes(16)),
        section() + block(3, struct.pack("<I", 0)),
    ],
)
def test_pcapng_damage(tmp_path: Path, damage: bytes) -> None:
    assert "contradicts itself" in error(tmp_path, damage)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CaptureError) as caught:
        read_capture(tmp_path / "gone.pcap")
    assert str(caught.value) == (
        f"read {tmp_path}/gone.pcap: No such file or directory [ENOENT] "
        "(name a pcap or pcapng file)"
    )


def test_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    data = pcap(records=((1, 0, len(FRAME), FRAME),))
    writer = Thread(target=path.write_bytes, args=(data,))
    writer.start()
    with read_capture(path) as capture:
        assert [frame.data for frame in capture] == [FRAME]
    writer.join()


captured = st.lists(
    st.tuples(st.integers(0, 2**32 * 10**9 - 1), st.integers(0, 99), st.binary(max_size=80)),
    max_size=8,
)


@given(captured, st.sampled_from(["x.pcap", "x.pcapng"]))
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, found: list[tuple[int, int, bytes]], name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    expected = [Frame(time_ns, len(data) + more, data) for time_ns, more, data in found]
    with CaptureWriter(path) as writer:
        for frame in expected:
            writer.write(frame.time_ns, frame.data, frame.wire_bytes)
    with read_capture(path) as capture:
        assert list(capture) == expected
        assert list(capture.wire) == [frame.wire_bytes for frame in expected]


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", pcap(), pcap(link=113), section(), section() + interface()]),
)
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, rest: bytes, head: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(head + rest)
    try:
        with read_capture(path) as capture:
            assert all(len(frame.data) <= frame.wire_bytes for frame in capture)
    except CaptureError:
        pass


def test_writer_that_cannot(tmp_path: Path) -> None:
    with pytest.raises(CaptureError) as caught:
        CaptureWriter(tmp_path / "no" / "x.pcap")
    assert str(caught.value).endswith("[ENOENT] (name a file that can be written)")
