"""A tun device has no Ethernet headers: every hook sees its packets, and nothing passes unseen."""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.frames import Eth, IPv4, IPv6, Udp
from harness.living import end, left
from harness.numbered import Inbox
from harness.pair import IFNAME, Pair, ip, python, run
from wirepath.datapath import Datapath
from wirepath.errors import AttachError, RequestError
from wirepath.net import Hook
from wirepath.policy import Policy

TUN = "wptun"
HOST, HOST6 = "203.0.113.1", "2001:db8:77::1"
_SET_IFF, _TUN, _NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_ETHERNET = 14
# Read as Ethernet, the last four would be tags and lengths of frames.
SOURCES = ("203.0.113.2", "8.0.69.0", "134.221.0.2", "129.0.8.0", "2001:db8:800::2")


@contextmanager
def tun(hosts: Pair) -> Iterator[int]:
    """Make a tun device on the near host; gives the descriptor of its other end."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(fd, _SET_IFF, struct.pack("16sH22x", TUN.encode(), _TUN | _NO_PI))
        ip(hosts.near, "addr", "add", f"{HOST}/24", "dev", TUN)
        ip(hosts.near, "addr", "add", f"{HOST6}/64", "dev", TUN, "nodad")
        ip(hosts.near, "link", "set", TUN, "up")
        for net in ("8.0.0.0/8", "134.221.0.0/16", "129.0.0.0/8", "2001:db8:800::/48"):
            ip(hosts.near, "route", "add", net, "dev", TUN)
        yield fd
    finally:
        os.close(fd)


def packet(source: str, dport: int, number: int) -> bytes:
    layer = IPv6(src=source, dst=HOST6) if ":" in source else IPv4(src=source, dst=HOST)
    return bytes(Eth() / layer / Udp(dport=dport) / struct.pack("!I", number))[_ETHERNET:]


def came(hosts: Pair, fd: int, ports: tuple[int, ...]) -> dict[int, int]:
    """Send a datagram of every source to each port; say how many arrived over IPv4."""
    with Inbox(hosts.near, ports) as inbox:
        for port in ports:
            for number, source in enumerate(SOURCES):
                os.write(fd, packet(source, port, number))
        return {port: len(numbers) for port, numbers in inbox.take().items()}


OPEN = (
    '[datapath]\ndefault = {{ {0} = "drop" }}\n[[rule]]\nname = "open"\nhook = "{0}"\n'
    'match = {{ proto = "udp", dport = 6001 }}\naction = "pass"\n'
)


@pytest.mark.parametrize("hook", ["ingress", "tc_ingress"])
def test_what_comes_in(hosts: Pair, bpffs: Path, hook: Hook) -> None:
    over_ipv4 = len(SOURCES) - 1
    with tun(hosts) as fd:
        datapath = Datapath.up(TUN, Policy.parse(OPEN.format(hook)), mode="generic")
        assert came(hosts, fd, (6001, 6002)) == {6001: over_ipv4, 6002: 0}
        outcomes = datapath.counters().hooks[hook]
        assert datapath.counters().rules["open"].packets == len(SOURCES)
        assert outcomes.verdicts["drop"].packets >= len(SOURCES)
        assert not outcomes.reasons["not_ip"].packets
        assert not outcomes.reasons["malformed"].packets
        for source in SOURCES[:2]:
            datapath.bans.add(source)
        assert came(hosts, fd, (6001,)) == {6001: over_ipv4 - 2}
        assert datapath.status().warnings == ()
        datapath.down()
    assert not left(bpffs)


def test_what_goes_out(hosts: Pair, bpffs: Path) -> None:
    text = (
        '[[rule]]\nname = "mark"\nhook = "egress"\nmatch = { dport = 7001 }\ndscp = "EF"\n'
        '[[rule]]\nname = "shut"\nhook = "egress"\nmatch = { dport = 7002 }\naction = "drop"\n'
    )
    with tun(hosts) as fd:
        datapath = Datapath.up(TUN, Policy.parse(text), mode="generic")
        send = (
            "import socket\n"
            "for family, host in ((2, '203.0.113.9'), (10, '2001:db8:77::9')):\n"
            "    for port in (7001, 7002, 7003):\n"
            "        socket.socket(family, 2).sendto(b'x', (host, port))\n"
        )
        run(hosts.near, *python("-c", send))
        left = []
        while True:
            try:
                left.append(os.read(fd, 2000))
            except BlockingIOError:
                break
        dscps = {}
        for each in left:
            v4 = each[0] >> 4 == 4
            if each[9 if v4 else 6] == 17:
                port = int.from_bytes(each[22:24] if v4 else each[42:44], "big")
                dscps[each[0] >> 4, port] = (
                    each[1] >> 2 if v4 else (int.from_bytes(each[:2], "big") >> 6) & 63
                )
        assert dscps == {(4, 7001): 46, (4, 7003): 0, (6, 7001): 46, (6, 7003): 0}
        assert datapath.counters().rules["shut"].dropped == 2
        datapath.down()


def test_native_mode_is_refused_with_the_cure(hosts: Pair) -> None:
    with (
        tun(hosts),
        pytest.raises(AttachError, match=r"no native XDP .*\(use --mode gen"),
    ):
        Datapath.up(TUN, Policy.parse(""))


@pytest.mark.parametrize(
    ("rule", "does"),
    [
        ("reject = true", "answers packets"),
        ('match = { proto = "tcp", dport = 80 }\nchallenge = "reset"', "answers packets"),
        ('hook = "egress"\nmirror = { to = "wp0" }', "copies packets"),
    ],
)
def test_rules_that_take_ethernet_are_refused(hosts: Pair, rule: str, does: str) -> None:
    policy = Policy.parse(f'[[rule]]\nname = "r"\n{rule}\n')
    with tun(hosts):
        with pytest.raises(RequestError, match=f"rule.r: {does}, which takes Ethernet headers"):
            Datapath.up(TUN, policy, mode="generic")
        datapath = Datapath.up(TUN, Policy.parse(""), mode="generic")
        with pytest.raises(RequestError, match=f"rule.r: {does}"):
            datapath.apply(policy)
        assert datapath.status().rules == 0
        datapath.down()


def test_a_dscp_is_written_at_tc_ingress(hosts: Pair) -> None:
    """At XDP the kernel takes a change of the first byte for one of Ethernet's."""
    rule = '[[rule]]\nname = "r"\nhook = "{}"\ndscp = "EF"\n'
    with tun(hosts):
        with pytest.raises(RequestError, match=r"rule.r: changes packets at .*\(use hook = \"tc_"):
            Datapath.up(TUN, Policy.parse(rule.format("ingress")), mode="generic")
        Datapath.up(TUN, Policy.parse(rule.format("tc_ingress")), mode="generic").down()


def test_generic_mode_with_tc_ingress(hosts: Pair, bpffs: Path) -> None:
    """The TC program sees what the generic XDP program has let through, with its header."""
    sources = ("8.0.0.2", "134.221.0.2", "198.51.100.2")
    for source in sources[:2]:
        ip(hosts.far, "addr", "add", f"{source}/24", "dev", IFNAME)
        ip(hosts.near, "addr", "add", f"{source[:-1]}1/24", "dev", IFNAME)
    text = (
        '[[rule]]\nname = "shut"\nhook = "tc_ingress"\naction = "drop"\n'
        'match = { proto = "udp", dport = 6002 }\n'
    )
    datapath = Datapath.up(IFNAME, Policy.parse(text), mode="generic")
    with Inbox(hosts.near, (6001, 6002)) as inbox:
        for source in sources:
            code = (
                "import socket, struct, sys\n"
                "for port in (6001, 6002):\n"
                "    s = socket.socket(2, 2); s.bind((sys.argv[1], 0))\n"
                "    for n in range(3): s.sendto(struct.pack('!I', n), (sys.argv[2], port))\n"
            )
            run(hosts.far, *python("-c", code, source, f"{source[:-1]}1"))
        arrived = {port: len(numbers) for port, numbers in inbox.take().items()}
    assert arrived == {6001: 9, 6002: 0}
    counted = datapath.counters()
    assert counted.rules["shut"].dropped == 9
    end(bpffs)
