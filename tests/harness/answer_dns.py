"""A name server for one test: every question for an address gets 192.0.2.53 or 2001:db8::53."""

import socket
import sys
from ipaddress import ip_address

_ANSWERS = {1: ip_address("192.0.2.53").packed, 28: ip_address("2001:db8::53").packed}
_HEADER_BYTES = 12


def answer(question: bytes) -> bytes:
    """Answer one query of one question (RFC 1035 section 4)."""
    end = question.index(0, _HEADER_BYTES) + 5  # after the name: type and class
    kind = int.from_bytes(question[end - 4 : end - 2], "big")
    data = _ANSWERS.get(kind)
    head = question[:2] + b"\x85\x80\0\1" + bytes([0, int(data is not None), 0, 0, 0, 0])
    record = b"\xc0\x0c" + question[end - 4 : end] + bytes(4)
    tail = record + len(data).to_bytes(2, "big") + data if data else b""
    return head + question[_HEADER_BYTES:end] + tail


def main() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", 53))
        print("ready", flush=True)
        while True:
            question, sender = server.recvfrom(4096)
            server.sendto(answer(question), sender)


if __name__ == "__main__":
    sys.exit(main())
