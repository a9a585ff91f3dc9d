"""Every message that a wrong policy can get."""

# ruff: noqa: E501, ISC004 - messages stand as they are printed

import re
from pathlib import Path

import pytest

from wirepath import actions
from wirepath.errors import PolicyError, RequestError
from wirepath.policy import Policy

_RULE = sorted([*actions.keys(), "hook", "match", "name"])


def problems(text: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        Policy.parse(text, file="p.toml")
    return [str(problem) for problem in caught.value.problems]


def in_match(inside: str) -> str:
    """Return the only problem of a rule's match, without file and line."""
    text = f'[set.known-bad]\n[[rule]]\nname = "r"\nmatch = {{ {inside} }}\naction = "drop"\n'
    (problem,) = problems(text)
    return problem.removeprefix("p.toml:4: rule.r.match.")


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("dprt = 22", "dprt: unknown key (did you mean dport?)"),
        (
            'ct = "old"',
            'ct: "old": not a state of a connection (write "new", "established",'
            ' "related", "invalid", "untracked", or a list of them)',
        ),
        (
            'ct = "untracked"',
            'ct: "untracked": at ingress netfilter has not decided yet what it tracks'
            ' (write hook = "egress")',
        ),
        ("ct_zone = 7", 'ct_zone: says where ct looks (add ct = "established", for example)'),
        (
            'ct = "new", ct_zone = 65536',
            "ct_zone: 65536: not a zone (write a number from 0 to 65535 or a list of at most 2)",
        ),
        (
            'ct = "new", ct_zone = "7-9"',
            'ct_zone: "7-9": not a zone (write a number from 0 to 65535 or a list of at most 2)',
        ),
        (
            'ct = "new", ct_zone = [7, 8, 9]',
            "ct_zone: rules at ingress ask about more than 2 zones (rules without ct_zone ask about"
            " one too: name fewer)",
        ),
        (
            'ct = ["new", "relted"]',
            'ct: "relted": not a state of a connection (did you mean related?)',
        ),
        (
            'ct = "new", proto = "gre"',
            "ct: only icmp or tcp or udp or icmpv6 has this, and the other"
            " keys exclude it (take one out)",
        ),
        ("dport = 70000", "dport: 70000: not a port (they go from 0 to 65535)"),
        ("dport = -1", "dport: -1: not a port (they go from 0 to 65535)"),
        (
            'sport = "ssh"',
            'sport: "ssh": not a port (write a number from 0 to 65535, a range "LOW-HIGH" or a list)',
        ),
        (
            "port = true",
            'port: true: not a port (write a number from 0 to 65535, a range "LOW-HIGH" or a list)',
        ),
        (
            "port = 1.5",
            'port: 1.5: not a port (write a number from 0 to 65535, a range "LOW-HIGH" or a list)',
        ),
        ('dport = "90-80"', 'dport: "90-80": runs backwards (write "80-90")'),
        ('dport = "80-99999"', 'dport: "80-99999": not a port (they go from 0 to 65535)'),
        ("dport = []", "dport: an empty list (leave the key out, or name a value)"),
        ('proto = "tpc"', 'proto: "tpc": not a protocol (did you mean tcp?)'),
        ("proto = 256", "proto: 256: not a protocol (they go from 0 to 255)"),
        (
            'proto = "xyz"',
            'proto: "xyz": not a protocol (write a name such as tcp, udp, icmp, icmpv6, '
            'a number from 0 to 255, a range "LOW-HIGH" or a list)',
        ),
        ("vlan = 4096", "vlan: 4096: not a VLAN (they go from 0 to 4095)"),
        ("length = 65536", "length: 65536: not an IP length (they go from 0 to 65535)"),
        ("ttl = 256", "ttl: 256: not a TTL (they go from 0 to 255)"),
        ("dscp = 64", "dscp: 64: not a DSCP (they go from 0 to 63)"),
        ('dscp = "AF14"', 'dscp: "AF14": not a DSCP (did you mean af43?)'),
        ('tcp_flags = "sny"', 'tcp_flags: "sny": "sny" is no TCP flag (did you mean syn?)'),
        (
            'tcp_flags = ""',
            'tcp_flags: "": "" is no TCP flag (write names like "syn", "syn+ack", "fin+!ack", '
            'or "null")',
        ),
        (
            'tcp_flags = "fin+!fin"',
            'tcp_flags: "fin+!fin": wants a flag both set and clear (take one out)',
        ),
        ("tcp_flags = 2", 'tcp_flags: 2: not a string (write it in quotes: "...")'),
        (
            'icmp_type = "echo-requst"',
            'icmp_type: "echo-requst": not an ICMP type (did you mean echo-request?)',
        ),
        (
            'icmp_type = "neighbor-solicitation"',
            'icmp_type: "neighbor-solicitation": not an ICMP type '
            "(did you mean neighbour-solicitation?)",
        ),
        (
            'fragment = "last"',
            'fragment: "last": not a kind of fragment (write true, false, "first" or "later")',
        ),
        (
            "fragment = 1",
            'fragment: 1: not a kind of fragment (write true, false, "first" or "later")',
        ),
        ('src = "@knownbad"', "src: @knownbad: no such set (did you mean known-bad?)"),
        ('src = "!@other"', "src: !@other: no such set (write a [set.other] table)"),
        ("src = 10", 'src: 10: not a string (write it in quotes: "...")'),
        (
            'dst = "10.0.0.1/8"',
            "dst: 10.0.0.1/8: host bits are set (write 10.0.0.0/8, or 10.0.0.1 alone)",
        ),
        (
            'dst = "!::ffff:1.2.3.4"',
            "dst: ::ffff:1.2.3.4: an IPv4 address in IPv6 form (write it as IPv4: 1.2.3.4)",
        ),
        (
            'proto = "udp", tcp_flags = "syn"',
            "tcp_flags: only tcp has this, and the other keys exclude it (take one out)",
        ),
        (
            'proto = ["sctp", "gre"], dport = 80',
            "dport: only tcp or udp has this, and the other keys exclude it (take one out)",
        ),
        (
            'proto = "tcp", icmp_type = 8',
            "icmp_type: only icmp or icmpv6 has this, and the other keys exclude it (take one out)",
        ),
        (
            'proto = "icmp", icmp_type = "packet-too-big"',
            "icmp_type: only icmpv6 has this, and the other keys exclude it (take one out)",
        ),
        (
            "dport = 80, icmp_type = 8",
            "icmp_type: only icmp or icmpv6 has this, and the other keys exclude it (take one out)",
        ),
        (
            'fragment = "later", dport = 80',
            "dport: later fragments do not carry this (take it or fragment out)",
        ),
        (
            'src = ["10.1.0.0/16", "!10.0.0.0/8"]',
            "src: what is negated covers all the rest (no packet can match)",
        ),
        (
            'src = ["@known-bad", "!@known-bad"]',
            "src: what is negated covers all the rest (no packet can match)",
        ),
        (
            'dst = ["!0.0.0.0/0", "!::/0"]',
            "dst: what is negated covers all the rest (no packet can match)",
        ),
        (
            'src = "10.0.0.0/8", dst = "2001:db8::/32"',
            "dst: of another family than src (no packet can match)",
        ),
    ],
)
def test_match(inside: str, message: str) -> None:
    assert in_match(inside) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = ", "p.toml:1: not TOML at the end of the file: invalid value (strings need quotes, "
         '"..."; lists end with ]; true and false are lower case)'),
        ("a = 1\na = 2\n", "p.toml:2: not TOML at column 6: cannot overwrite a value "
         "(this key stands twice: take one out)"),
        ("\n[set.x]\n[set.x]\n", "p.toml:3: not TOML at column 7: cannot declare ('set', 'x') "
         "twice (this table stands twice: join the two, or use [[...]] for a list of tables)"),
        ("rules = 1", "p.toml:1: rules: unknown key (did you mean rule?)"),
        ("[[service]]\n", "p.toml:1: service: `service` is not in this version (leave it out)"),
        ('[rule]\nname = "x"\n', "p.toml:1: rule: not a list of tables (write [[rule]])"),
        ("set = 1", "p.toml:1: set: not a table (write [set.NAME])"),
        ("datapath = []", "p.toml:1: datapath: not a table (write [datapath])"),
        ('[datapath]\ndefault = "accept"\n',
         'p.toml:2: datapath.default: "accept": unknown value (write "pass" or "drop")'),
        ("[datapath]\nmalformed = true\n",
         'p.toml:2: datapath.malformed: true: unknown value (write "pass" or "drop")'),
        ("[datapath]\nnever_block = [\n 5,\n]\n",
         'p.toml:3: datapath.never_block: 5: not a string (write it in quotes: "...")'),
        ("[datapath]\nnever-block = []\n",
         "p.toml:2: datapath.never-block: unknown key (did you mean never_block?)"),
        ("[set.Bad]\n", 'p.toml:1: set.Bad: "Bad": not a name for a set '
         "(use a-z 0-9 . _ -, at most 63, beginning with a letter or digit)"),
        ("[set.x]\ncounters = 1\n",
         "p.toml:2: set.x.counters: 1: not a truth value (write true or false)"),
        ("[set.x]\nfile = []\n", "p.toml:2: set.x.file: unknown key (did you mean files?)"),
        ("[[rule]]\nmatch = {}\n", 'p.toml:1: rule: a rule without a name (write name = "...": '
         "counters go by it)"),
        ('[[rule]]\nname = "a"\n[[rule]]\nname = "a"\n',
         'p.toml:4: rule.a.name: "a": taken by the rule of line 2 (write another)'),
        ('[[rule]]\nname = "A b"\n', 'p.toml:2: rule.A b.name: "A b": not a name for a rule '
         "(use a-z 0-9 . _ -, at most 63, beginning with a letter or digit)"),
        ("[[rule]]\nname = 5\n", 'p.toml:2: rule.name: 5: not a string (write it in quotes: "...")'),
        ('[[rule]]\nname = "a"\nmatch = "x"\n',
         "p.toml:3: rule.a.match: not a table (write match = { ... })"),
        ('[[rule]]\nname = "a"\naction = "deny"\n',
         'p.toml:3: rule.a.action: "deny": unknown value (write "pass" or "drop")'),
        ('[[rule]]\nname = "a"\nmirror = { to = "eth1" }\n',
         'p.toml:1: rule.a.hook: "ingress": `mirror` does not work there'
         ' (write hook = ["tc_ingress", "egress"])'),
        ('[[rule]]\nname = "a"\nhook = ["ingress", "output"]\n',
         'p.toml:3: rule.a.hook: "output": unknown value'
         ' (write "ingress" or "tc_ingress" or "egress")'),
        ('[[rule]]\nname = "a"\ndscp = 64\n',
         "p.toml:3: rule.a.dscp: 64: not a DSCP (they go from 0 to 63)"),
        ('[[rule]]\nname = "a"\ndscp = -1\n',
         "p.toml:3: rule.a.dscp: -1: not a DSCP (they go from 0 to 63)"),
        ('[[rule]]\nname = "a"\ndscp = "EFF"\n',
         'p.toml:3: rule.a.dscp: "EFF": not a DSCP (did you mean ef?)'),
        ('[[rule]]\nname = "a"\ndscp = "46"\n',
         'p.toml:3: rule.a.dscp: "46": not a DSCP'
         " (write a name such as EF, CS1, AF41, or a number from 0 to 63)"),
        ('[[rule]]\nname = "a"\ndscp = true\n',
         "p.toml:3: rule.a.dscp: true: not a DSCP"
         " (write a name such as EF, CS1, AF41, or a number from 0 to 63)"),
        ('[[rule]]\nname = "a"\ndscp = []\n',
         "p.toml:3: rule.a.dscp: []: not a DSCP"
         " (write a name such as EF, CS1, AF41, or a number from 0 to 63)"),
        ('[[rule]]\nname = "a"\naction = "drop"\ndscp = "EF"\n',
         "p.toml:4: rule.a.dscp: a second action (one a rule: `action` is there; write two rules)"),
        ('[[rule]]\nname = "a"\nhook = ["ingress", "egress"]\nreject = true\n',
         'p.toml:3: rule.a.hook: "egress": `reject` does not work there (write hook = "ingress")'),
        ('[datapath]\ndefault = "drop"\n[[rule]]\nname = "a"\nhook = "egress"\n',
         'p.toml:2: datapath.default: "drop": at egress no rule passes anything, so all would be'
         ' dropped (write default = { ingress = "drop" }, or a rule that passes at egress)'),
        ('[datapath]\ndefault = { ingres = "drop" }\n',
         "p.toml:2: datapath.default.ingres: unknown key (did you mean ingress?)"),
        ('[[rule]]\nname = "a"\nsrc = "10.0.0.0/8"\n',
         f"p.toml:3: rule.a.src: unknown key (known here: {', '.join(_RULE)})"),
    ],
)  # fmt: skip
def test_document(text: str, message: str) -> None:
    assert problems(text) == [message]


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("", 'to: a mirror without `to` (write to = "mirror0", "vxlan:IP:VNI" or "erspan:IP:ID")'),
        ("to = 7", 'to: 7: not a string (write it in quotes: "...")'),
        (
            'to = "mirror 0"',
            'to: "mirror 0": nowhere to mirror to (write "mirror0", "vxlan:IP:VNI" or "erspan:IP:ID")',
        ),
        (
            'to = "geneve:192.0.2.9:7"',
            'to: "geneve:192.0.2.9:7": nowhere to mirror to (write "mirror0", "vxlan:IP:VNI" or "erspan:IP:ID")',
        ),
        (
            'to = "vxlan:192.0.2.9"',
            'to: "vxlan:192.0.2.9": nowhere to mirror to (write "mirror0", "vxlan:IP:VNI" or "erspan:IP:ID")',
        ),
        (
            'to = "vxlan:192.0.2.9:16777216"',
            'to: "16777216": not a number for vxlan (VNIs go from 0 to 16777215)',
        ),
        (
            'to = "vxlan:239.0.0.1:7"',
            'to: "vxlan:239.0.0.1:7": 239.0.0.1 is not of one host (name the collector)',
        ),
        (
            'to = "erspan:2001:db8::9:1024"',
            'to: "1024": not a number for erspan (ERSPAN IDs go from 0 to 1023)',
        ),
        (
            'to = "m", one_in = 0',
            "one_in: 0: not a number of packets (they go from 1 to 1000000000)",
        ),
        (
            'to = "m", snap = 13',
            "snap: 13: not a length of frames in bytes (they go from 14 to 65535)",
        ),
        (
            'to = "m", snap = 65536',
            "snap: 65536: not a length of frames in bytes (they go from 14 to 65535)",
        ),
        ('to = "m", one_of = 5', "one_of: unknown key (did you mean one_in?)"),
    ],
)
def test_mirror(inside: str, message: str) -> None:
    (problem,) = problems(f'[[rule]]\nname = "r"\nhook = "egress"\nmirror = {{ {inside} }}\n')
    assert problem.removeprefix("p.toml:4: rule.r.mirror.") == message


def test_too_many_mirrors() -> None:
    rule = '[[rule]]\nname = "r{}"\nhook = ["tc_ingress", "egress"]\nmirror = {{ to = "m" }}\n'
    found = problems("".join(rule.format(n) for n in range(66)))
    assert found == [
        "p.toml:260: rule.r64.mirror: rule 65 with `mirror` at tc_ingress (at most 64 a hook)"
    ]


def test_all_at_once_in_file_order() -> None:
    found = problems(
        """
[[rule]]
name = "x"
match = { dport = [
    80,
    70000,
    "a",
], proto = "tpc" }
action = "maybe"
[datapath]
default = 1
"""
    )
    assert [int(problem.split(":")[1]) for problem in found] == [6, 7, 8, 9, 11]


def test_set_files(tmp_path: Path) -> None:
    (tmp_path / "there.txt").write_text("not looked at")
    policy = tmp_path / "p.toml"
    policy.write_text('[set.x]\nfiles = ["there.txt"]\n')
    assert Policy.load(policy).sets["x"].files == (tmp_path / "there.txt",)
    policy.write_text('[set.x]\nfiles = [\n "gone.txt", ".",\n 5]\n')
    with pytest.raises(PolicyError) as caught:
        Policy.load(policy)
    gone, folder, number = map(str, caught.value.problems)
    assert gone == (
        f"{policy}:3: set.x.files: gone.txt: No such file or directory [ENOENT] "
        f"(looked for {tmp_path}/gone.txt)"
    )
    assert "Is a directory [EISDIR]" in folder
    assert number.startswith(f"{policy}:4: ")


def test_policy_file(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        Policy.load(tmp_path / "p.toml")
    assert str(caught.value) == (
        f"read {tmp_path}/p.toml: No such file or directory [ENOENT] (name a policy file)"
    )
    (tmp_path / "p.toml").write_bytes(b"a = 1\n# caf\xe9\n")
    with pytest.raises(PolicyError) as wrong:
        Policy.load(tmp_path / "p.toml")
    assert str(wrong.value) == f"{tmp_path}/p.toml:2: not UTF-8 (save the file as UTF-8)"
    (tmp_path / "p.toml").write_bytes(b"\xef\xbb\xbf[datapath]\n")
    assert Policy.load(tmp_path / "p.toml").rules == ()


def test_bounds() -> None:
    rules = "".join(f'[[rule]]\nname = "r{i}"\n' for i in range(10_001))
    assert problems(rules) == ["p.toml:1: rule: 10001 rules are too many (at most 10000)"]
    sets = "".join(f"[set.s{i}]\n" for i in range(65))
    assert problems(sets) == ["p.toml:1: set: 65 sets are too many (at most 64)"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("33", "min_prefix: 33: not a prefix length (they go from 0 to 32)"),
        ("true", "min_prefix: true: not a prefix length (they go from 0 to 32)"),
        ("{ ipv6 = 129 }", "min_prefix.ipv6: 129: not a prefix length (they go from 0 to 128)"),
        ("{ v4 = 8 }", "min_prefix.v4: unknown key (did you mean ipv4?)"),
    ],
)
def test_min_prefix(words: str, said: str) -> None:
    assert problems(f"[set.x]\nmin_prefix = {words}\n") == [f"p.toml:2: set.x.{said}"]


MANY = 100_000
"""Enough that work for each problem would take many seconds, were all of them looked at."""


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("[datapath]\n" + "".join(f"defaul{n} = 1\n" for n in range(MANY)),
         "p.toml:2: datapath.defaul0: unknown key (did you mean default?)",
         "p.toml: ... and 99,980 more"),
        ("[set.x]\nprefixes = [" + "\n'x', " * MANY + "]",
         "p.toml:3: set.x.prefixes: x: not an address (write it like 192.0.2.1 or 2001:db8::1,"
         " without port)", "p.toml: ... and at least 981 more"),
        ("".join(f"[[rule]]\nname = 'r{n}'\nmach = 1\n" for n in range(2000)),
         "p.toml:3: rule.r0.mach: unknown key (did you mean match?)",
         "p.toml: ... and 1,980 more"),
        ("[datapath]\n" + "\n".join(f"a{n} = 1" for n in range(21)), None,
         "p.toml:22: datapath.a20: unknown key"),
        ("[datapath]\n" + "\n".join(f"a{n} = 1" for n in range(22)), None,
         "p.toml: ... and 2 more"),
        ("[[rule]]\n" * MANY, "p.toml:1: rule: 100000 rules are too many (at most 10000)",
         "p.toml:1: rule: 100000 rules are too many (at most 10000)"),
        ("".join(f"[set.s{n}]\nfils = 1\n" for n in range(MANY)),
         "p.toml:1: set: 100000 sets are too many (at most 64)",
         "p.toml:1: set: 100000 sets are too many (at most 64)"),
    ],
)  # fmt: skip
def test_many_problems(text: str, first: str | None, last: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.parse(text, file="p.toml")
    lines = caught.value.lines(20)
    assert len(lines) <= 21
    assert first is None or lines[0] == first
    assert lines[-1].startswith(last)
    assert len(caught.value.problems) <= 1000


@pytest.mark.parametrize("text", ["a = " + "1" * 5000, "a = " + "[" * 5000, "a = 2026-02-31"])
def test_past_all_reason(text: str) -> None:
    (problem,) = problems(text)
    assert re.match(r"p\.toml(:1)?: (not TOML|tables and lists are nested too deep)", problem)


def limit(words: str) -> list[str]:
    prefix = "p.toml:4: rule.a.limit."
    found = problems(f'[[rule]]\nname = "a"\n\nlimit = {{ {words} }}\n')
    return [problem.removeprefix(prefix) for problem in found]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('per = "src"', 'rate: a limit without `rate` (write rate = "100/s")'),
        ('rate = "5/s"',
         'per: a limit without `per` (write per = "src", "dst", "src/24", "src6/48", "src+dport",'
         ' "rule")'),
        ('per = "src", rate = "5"',
         'rate: "5": not a rate (write packets like "100/s", "5/min", "2k/s", or bits a second like'
         ' "100mbit")'),
        ('per = "src", rate = "0/s"',
         'rate: "0/s": a rate of nothing (to drop all, write action = "drop")'),
        ('per = "src", rate = "2g/s"',
         'rate: "2g/s": too fast (at most 1000000000 packets a second)'),
        ('per = "src", rate = "10bit"', 'rate: "10bit": too slow (at least 1000 bits a second)'),
        ('per = "scr", rate = "5/s"', 'per: "scr": no key for a limit (did you mean src?)'),
        ('per = "src/33", rate = "5/s"',
         'per: "src/33": src/33 is no prefix (its length goes from 1 to 32)'),
        ('per = "rule+src", rate = "5/s"',
         'per: "rule+src": no key for a limit (did you mean rule?)'),
        ('per = "src", rate = "5/s", burst = 0',
         'burst: 0: not a number of packets (write 100 or "2k")'),
        ('per = "src", rate = "1mbit", burst = 100',
         'burst: 100: not an amount of data (write "10mbit" or "128kbyte")'),
        ('per = "src", rate = "1mbit", burst = "1kbit"',
         'burst: 1000 bits are less than a full frame, so none passes (write at least "13kbit")'),
        ('per = "src", rate = "1/min", burst = 2000',
         "burst: takes 33 h to come back (at most 24 h: raise the rate or lower the burst)"),
        ('per = "src", rate = "5/s", ban = "long"',
         "ban: long: not a time (write it like 30s, 5min, 1h, 2d or 90)"),
        ('per = "dst", rate = "5/s", ban = "5min"',
         'ban: a ban by a limit per dst (it bans sources: write per = "src")'),
        ('per = "src", rate = "5/s", ban_scope = "rule"',
         'ban_scope: a scope without a ban (write ban = "5min")'),
        ('per = "src", rate = "5/s", ban = "1h", ban_scope = "al"',
         'ban_scope: "al": unknown value (write "rule" or "all")'),
        ('per = "src", rate = "5/s", keys = "20m"', 'keys: "20m": too many keys (at most 16000000)'),
        ('per = "src", rate = "5/s", exakt = true', "exakt: unknown key (did you mean exact?)"),
    ],
)  # fmt: skip
def test_limits(words: str, said: str) -> None:
    assert limit(words) == [said]


def test_one_action_a_rule() -> None:
    (problem,) = problems(
        '[[rule]]\nname = "a"\naction = "drop"\nlimit = { rate = "5/s", per = "src" }\n'
    )
    assert problem == (
        "p.toml:4: rule.a.limit: a second action (one a rule: `action` is there; write two rules)"
    )


def test_zones_are_counted_at_each_hook() -> None:
    """A rule without a zone asks about one; rules at other hooks do not count."""

    def rule(name: str, asked: str, hook: str = "ingress") -> str:
        return f'[[rule]]\nname = "{name}"\nhook = "{hook}"\nmatch = {{ {asked} }}\n'

    some = rule("a", 'ct = "new"') + rule("b", 'ct = "new", ct_zone = 7')
    Policy.parse(some + rule("c", 'ct = "new", ct_zone = [8, 9]', "egress"))
    (problem,) = problems(some + rule("c", 'ct = "new", ct_zone = 8'))
    assert problem.startswith("p.toml:12: rule.c.match.ct_zone: rules at ingress ask about more")
    (problem,) = problems(rule("d", 'ct = "new", ct_zone = [7, 8]') + rule("e", 'ct = "new"'))
    assert problem.startswith("p.toml:8: rule.e.match.ct: rules at ingress ask about more than 2")
    (problem,) = problems(rule("f", 'ct = "untracked", ct_zone = 7', "egress"))
    assert problem.endswith("ct_zone: what is untracked is in no zone (leave it out)")
