"""The guard ahead of all rules: ``never_block``, bans, and their order."""

from cases.case import Case, policy, rule
from harness.frames import Arp, Eth, Frame, IPv4, IPv6, Udp, Vlan
from wirepath.net import Ban, Fault, Prefix, Reason, VerdictName

_POLICY = policy(
    '[datapath]\nfragments = "drop"\nnever_block = ["192.0.2.0/28", "2001:db8:5::/48"]\n',
    rule("all"),
)
_SECOND = 1_000_000_000


def _from(address: str) -> Frame:
    return Eth() / (IPv6(src=address) if ":" in address else IPv4(src=address)) / Udp()


def _ban(prefix: str, expires_ns: int = 10 * _SECOND) -> Ban:
    return Ban(Prefix.parse(prefix), expires_ns)


_NEVER: list[tuple[str, Frame, VerdictName, Reason]] = [
    ("inside", _from("192.0.2.1"), "pass", "never_block"),
    ("last", _from("192.0.2.15"), "pass", "never_block"),
    ("inside6", _from("2001:db8:5:1::1"), "pass", "never_block"),
    ("tagged", Eth() / Vlan() / IPv4(src="192.0.2.1") / Udp(), "pass", "never_block"),
    ("fragment", Eth() / IPv4(src="192.0.2.1", offset=8) / bytes(8), "pass", "never_block"),
    ("destination", Eth() / IPv4(dst="192.0.2.1") / Udp(), "drop", "rule"),
    ("outside", _from("192.0.2.16"), "drop", "rule"),
    ("outside6", _from("2001:db8:6::1"), "drop", "rule"),
    ("arp", Eth() / Arp(), "pass", "not_ip"),
    ("malformed", Eth() / IPv4(src="192.0.2.1") / Udp(length=7), "drop", "malformed"),
]
_FAULTS: dict[str, Fault] = {"malformed": "udp_length"}

# Bans, the frame, the reason, and the clock.
_BANS: list[tuple[str, tuple[Ban, ...], Frame, Reason, int]] = [
    ("host", (_ban("198.51.100.1"),), _from("198.51.100.1"), "banned", 0),
    ("other-host", (_ban("198.51.100.1"),), _from("198.51.100.2"), "rule", 0),
    ("prefix", (_ban("198.51.0.0/16"),), _from("198.51.100.2"), "banned", 0),
    ("prefix-end", (_ban("198.51.0.0/16"),), _from("198.51.255.255"), "banned", 0),
    ("prefix-outside", (_ban("198.51.0.0/16"),), _from("198.52.0.0"), "rule", 0),
    ("host6", (_ban("2001:db8::bad"),), _from("2001:db8::bad"), "banned", 0),
    ("prefix6", (_ban("2001:db8:1::/64"),), _from("2001:db8:1::5"), "banned", 0),
    ("prefix6-outside", (_ban("2001:db8:1::/64"),), _from("2001:db8:1:1::5"), "rule", 0),
    ("ipv4-every", (_ban("0.0.0.0/0"),), _from("8.8.8.8"), "banned", 0),
    ("ipv4-every-is-not-ipv6", (_ban("0.0.0.0/0"),), _from("2001:db8::1"), "rule", 0),
    ("ipv6-every", (_ban("::/0"),), _from("2001:db8::1"), "banned", 0),
    ("ipv6-every-is-not-ipv4", (_ban("::/0"),), _from("8.8.8.8"), "rule", 0),
    ("before-expiry", (_ban("10.0.0.1", 500),), _from("10.0.0.1"), "banned", 499),
    ("at-expiry", (_ban("10.0.0.1", 500),), _from("10.0.0.1"), "rule", 500),
    ("after-expiry", (_ban("10.0.0.1", 500),), _from("10.0.0.1"), "rule", 501),
    (
        "long-expired-short-holds",
        (_ban("10.0.0.1", 5), _ban("10.0.0.0/8")),
        _from("10.0.0.1"),
        "banned",
        6,
    ),
    (
        "short-expired-long-holds",
        (_ban("10.0.0.1"), _ban("10.0.0.0/8", 5)),
        _from("10.0.0.1"),
        "banned",
        6,
    ),
    ("both-expired", (_ban("10.0.0.1", 5), _ban("10.0.0.0/8", 5)), _from("10.0.0.1"), "rule", 6),
    ("destination", (_ban("192.0.2.200"),), Eth() / IPv4(dst="192.0.2.200") / Udp(), "rule", 0),
    ("never-block-wins", (_ban("192.0.2.1"),), _from("192.0.2.1"), "never_block", 0),
    (
        "fragment",
        (_ban("10.0.0.1"),),
        Eth() / IPv4(src="10.0.0.1", offset=8) / bytes(8),
        "banned",
        0,
    ),
    (
        "fragment-not-banned",
        (_ban("10.0.0.1"),),
        Eth() / IPv4(src="10.0.0.2", offset=8) / bytes(8),
        "fragment",
        0,
    ),
    (
        "three-lengths",
        (_ban("10.0.0.0/24"), _ban("11.0.0.0/8"), _ban("12.0.0.1")),
        _from("11.5.5.5"),
        "banned",
        0,
    ),
]

CASES: list[Case] = [
    *(
        Case(
            f"never-block-{name}",
            _POLICY,
            bytes(frame),
            verdict,
            reason,
            "all" if reason == "rule" else None,
            _FAULTS.get(name),
        )
        for name, frame, verdict, reason in _NEVER
    ),
    *(
        Case(
            f"ban-{name}",
            _POLICY,
            bytes(frame),
            "pass" if reason == "never_block" else "drop",
            reason,
            "all" if reason == "rule" else None,
            bans=bans,
            now_ns=now,
        )
        for name, bans, frame, reason, now in _BANS
    ),
]
