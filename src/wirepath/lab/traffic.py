"""The packets of a flood: one template frame with many sources, or many frames.

Checksums are correct, so that a host with that address could have sent each packet.
"""

import socket
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wirepath.net import ADDRESS_BITS, Prefix

_TAG: Final = struct.Struct("!HH")
_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")  # RFC 791 section 3.1
_IPV6: Final = struct.Struct("!IHBB16s16s")  # RFC 8200 section 3
_UDP: Final = struct.Struct("!HHHH")  # RFC 768
_TCP: Final = struct.Struct("!HHIIBBHHH")  # RFC 9293 section 3.1
_ETHERTYPES: Final = {4: b"\x08\x00", 6: b"\x86\xdd"}
_V4: Final = 4  # IP version, and bytes of an address
_V6_BYTES: Final = 16
_ETHERTYPE_VLAN: Final = 0x8100
_PROTO_TCP: Final = 6
_PROTO_UDP: Final = 17
_SYN: Final = 0x02
_TTL: Final = 64

_FRAME_MIN: Final = 60  # bytes without FCS, IEEE 802.3
_LAB_V4: Final = 0xC00002  # 192.0.2.0/24
_NOT_LAB_V6: Final = (0x20, 0x01, 0x0D, 0xB9)  # 2001:db9::/32, next to the documentation prefix
_ROW_BYTES: Final = 96  # struct frame_row; fits two tags, IPv6 and TCP
_MAC: Final = "02:00:00:00:00:01"
_MAC_SENDER: Final = "02:00:00:00:00:fe"

# struct flood_config for frames without varying fields; the flood adds ifindex.
_CONSTANT: Final = {
    **dict.fromkeys(("rows", "row_size", "saddr", "sport", "first_port", "ports"), 0),
    **dict.fromkeys(("ip_check", "l4_check", "ip_sum", "l4_sum"), 0),
    "network": (0, 0, 0, 0),
    "hostmask": (0, 0, 0, 0),
}


@dataclass(frozen=True, slots=True)
class Template:
    """A frame with source address 0, and the offsets of its varying fields.

    Attributes:
        frame: the frame; the generator fills in source and checksums.
        config: offsets and sums for ``struct flood_config``.
    """

    frame: bytes
    config: dict[str, int]


def udp(
    to: str,
    dport: int,
    *,
    sport: int = 53,
    payload: bytes = bytes(18),
    mac: str = _MAC,
    vlan: int | None = None,
) -> Template:
    """Make a UDP packet.

    Args:
        to: IPv4 or IPv6 destination address.
        dport: destination port.
        sport: source port.
        payload: the data.
        mac: destination MAC; by default that of the lab's server.
        vlan: tag of 802.1Q; None for untagged.
    """
    header = _UDP.pack(sport, dport, _UDP.size + len(payload), 0)
    return _template(to, _ethernet(to, mac, vlan), _PROTO_UDP, header + payload, check=6)


def syn(
    to: str, dport: int, *, sport: int = 1024, mac: str = _MAC, vlan: int | None = None
) -> Template:
    """Make a TCP SYN without options; the arguments are those of :func:`udp`."""
    header = _TCP.pack(sport, dport, 1, 0, _TCP.size << 2, _SYN, 0xFFFF, 0, 0)
    return _template(to, _ethernet(to, mac, vlan), _PROTO_TCP, header, check=16)


def _template(to: str, eth: bytes, proto: int, l4: bytes, *, check: int) -> Template:
    target = ip_address(to)
    config = {"l4_sum": _sum(target.packed + struct.pack("!HH", proto, len(l4)) + l4)}
    if target.version == _V4:
        total = _IPV4.size + len(l4)
        ip = _IPV4.pack(0x45, 0, total, 0, 0, _TTL, proto, 0, bytes(4), target.packed)
        config |= {"saddr": len(eth) + 12, "ip_check": len(eth) + 10, "ip_sum": _sum(ip)}
    else:
        ip = _IPV6.pack(6 << 28, len(l4), proto, _TTL, bytes(16), target.packed)
        config |= {"saddr": len(eth) + 8}
    at = len(eth) + len(ip)
    config |= {"sport": at, "l4_check": at + check}
    return Template((eth + ip + l4).ljust(_FRAME_MIN, b"\0"), config)


def _ethernet(to: str, mac: str, vlan: int | None) -> bytes:
    addresses = bytes.fromhex((mac + _MAC_SENDER).replace(":", ""))
    tag = b"" if vlan is None else _TAG.pack(_ETHERTYPE_VLAN, vlan)
    return addresses + tag + _ETHERTYPES[ip_address(to).version]


def _sum(data: bytes) -> int:
    # In host byte order, in which the program continues the sum: RFC 1071 section 2 (B).
    padded = data + bytes(len(data) % 2)
    return sum(struct.unpack(f"={len(padded) // 2}H", padded))


@dataclass(frozen=True, slots=True)
class Traffic:
    """The input of the generator; made by the functions below.

    Attributes:
        program: name of a program in ``bpf/lab/flood.bpf.c``.
        frame: the frame in which the program writes the varying fields.
        config: every member of ``struct flood_config`` except ifindex.
        tables: rows by map name; each row has the bytes of one map value.
    """

    program: str
    frame: bytes
    config: dict[str, Any]
    tables: dict[str, NDArray[np.uint8]] = field(default_factory=dict)


def from_sources(
    template: Template, sources: NDArray[np.uint8], ports: range = range(0)
) -> Traffic:
    """Send *template* from each of *sources* in turn.

    Args:
        template: the frame to send.
        sources: one address per row, 4 or 16 bytes as on the wire, of the template's family.
        ports: range from which source ports are drawn at random; if empty, the template's own.
    """
    table = "sources_v4" if sources.shape[1] == _V4 else "sources_v6"
    config = _varied(template, ports) | {"rows": len(sources)}
    return Traffic(f"flood_{table}", template.frame, config, {table: sources})


def at_random(template: Template, within: Prefix, ports: range = range(0)) -> Traffic:
    """Send *template* from random addresses inside *within*; *ports* as in `from_sources`."""
    varies = (1 << ADDRESS_BITS - within.bits) - 1
    words = _V4 if within.is_ipv4 else _V6_BYTES
    network, hostmask = (
        (*struct.unpack(f"={words // 4}I", number.to_bytes(16, "big")[-words:]), 0, 0, 0)[:4]
        for number in (within.address, varies)
    )
    config = _varied(template, ports) | {"rows": 0, "network": network, "hostmask": hostmask}
    program = "flood_sources_v4" if within.is_ipv4 else "flood_sources_v6"
    return Traffic(program, template.frame, config)


def written_out(template: Template, sources: NDArray[np.uint8], *, seed: int = 1) -> Traffic:
    """Send *template* from each of *sources* in turn and from random ports, as whole frames.

    For receivers that change frames and send them back. The generator reuses the memory of frames;
    other traffic rewrites only the varying fields, this one rewrites every byte.
    """
    config, count = template.config, len(sources)
    rows = np.zeros((count, _ROW_BYTES), dtype=np.uint8)
    rows[:, : len(template.frame)] = np.frombuffer(template.frame, dtype=np.uint8)
    ports = np.random.default_rng(seed).integers(1024, 65536, count, dtype=np.uint16)
    rows[:, config["sport"] : config["sport"] + 2] = ports.view(np.uint8).reshape(count, 2)
    rows[:, config["saddr"] : config["saddr"] + sources.shape[1]] = sources
    own = int.from_bytes(template.frame[config["sport"] : config["sport"] + 2], sys.byteorder)
    varies = np.ascontiguousarray(sources).view(np.uint16).sum(axis=1, dtype=np.uint64)
    _check(rows, config["l4_check"], varies + ports + np.uint64(config["l4_sum"] - own))
    if "ip_check" in config:
        _check(rows, config["ip_check"], varies + np.uint64(config["ip_sum"]))
    return _rows(rows, len(template.frame))


def _check(rows: NDArray[np.uint8], at: int, sums: NDArray[np.uint64]) -> None:
    for _ in range(3):
        sums = (sums & np.uint64(0xFFFF)) + (sums >> np.uint64(16))
    rows[:, at : at + 2] = (~sums).astype(np.uint16).view(np.uint8).reshape(-1, 2)


def of_frames(frames: Sequence[bytes]) -> Traffic:
    """Send *frames* in turn, up to 96 bytes each; all are padded to the longest, or to 60."""
    size = max(_FRAME_MIN, *map(len, frames))
    if size > _ROW_BYTES:
        raise ValueError(f"frames of {size} bytes: {_ROW_BYTES} is the most")
    rows = np.frombuffer(b"".join(f.ljust(_ROW_BYTES, b"\0") for f in frames), dtype=np.uint8)
    return _rows(rows.reshape(-1, _ROW_BYTES), size)


def _rows(rows: NDArray[np.uint8], size: int) -> Traffic:
    row_bytes = -(-size // 8) * 8  # the program copies 8 bytes at a time
    config = {**_CONSTANT, "rows": len(rows), "row_size": row_bytes}
    return Traffic("flood_frames", bytes(row_bytes), config, {"frames": rows})


def _varied(template: Template, ports: range) -> dict[str, Any]:
    config: dict[str, Any] = {**_CONSTANT, **template.config}
    if ports:
        at = config["sport"]
        config["l4_sum"] -= _sum(template.frame[at : at + 2])  # the program adds the drawn port
        config |= {"first_port": ports.start, "ports": len(ports)}
    return config


def random_sources(count: int, *, version: int = 4, seed: int = 1) -> NDArray[np.uint8]:
    """Draw distinct random addresses, one per row as on the wire, in random order.

    IPv4 addresses are in 1.0.0.0 to 223.255.255.255, except 192.0.2.0/24, the lab's network. IPv6
    addresses are in 2001:db9::/32, next to the lab's network.
    """
    draw = np.random.default_rng(seed)
    if version != _V4:
        rows = draw.integers(0, 256, (count, _V6_BYTES), dtype=np.uint8)
        rows[:, :4] = _NOT_LAB_V6
        return rows
    numbers = draw.integers(1 << 24, 224 << 24, count + count // 8 + 64, dtype=np.uint32)
    numbers = numbers[numbers >> 8 != _LAB_V4]
    first = np.unique(numbers, return_index=True)[1]  # of repeated draws
    chosen = np.asarray(numbers[np.sort(first)][:count], dtype=">u4")
    return chosen.view(np.uint8).reshape(-1, _V4)


def addresses(sources: NDArray[np.uint8]) -> list[str]:
    """Return *sources* as text."""
    family = socket.AF_INET if sources.shape[1] == _V4 else socket.AF_INET6
    return [socket.inet_ntop(family, row.tobytes()) for row in sources]
