"""``src`` and ``dst``: prefixes, lists, sets, negation, both families."""

from cases.case import Case, Row, decided, policy, rule
from harness.frames import Eth, Frame, IPv4, IPv6, ServiceVlan, Tcp, Udp, Vlan


def _from(address: str) -> Frame:
    return Eth() / (IPv6(src=address) if ":" in address else IPv4(src=address)) / Udp()


def _to(address: str) -> Frame:
    return Eth() / (IPv6(dst=address) if ":" in address else IPv4(dst=address)) / Udp()


def _sources(**by_rule: str) -> list[Row]:
    return [
        (address, _from(address), None if name == "none" else name)
        for name, addresses in by_rule.items()
        for address in addresses.split()
    ]


_PREFIX = policy(
    rule("host", 'src = "203.0.113.7"'),
    rule("net", 'src = "10.0.0.0/8"'),
    rule("odd", 'src = "172.16.128.0/17"'),
    rule("last", 'src = "255.255.255.255"'),
    rule("host6", 'src = "2001:db8::7"'),
    rule("net6", 'src = "2001:db8:a::/48"'),
    rule("odd6", 'src = "2001:db8:a000::/35"'),
    rule("low6", 'src = "2001:db8:c::8000:0:0:0/65"'),
    rule("last6", 'src = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"'),
)

_LIST = policy(
    rule("list", 'src = ["10.0.0.0/8", "192.168.0.0/16", "2001:db8:a::/48"]'),
    rule("both-ends", 'src = "198.51.100.0/24", dst = "192.0.2.0/24"'),
)

_NEGATED = policy(
    rule("not-alone", 'src = "!10.0.0.0/8", dst = "192.0.2.99"'),
    rule("hole", 'src = ["10.0.0.0/8", "!10.1.0.0/16", "!10.2.3.4"]'),
    rule("hole6", 'src = ["2001:db8::/32", "!2001:db8:1::/48"]'),
    rule("nothing-else", 'src = ["!0.0.0.0/0", "!2001:db8::/32"]'),
)

_SETS = policy(
    '[set.bad]\nprefixes = ["198.51.100.0/24", "203.0.113.7", "2001:db8:bad::/48"]\n',
    '[set.wide]\nprefixes = ["198.0.0.0/8", "2001:db8::/32"]\n',
    '[set.good]\nprefixes = ["198.51.100.128/25", "2001:db8:bad:1::/64"]\n',
    "[set.empty]\nprefixes = []\n",
    rule("empty", 'src = "@empty"'),
    rule("bad-not-good", 'src = ["@bad", "!@good"]'),
    rule("good", 'src = "@good"'),
    rule("wide-or-more", 'src = ["@wide", "192.168.0.0/16"]'),
    rule("to-bad", 'dst = "@bad"'),
    rule("not-to-wide", 'dst = "!@wide", src = "10.0.0.0/8"'),
)

_NESTED = policy(
    '[set.outer]\nprefixes = ["10.0.0.0/8"]\n',
    '[set.inner]\nprefixes = ["10.1.2.3"]\n',
    rule("not-both", 'src = ["@outer", "!@inner"]'),
    rule("both", 'src = "@inner"'),
)

_FAMILY = policy(rule("every4", 'src = "0.0.0.0/0"'), rule("every6", 'src = "::/0"'))
_ONLY6 = policy(rule("every6", 'src = "::/0"'))
_ONLY4 = policy(rule("every4", 'src = "0.0.0.0/0"'))
_NO4 = policy(rule("no4", 'src = "!0.0.0.0/0"'))
_SET6 = policy('[set.six]\nprefixes = ["::/0"]\n', rule("six", 'src = "@six"'))
_LOW6 = policy(rule("low", 'src = "::/64"'))

_DESTINATION = policy(
    rule("host", 'dst = "192.0.2.7"'),
    rule("net", 'dst = "10.0.0.0/8"'),
    rule("net6", 'dst = "2001:db8:a::/48"'),
)

CASES: list[Case] = [
    *decided(
        "src",
        _PREFIX,
        _sources(
            host="203.0.113.7",
            net="10.0.0.0 10.1.2.3 10.255.255.255",
            odd="172.16.128.0 172.16.255.255",
            last="255.255.255.255",
            host6="2001:db8::7",
            net6="2001:db8:a:: 2001:db8:a:ffff:ffff:ffff:ffff:ffff",
            odd6="2001:db8:a000:: 2001:db8:b000:: 2001:db8:bfff::1",
            low6="2001:db8:c:0:8000:: 2001:db8:c:0:ffff:ffff:ffff:ffff",
            last6="ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            none="203.0.113.6 203.0.113.8 9.255.255.255 11.0.0.0 172.16.127.255 172.17.0.0 "
            "255.255.255.254 2001:db8::6 2001:db8::8 2001:db8:9:ffff:ffff:ffff:ffff:ffff "
            "2001:db8:b:: 2001:db8:9fff:: 2001:db8:c000:: 2001:db8:c:0:7fff:ffff:ffff:ffff "
            "::a00:1 ::10.0.0.1 64:ff9b::a00:1",
        ),
    ),
    *decided(
        "src-tagged",
        _PREFIX,
        [
            ("vlan", Eth() / Vlan(7) / IPv4(src="10.1.2.3") / Tcp(), "net"),
            ("qinq", Eth() / ServiceVlan() / Vlan() / IPv6(src="2001:db8:a::1") / Tcp(), "net6"),
            ("destination-is-not-source", Eth() / IPv4(dst="10.1.2.3") / Tcp(), None),
        ],
    ),
    *decided(
        "src-list",
        _LIST,
        [
            *_sources(list="10.1.1.1 192.168.255.1 2001:db8:a::1", none="11.0.0.1 2001:db8:b::1"),
            ("both", Eth() / IPv4(src="198.51.100.1", dst="192.0.2.1") / Udp(), "both-ends"),
            ("source-alone", Eth() / IPv4(src="198.51.100.1", dst="192.0.3.1") / Udp(), None),
            ("destination-alone", Eth() / IPv4(src="198.51.101.1", dst="192.0.2.1") / Udp(), None),
        ],
    ),
    *decided(
        "src-negated",
        _NEGATED,
        [
            *_sources(
                hole="10.0.0.1 10.2.3.3 10.2.3.5",
                hole6="2001:db8:2::1",
                none="10.1.0.1 10.2.3.4 192.168.1.1 2001:db8:1::1",
            ),
            *_sources(**{"nothing-else": "2001:db9::1 ::1"}),
            ("not", Eth() / IPv4(src="11.0.0.1", dst="192.0.2.99") / Udp(), "not-alone"),
            ("not-but-is", Eth() / IPv4(src="10.1.0.1", dst="192.0.2.99") / Udp(), None),
        ],
    ),
    *decided(
        "set",
        _SETS,
        [
            *_sources(
                **{
                    "bad-not-good": "198.51.100.1 203.0.113.7 2001:db8:bad::1",
                    "good": "198.51.100.129 2001:db8:bad:1::5",
                    "wide-or-more": "198.1.2.3 192.168.3.4 2001:db8:cafe::1",
                    "none": "203.0.113.8 10.1.2.3 2001:db9::1",
                }
            )[:-2],
            ("to", Eth() / IPv4(src="192.0.2.1", dst="203.0.113.7") / Udp(), "to-bad"),
            ("to6", Eth() / IPv6(src="fd00::1", dst="2001:db8:bad::1") / Udp(), "to-bad"),
            ("to-other", Eth() / IPv4(src="192.0.2.1", dst="203.0.113.8") / Udp(), None),
            ("not-to", Eth() / IPv4(src="10.0.0.1", dst="8.8.8.8") / Udp(), "not-to-wide"),
            ("not-to-but-is", Eth() / IPv4(src="10.0.0.1", dst="198.1.1.1") / Udp(), None),
        ],
    ),
    *decided(
        "set-nested", _NESTED, _sources(**{"not-both": "10.1.2.2 10.1.2.4", "both": "10.1.2.3"})
    ),
    *decided("family", _FAMILY, _sources(every4="1.2.3.4 0.0.0.0", every6=":: ::1 fe80::1")),
    *decided("family-only-6", _ONLY6, _sources(every6="2001:db8::1", none="1.2.3.4 0.0.0.0")),
    *decided("family-only-4", _ONLY4, _sources(every4="1.2.3.4", none="2001:db8::1 ::1.2.3.4")),
    *decided("family-not-4", _NO4, _sources(no4="2001:db8::1", none="1.2.3.4")),
    *decided("family-set-6", _SET6, _sources(six="2001:db8::1", none="1.2.3.4")),
    *decided("family-low-6", _LOW6, _sources(low="::1 ::8.8.8.8", none="8.8.8.8 0:0:0:1::")),
    *decided(
        "dst",
        _DESTINATION,
        [
            ("host", _to("192.0.2.7"), "host"),
            ("net", _to("10.200.1.1"), "net"),
            ("net6", _to("2001:db8:a:5::1"), "net6"),
            ("other", _to("192.0.2.8"), None),
            ("other6", _to("2001:db8:b::1"), None),
            ("source-is-not-destination", _from("10.200.1.1"), None),
        ],
    ),
]
