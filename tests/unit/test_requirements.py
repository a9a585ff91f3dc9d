"""The requirements of a policy on the host, each with the first rule that needs it."""

from wirepath.plan.requirements import Flow, Mirrored, Requirements, Setting, requirements
from wirepath.policy import Policy

ALL = """
[[rule]]
name = "seen"
match = { ct = "new" }
[[rule]]
name = "seen-too"
match = { ct = "established" }
[[rule]]
name = "cookie"
match = { proto = "tcp", dport = 80 }
challenge = "cookie"
[[rule]]
name = "cookie-too"
match = { proto = "tcp", dport = 443 }
challenge = "cookie"
[[rule]]
name = "capped"
hook = "egress"
limit = { rate = "9mbit", per = "dst" }
[[rule]]
name = "shaped"
hook = "egress"
limit = { rate = "9mbit", per = "dst", shape = true }
[[rule]]
name = "whole"
hook = "egress"
mirror = { to = "mirror0" }
[[rule]]
name = "cut"
hook = ["tc_ingress", "egress"]
mirror = { to = "mirror0", snap = 96 }
[[rule]]
name = "far"
hook = "egress"
mirror = { to = "vxlan:192.0.2.1:7" }
"""


def test_nothing() -> None:
    assert requirements(Policy.parse("")) == Requirements((), "", "", {})


def test_first_rule_of_each() -> None:
    found = requirements(Policy.parse(ALL))
    assert found.sysctls == (Setting("cookie", "net.ipv4.tcp_syncookies", ("1", "2")),)
    assert (found.conntrack, found.fq) == ("seen", "shaped")
    assert list(found.mirrors) == ["mirror0", "vxlan:192.0.2.1:7"]
    near, far = found.mirrors.values()
    assert (near.rule, near.target.kind, near.truncated) == ("whole", "device", True)
    assert far == Mirrored("far", far.target, truncated=False)
    assert (far.target.kind, far.target.number) == ("vxlan", 7)


def flows(match: str) -> tuple[Flow, ...]:
    rule = f'[[rule]]\nname = "web"\nmatch = {{ {match} }}\nchallenge = "cookie"\n'
    return requirements(Policy.parse(f"[set.some]\n{rule}")).unmoved


def test_packets_that_nat_must_not_move() -> None:
    """By family; a set, a negated prefix and `port` leave it open which."""
    four, six = flows("dport = [80, '90-95']")
    assert (four.rule, four.family, six.family) == ("web", 4, 6)
    assert four.ports == six.ports == ((80, 80), (90, 95))
    assert (four.destinations, six.sources) == (None, None)
    [four] = flows('dst = ["192.0.2.0/24", "198.51.100.1"]')
    assert four.ports == ((0, 65_535),)
    assert four.destinations == ((0xC0000200, 0xC00002FF), (0xC6336401, 0xC6336401))
    [six] = flows('src = "2001:db8::/32", port = 80')
    assert (six.family, six.ports, six.destinations) == (6, ((0, 65_535),), None)
    assert six.sources == ((0x20010DB8 << 96, (0x20010DB9 << 96) - 1),)
    for match in ('src = ["@some", "192.0.2.1"]', 'dst = "!192.0.2.0/24"'):
        assert [(each.destinations, each.sources) for each in flows(match)] == [(None, None)] * 2
