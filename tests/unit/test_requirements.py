"""The requirements of a policy on the host, each with the first rule that needs it."""

from wirepath.plan.requirements import Mirrored, Requirements, Setting, requirements
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
