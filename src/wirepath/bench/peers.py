"""The kernel's own filters, as subjects: nftables, ipset with iptables, filters of tc.

The filters of the IP layer are in the raw table, before routing and connection tracking, where they
are cheapest.  With GRO, a veth receives the generator's frames without an XDP program, like a
driver that has no XDP.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from wirepath.bench.tools import run
from wirepath.kernel.tcx import Direction

_CHAIN = "type filter hook prerouting priority raw; policy accept;"
_LISTED = "ip saddr @listed counter drop"
SPARE = 64
"""How many addresses can be added to an ipset later."""
IPTABLES = ("iptables", "-w", "-t", "raw")
"""The command on the raw table."""

Filter = Callable[[Iterable[str], str], AbstractContextManager[None]]
"""Drops what IPv4 addresses send to an interface."""


@contextmanager
def _nft_table(name: str, text: str) -> Iterator[None]:
    run(["nft", "-f", "-"], f"table {name} {{\n{text}}}\n")
    try:
        yield
    finally:
        run(["nft", "delete", "table", *name.split()])


@contextmanager
def nft_rules(rules: Iterable[str], _ifname: str) -> Iterator[None]:
    """Walk *rules*, in nft syntax, one after the other; drop packets that none decides on."""
    chain = _CHAIN.replace("accept", "drop")
    body = "\n".join(rules)
    with _nft_table("inet bench", f"chain raw {{ {chain}\n{body}\n}}\n"):
        yield


@contextmanager
def nft_netdev(rules: Iterable[str], hook: Direction, ifname: str) -> Iterator[None]:
    """Walk *rules*, in nft syntax, at a netdev hook; pass packets that none decides on."""
    side = hook.removeprefix("tc_")
    chain = f"type filter hook {side} device {ifname} priority 0; policy accept;"
    body = "\n".join(rules)
    with _nft_table("netdev bench", f"chain here {{ {chain}\n{body}\n}}\n"):
        yield


@contextmanager
def tc_filters(filters: Iterable[str], hook: Direction, ifname: str) -> Iterator[None]:
    """Walk *filters* on clsact; each is the part of ``tc filter`` after the priority."""
    side = hook.removeprefix("tc_")
    run(["tc", "qdisc", "add", "dev", ifname, "clsact"])
    try:
        add = f"filter add dev {ifname} {side} protocol ip prio 1"
        run(["tc", "-batch", "-"], "".join(f"{add} {each}\n" for each in filters))
        yield
    finally:
        run(["tc", "qdisc", "del", "dev", ifname, "clsact"])


@contextmanager
def nft_set(addresses: Iterable[str], _ifname: str) -> Iterator[None]:
    """Drop packets from IPv4 *addresses*, by a hash set of nftables before routing."""
    with _nft_table("inet bench", f"{_set(addresses)}chain raw {{ {_CHAIN}\n{_LISTED}\n}}\n"):
        yield


@contextmanager
def nft_netdev_set(addresses: Iterable[str], ifname: str) -> Iterator[None]:
    """Drop packets from IPv4 *addresses*, by a hash set of nftables at ingress of an interface."""
    chain = f"type filter hook ingress device {ifname} priority 0; policy accept;"
    with _nft_table("netdev bench", f"{_set(addresses)}chain here {{ {chain}\n{_LISTED}\n}}\n"):
        yield


def _set(addresses: Iterable[str]) -> str:
    return f"set listed {{ type ipv4_addr; elements = {{ {','.join(addresses)} }} }}\n"


@contextmanager
def iptables_rules(addresses: Iterable[str], _ifname: str) -> Iterator[None]:
    """Drop packets from IPv4 *addresses*, by a rule of iptables for each."""
    rules = [f"-A PREROUTING -s {address} -j DROP" for address in addresses]
    text = "\n".join(["*raw", ":PREROUTING ACCEPT", *rules, "COMMIT", ""])
    run(["iptables-restore", "-w", "--noflush"], text)
    try:
        yield
    finally:
        run([*IPTABLES, "-F", "PREROUTING"])


@contextmanager
def ipset(addresses: Iterable[str], _ifname: str) -> Iterator[None]:
    """Drop packets from IPv4 *addresses*, by iptables and a hash:ip set."""
    members = [f"add listed {address}" for address in addresses]
    size = f"maxelem {len(members) + SPARE} hashsize {max(1024, len(members))}"
    run(["ipset", "restore"], "\n".join([f"create listed hash:ip {size}", *members, ""]))
    rule = ["PREROUTING", "-m", "set", "--match-set", "listed", "src", "-j", "DROP"]
    try:
        run([*IPTABLES, "-A", *rule])
        try:
            yield
        finally:
            run([*IPTABLES, "-D", *rule])
    finally:
        run(["ipset", "destroy", "listed"])
