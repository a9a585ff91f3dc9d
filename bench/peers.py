"""The kernel's own filters, as subjects: nftables, ipset with iptables, filters of tc.

Those of IP judge in the raw table before routing and connection tracking, where they are cheapest.
A veth with GRO takes the generator's frames without any XDP program, as a driver without XDP would.
"""

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from wirepath.kernel.tcx import Direction

_CHAIN = "type filter hook prerouting priority raw; policy accept;"


def _feed(argv: list[str], text: str) -> None:
    subprocess.run(argv, input=text, text=True, check=True)


@contextmanager
def _nft_table(name: str, text: str) -> Iterator[None]:
    _feed(["nft", "-f", "-"], f"table {name} {{\n{text}}}\n")
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", *name.split()], check=True)


@contextmanager
def nft_rules(rules: Iterable[str], _ifname: str) -> Iterator[None]:
    """Walk *rules*, in the words of nft, one after the other; what none decides is dropped."""
    chain = _CHAIN.replace("accept", "drop")
    body = "\n".join(rules)
    with _nft_table("inet bench", f"chain raw {{ {chain}\n{body}\n}}\n"):
        yield


@contextmanager
def nft_netdev(rules: Iterable[str], hook: Direction, ifname: str) -> Iterator[None]:
    """Walk *rules*, in the words of nft, at the interface's own hook; what none decides passes."""
    side = hook.removeprefix("tc_")
    chain = f"type filter hook {side} device {ifname} priority 0; policy accept;"
    body = "\n".join(rules)
    with _nft_table("netdev bench", f"chain here {{ {chain}\n{body}\n}}\n"):
        yield


@contextmanager
def tc_filters(filters: Iterable[str], hook: Direction, ifname: str) -> Iterator[None]:
    """Walk *filters*, in the words of ``tc filter`` behind its priority, as clsact does."""
    side = hook.removeprefix("tc_")
    subprocess.run(["tc", "qdisc", "add", "dev", ifname, "clsact"], check=True)
    try:
        add = f"filter add dev {ifname} {side} protocol ip prio 1"
        _feed(["tc", "-batch", "-"], "".join(f"{add} {each}\n" for each in filters))
        yield
    finally:
        subprocess.run(["tc", "qdisc", "del", "dev", ifname, "clsact"], check=True)


@contextmanager
def nft_set(addresses: Iterable[str], _ifname: str) -> Iterator[None]:
    """Drop what comes from IPv4 *addresses*, a hash set."""
    elements = ",".join(addresses)
    declared = f"set listed {{ type ipv4_addr; elements = {{ {elements} }} }}"
    rule = "ip saddr @listed counter drop"
    with _nft_table("inet bench", f"{declared}\nchain raw {{ {_CHAIN}\n{rule}\n}}\n"):
        yield


@contextmanager
def ipset(addresses: Iterable[str], _ifname: str) -> Iterator[None]:
    """Drop what comes from IPv4 *addresses*, by iptables and a hash:ip set."""
    members = [f"add listed {address}" for address in addresses]
    size = f"maxelem {len(members)} hashsize {max(1024, len(members))}"
    _feed(["ipset", "restore"], "\n".join([f"create listed hash:ip {size}", *members, ""]))
    rule = ["PREROUTING", "-m", "set", "--match-set", "listed", "src", "-j", "DROP"]
    try:
        subprocess.run(["iptables", "-w", "-t", "raw", "-A", *rule], check=True)
        try:
            yield
        finally:
            subprocess.run(["iptables", "-w", "-t", "raw", "-D", *rule], check=True)
    finally:
        subprocess.run(["ipset", "destroy", "listed"], check=True)
