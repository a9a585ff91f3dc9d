"""The packet filters that ``wirepath bench`` compares: each drops what listed addresses send.

All are used as an operator would, by their own commands, and counted by their own counters.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from wirepath.bench import peers
from wirepath.bench.path import BARE, program
from wirepath.bench.tools import run
from wirepath.datapath import Datapath
from wirepath.kernel.links import Mode
from wirepath.net import Hook
from wirepath.policy import RULES_MAX

SIZES: Final = (1, 1_000, 100_000)
"""How many addresses are listed."""
OURS: Final = "wirepath"
BASELINE: Final = "xdp native"
_WIREPATH: Final = (sys.executable, "-P", "-m", "wirepath")
_SET: Final = """\
[set.listed]
files = ["listed.txt"]

[[rule]]
name = "listed"
match = { src = "@listed" }
action = "drop"
"""
_RULE: Final = """\
[[rule]]
name = "r{number}"
match = {{ src = "{address}" }}
action = "drop"
"""


@dataclass(frozen=True)
class Attached:
    """A filter that is attached.

    Attributes:
        add: lists one more address, by the filter's own command; None if it has no list.
        dropped: gives the number of packets dropped, by its own counters; None if it has none.
    """

    add: Callable[[str], object] | None = None
    dropped: Callable[[], int] | None = None


Attach = Callable[[Sequence[str], Path, str], AbstractContextManager[Attached]]
"""Attaches a filter of addresses to an interface; it may keep files in a directory of its own."""


@dataclass(frozen=True)
class Contender:
    """A packet filter.

    Attributes:
        name: its name in the table.
        how: what it is, in a few words.
        attach: attaches it.
        passes: of one that has no list and drops everything, its twin that passes everything.
        most: how many addresses it is measured with at most.
        why: why not more.
        linear: whether a packet walks all addresses in turn.
    """

    name: str
    how: str
    attach: Attach
    passes: Attach | None = None
    most: int = SIZES[-1]
    why: str = ""
    linear: bool = False


@contextmanager
def _program(
    name: str, hook: Hook, mode: Mode, _listed: Sequence[str], _at: Path, ifname: str
) -> Iterator[Attached]:
    with program(BARE, name, hook, mode).attach(ifname):
        yield Attached()


def _bare(
    name: str, how: str, drop: str, leave: str, *, hook: Hook = "ingress", mode: Mode = "native"
) -> Contender:
    drops, passes = (partial(_program, each, hook, mode) for each in (drop, leave))
    return Contender(name, how, drops, passes)


@contextmanager
def _nft_set(
    table: str, chain: str, peer: peers.Filter, listed: Sequence[str], _at: Path, ifname: str
) -> Iterator[Attached]:
    with peer(listed, ifname):
        yield Attached(partial(_nft_element, table), partial(_nft_dropped, table, chain))


def _nft_element(table: str, address: str) -> None:
    run(["nft", "add", "element", *table.split(), "listed", f"{{ {address} }}"])


@contextmanager
def _nft_rules(listed: Sequence[str], _at: Path, ifname: str) -> Iterator[Attached]:
    table, chain = "netdev bench", "here"
    with peers.nft_netdev(map(_nft_rule, listed), "tc_ingress", ifname):
        yield Attached(
            lambda address: run(
                ["nft", "add", "rule", *table.split(), chain, *_nft_rule(address).split()]
            ),
            partial(_nft_dropped, table, chain),
        )


def _nft_rule(address: str) -> str:
    return f"ip saddr {address} counter drop"


def _nft_dropped(table: str, chain: str) -> int:
    found = json.loads(run(["nft", "-j", "list", "chain", *table.split(), chain]))["nftables"]
    rules = [each["rule"]["expr"] for each in found if "rule" in each]
    return sum(int(e["counter"]["packets"]) for rule in rules for e in rule if "counter" in e)


@contextmanager
def _iptables(listed: Sequence[str], _at: Path, ifname: str) -> Iterator[Attached]:
    with peers.iptables_rules(listed, ifname):
        add = [*peers.IPTABLES, "-A", "PREROUTING", "-j", "DROP", "-s"]
        yield Attached(lambda address: run([*add, address]), _iptables_dropped)


@contextmanager
def _ipset(listed: Sequence[str], _at: Path, ifname: str) -> Iterator[Attached]:
    with peers.ipset(listed, ifname):
        add = ["ipset", "add", "listed"]
        yield Attached(lambda address: run([*add, address]), _iptables_dropped)


def _iptables_dropped() -> int:
    text = run([*peers.IPTABLES, "-nvxL", "PREROUTING"])
    return sum(map(int, re.findall(r"^\s*(\d+)\s+\d+\s+DROP\b", text, re.MULTILINE)))


@contextmanager
def _flower(listed: Sequence[str], _at: Path, ifname: str) -> Iterator[Attached]:
    with peers.tc_filters(map(_flower_filter, listed), "tc_ingress", ifname):
        add = ["tc", "filter", "add", "dev", ifname, "ingress", "protocol", "ip", "prio", "1"]
        yield Attached(lambda address: run([*add, *_flower_filter(address).split()]))


def _flower_filter(address: str) -> str:
    return f"flower src_ip {address} action drop"


@contextmanager
def _wirepath_set(listed: Sequence[str], at: Path, ifname: str) -> Iterator[Attached]:
    (at / "listed.txt").write_text("\n".join(listed) + "\n")
    (at / "policy.toml").write_text(_SET)
    run([*_WIREPATH, "up", ifname, str(at / "policy.toml")])
    try:
        yield Attached(
            lambda address: run([*_WIREPATH, "set", "add", "listed", address]),
            partial(_wirepath_dropped, ifname),
        )
    finally:
        run([*_WIREPATH, "down", ifname])


@contextmanager
def _wirepath_rules(listed: Sequence[str], at: Path, ifname: str) -> Iterator[Attached]:
    policy, rules = at / "policy.toml", list(listed)

    def write() -> None:
        each = (_RULE.format(number=n, address=address) for n, address in enumerate(rules))
        policy.write_text("\n".join(each))

    def add(address: str) -> None:
        rules.append(address)
        write()
        run([*_WIREPATH, "apply", ifname, str(policy)])

    write()
    run([*_WIREPATH, "up", ifname, str(policy)])
    try:
        yield Attached(add, partial(_wirepath_dropped, ifname))
    finally:
        run([*_WIREPATH, "down", ifname])


def _wirepath_dropped(ifname: str) -> int:
    with Datapath.open(ifname) as datapath:
        return sum(rule.dropped for rule in datapath.counters().rules.values())


_LINEAR: Final = "a packet walks all rules"
_RAW: Final = partial(_nft_set, "inet bench", "raw", peers.nft_set)
_NETDEV: Final = partial(_nft_set, "netdev bench", "here", peers.nft_netdev_set)

CONTENDERS: Final = (
    _bare(BASELINE, "a program that only drops, in the driver", "bare_drop", "bare_pass"),
    _bare(
        "xdp generic", "the same program after the skb is built", "bare_drop", "bare_pass",
        mode="generic",
    ),
    _bare("tc", "the same at ingress of tc", "bare_shot", "bare_next", hook="tc_ingress"),
    Contender("tc flower", "a filter an address, at tc ingress", _flower),
    Contender("nft netdev", "a set, at ingress of the interface", _NETDEV),
    Contender("nft raw", "a set, in prerouting before conntrack", _RAW),
    Contender(
        "nft rules", "a rule an address, at ingress of the interface",
        _nft_rules, most=1_000, why=_LINEAR, linear=True,
    ),
    Contender(
        "iptables", "a rule an address, in the raw table", _iptables,
        most=1_000, why=_LINEAR, linear=True,
    ),
    Contender("ipset", "a set, in the raw table of iptables", _ipset),
    Contender(
        "wp rules", "wirepath, a rule an address",
        _wirepath_rules, most=1_000, why=f"a policy has at most {RULES_MAX:,} rules",
    ),
    Contender(OURS, "wirepath, a set", _wirepath_set),
)  # fmt: skip
"""All contenders; the first is what the others are compared with."""
