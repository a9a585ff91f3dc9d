"""Rules of nft that move, untrack or zone packets, found in the kernel's own rule set."""

import subprocess
import time

import pytest

from wirepath.kernel import nft_uses
from wirepath.kernel.nft_uses import Packets
from wirepath.kernel.ruleset import Ruleset

pytestmark = pytest.mark.kernel
HERE = 0xC0000201  # 192.0.2.1
HERE6 = 0x20010DB8 << 96 | 1


def nft(text: str) -> None:
    subprocess.run(["nft", "-f", "-"], check=True, text=True, input=text)


def chain(*rules: str, family: str = "ip", also: str = "", hook: str = "prerouting") -> None:
    """Replace the rule set by one base chain with *rules*, and what stands before it."""
    body = "\n".join(rules)
    nft(f"""
        flush ruleset
        table {family} t {{
            {also}
            chain base {{ type nat hook {hook} priority -100; {body}; }}
        }}
    """)


def moved(port: int, family: int = 4, iface: str = "wp0") -> str:
    """Say what moves TCP packets to *port* of this host; empty if nothing does."""
    here = HERE if family == 4 else HERE6
    packets = Packets(family, ((port, port),), ((here, here),), None)
    found = nft_uses.moving(Ruleset.read(), iface, packets)
    return found.does if found else ""


MAPS = """
    map where {
        type inet_service : ipv4_addr
        elements = { 80 : 10.0.0.1 }
    }
    map far {
        type ipv4_addr . inet_service : ipv4_addr . inet_service
        elements = { 192.0.2.1 . 80 : 10.0.0.1 . 8080, 192.0.2.9 . 81 : 10.0.0.1 . 8081 }
    }
    set mine {
        type inet_service; flags interval
        elements = { 10-20, 80, 100-200 }
    }
    chain moves { dnat to 10.0.0.1; }
    chain deep { jump moves; }
    map which {
        type inet_service : verdict
        elements = { 80 : goto deep, 81 : accept }
    }
    map both {
        type ipv4_addr . inet_service : verdict
        elements = { 192.0.2.1 . 80 : jump moves, 192.0.2.9 . 81 : jump moves }
    }
    map spread {
        type ipv4_addr . inet_service : verdict; flags interval
        elements = { 192.0.2.0/28 . 79-80 : jump moves, 10.0.0.0/8 . 81 : jump moves }
    }
"""


@pytest.mark.parametrize(
    "rule",
    [
        "tcp dport 80 redirect to :8080",
        "tcp dport { 79, 80 } redirect to :8080",
        "tcp dport 70-80 redirect",
        "tcp dport != 81 redirect to :8080",
        "tcp dport != { 81, 82 } redirect to :8080",
        "tcp dport != 81-90 tcp dport >= 80 redirect to :8080",
        "tcp dport < 81 tcp dport > 79 redirect to :8080",
        "tcp sport 9 tcp dport 80 redirect to :8080",
        "tcp sport . tcp dport { 9 . 80, 9 . 82 } redirect to :8080",
        "tcp dport @mine tcp dport > 20 tcp dport < 100 redirect to :8080",
        "tcp dport 80 dnat to 10.0.0.1:8080",
        "ip daddr 192.0.2.1 tcp dport 80 dnat to 10.0.0.1",
        "ip daddr 192.0.2.0/24 tcp dport 80 dnat to 10.0.0.1",
        "ip daddr & 255.255.255.240 == 192.0.2.0 tcp dport 80 dnat to 10.0.0.1",
        "ip daddr != 192.0.2.2 tcp dport 80 dnat to 10.0.0.1",
        "ip daddr != 192.0.2.0/29 jump moves; tcp dport 80 jump moves",
        "fib daddr type local tcp dport 80 dnat to 10.0.0.1",
        'iifname "wp0" tcp dport 80 dnat to 10.0.0.1',
        'iifname "wp*" tcp dport 80 dnat to 10.0.0.1',
        'iifname != "docker0" tcp dport 80 dnat to 10.0.0.1',
        'iif "wp0" tcp dport 80 dnat to 10.0.0.1',
        'iifname { "wp0", "eth7" } tcp dport 80 dnat to 10.0.0.1',
        'meta iif . tcp dport { "wp0" . 80 } dnat to 10.0.0.1',
        'iifname . tcp dport { "wp0" . 80 } dnat to 10.0.0.1',
        "dnat to tcp dport map @where",
        "dnat ip to ip daddr . tcp dport map @far",
        "tcp dport vmap @which",
        "ip daddr . tcp dport vmap @both",
        "ip daddr . tcp dport vmap @spread",
        "tcp dport 80 numgen random mod 2 vmap { 0 : goto moves, 1 : accept }",
        "ct state new tcp dport 80 goto deep",
    ],
)
def test_only_its_port_is_moved(netns: str, rule: str) -> None:
    chain(rule, also=MAPS)
    assert moved(80)
    if "daddr !=" not in rule and "dport !=" not in rule:
        assert not moved(81)


@pytest.mark.parametrize(
    "rule",
    [
        "udp dport 80 redirect to :8080",
        "tcp dport 81 redirect to :8080",
        "tcp dport != 80 redirect to :8080",
        "tcp dport != { 79, 80 } redirect to :8080",
        "tcp dport != 70-90 redirect to :8080",
        "tcp dport @mine tcp dport < 80 redirect to :8080",
        "ip daddr 10.0.0.0/8 tcp dport 80 dnat to 10.0.0.1",
        "ip daddr & 255.255.255.0 == 198.51.100.0 tcp dport 80 dnat to 10.0.0.1",
        "ip daddr != 192.0.2.0/24 tcp dport 80 dnat to 10.0.0.1",
        'iifname "eth7" tcp dport 80 dnat to 10.0.0.1',
        'iifname "eth*" tcp dport 80 dnat to 10.0.0.1',
        'iifname != "wp*" tcp dport 80 dnat to 10.0.0.1',
        'iif "lo" tcp dport 80 dnat to 10.0.0.1',
        'iif != { "wp0", "wp1" } tcp dport 80 dnat to 10.0.0.1',
        "tcp dport 80 accept",
        "ip daddr . tcp dport vmap { 192.0.2.9 . 80 : jump moves, 192.0.2.1 . 82 : jump moves }",
        "tcp dport vmap { 80 : accept, 81 : jump moves }",
    ],
)
def test_others_are_not(netns: str, rule: str) -> None:
    chain(rule, also=MAPS)
    assert not moved(80)


def test_both_families(netns: str) -> None:
    chain("tcp dport 80 redirect to :8080", family="inet")
    assert moved(80) == moved(80, 6) == "redirect"
    chain("meta nfproto ipv6 tcp dport 80 redirect to :8080", family="inet")
    assert (moved(80), moved(80, 6)) == ("", "redirect")
    chain("ip daddr 192.0.2.1 tcp dport 80 redirect to :8080", family="inet")
    assert (moved(80), moved(80, 6)) == ("redirect", "")
    chain("ip6 daddr 2001:db8::/64 tcp dport 80 redirect to :8080", family="ip6")
    assert (moved(80), moved(80, 6)) == ("", "redirect")
    chain("ip6 daddr 2001:db8:1::/64 tcp dport 80 redirect to :8080", family="ip6")
    assert (moved(80), moved(80, 6)) == ("", "")


def test_only_what_arrives(netns: str) -> None:
    """Rules for packets that this host sends, and for sources, move no SYN that arrives."""
    chain("tcp dport 80 redirect to :8080", hook="output")
    assert not moved(80)
    chain("masquerade", hook="postrouting")
    assert not moved(80)
    chain("accept", also="chain idle { tcp dport 80 redirect to :8080; }")
    assert not moved(80)


def test_tproxy(netns: str) -> None:
    nft("""table ip t { chain c { type filter hook prerouting priority mangle;
                                  tcp dport 80 tproxy to :8080; }; }""")
    assert moved(80) == "tproxy"
    assert not moved(81)


def test_interfaces_above_count(netns: str) -> None:
    """Packets of a bridge's port pass the rules as packets of the bridge."""
    for words in ("link add br7 type bridge", "link set wp0 master br7"):
        subprocess.run(["ip", *words.split()], check=True)
    chain('iifname "br7" tcp dport 80 redirect to :8080')
    assert moved(80)
    assert not moved(80, iface="lo")


def test_where_it_is(netns: str) -> None:
    chain("tcp dport 9 accept", "tcp dport 70-90 redirect to :8080")
    packets = Packets(4, ((80, 200),), None, None)
    found = nft_uses.moving(Ruleset.read(), "wp0", packets)
    assert found
    assert str(found.chain) == "ip t base"
    assert found.ports == ((80, 90),)
    listed = subprocess.run(
        ["nft", "-a", "list", "ruleset"], check=True, capture_output=True, text=True
    ).stdout
    [line] = [line for line in listed.splitlines() if "redirect" in line]
    assert line.endswith(f"# handle {found.handle}")


def test_sources_count(netns: str) -> None:
    chain("ip saddr 198.51.100.0/24 tcp dport 80 redirect to :8080")
    for source, does in ((0xC6336401, True), (0xCB007101, False)):
        packets = Packets(4, ((80, 80),), None, ((source, source),))
        assert bool(nft_uses.moving(Ruleset.read(), "wp0", packets)) == does


def test_an_empty_rule_set(netns: str) -> None:
    assert not moved(80)
    assert nft_uses.untracking(Ruleset.read(), "wp0") is None
    assert nft_uses.zoning(Ruleset.read(), "wp0") is None


@pytest.mark.parametrize("hook", ["prerouting", "output"])
def test_untracked_and_zoned(netns: str, hook: str) -> None:
    def found() -> tuple[bool, bool]:
        rules = Ruleset.read()
        return bool(nft_uses.untracking(rules, "wp0")), bool(nft_uses.zoning(rules, "wp0"))

    def raw(rule: str) -> None:
        nft(f"""flush ruleset
                table inet t {{ chain c {{ type filter hook {hook} priority raw; {rule}; }}; }}""")

    raw("udp dport 53 notrack")
    assert found() == (True, False)
    raw("ct zone set 7")
    assert found() == (False, True)
    raw("ct original zone set 7")
    assert found() == (False, True)
    raw("ct mark set 7")
    assert found() == (False, False)
    if hook == "prerouting":
        raw('iifname "eth7" notrack')
        assert found() == (False, False)


def test_a_large_rule_set_takes_bounded_time(netns: str) -> None:
    """Thousands of rules that move packets, one after the other and by jumps."""
    some = "\n".join(f"tcp dport {port} dnat to 10.0.0.1:80" for port in range(1000, 2500))
    jumps = "\n".join(f"tcp dport {port} jump shared" for port in range(1000, 2500))
    chain(some, jumps, also=f"chain shared {{ {some.replace('tcp dport', 'udp dport')}; }}")
    began = time.monotonic()
    assert not moved(80)
    every = Packets(4, ((0, 65535),), None, None)
    assert nft_uses.moving(Ruleset.read(), "wp0", every)
    assert moved(2499)
    assert time.monotonic() - began < 15  # 0.5 s here, three times 4,500 rules
