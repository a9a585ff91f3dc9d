"""Policies at all hooks whose effect at each hook can be told from traffic alone."""

import ctypes
import json
import struct
import subprocess
from collections.abc import Collection, Mapping
from typing import Any

from harness.living import gone, left
from harness.numbered import Inbox, send
from harness.pair import IFNAME, IPV4, Pair
from wirepath.datapath import Datapath
from wirepath.datapath.generation.manifest import Tc
from wirepath.kernel.interface import Interface
from wirepath.kernel.links import Mode
from wirepath.net import HOOKS, Hook
from wirepath.policy import Policy

# The ports that each hook judges; those of egress are on the far host.
ODD: Mapping[Hook, tuple[int, ...]] = {
    "ingress": (6001, 6003),
    "tc_ingress": (6101, 6103),
    "egress": (6201, 6203),
}
EVEN = {hook: tuple(port + 1 for port in ports) for hook, ports in ODD.items()}
MODES = ("tcx", "clsact")
# How to attach at the hooks of TC, and the mode of XDP.
WAYS: tuple[tuple[Tc, Mode], ...] = (("tcx", "native"), ("clsact", "native"), ("tcx", "generic"))
# The far host's own; and two that are EtherTypes where an IP header is taken for Ethernet.
SOURCES = (IPV4[1], "8.0.0.2", "134.221.0.2")


def ports(hook: Hook) -> tuple[int, ...]:
    return (*ODD[hook], *EVEN[hook])


def policy(let_through: str, hooks: Collection[Hook] = HOOKS) -> Policy:
    """Make a policy that passes the ``odd`` or the ``even`` ports at each of *hooks*."""
    dropped = EVEN if let_through == "odd" else ODD
    rules = [
        f'[[rule]]\nname = "{hook}"\nhook = "{hook}"\naction = "drop"\n'
        f'match = {{ proto = "udp", dport = {list(dropped[hook])} }}\n'
        for hook in hooks
    ]
    return Policy.parse("".join(rules))


def served(let_through: str, hooks: Collection[Hook] = HOOKS) -> dict[Hook, str]:
    """Return the result of `serving` when that policy serves."""
    return {hook: let_through if hook in hooks else "all" for hook in HOOKS}


NOTHING = served("", ())


def serving(hosts: Pair) -> dict[Hook, str]:
    """Find out which ports pass at each hook: ``odd``, ``even``, ``all``, or counts by port."""
    inward = (*ports("ingress"), *ports("tc_ingress"))
    with Inbox(hosts.near, inward) as near, Inbox(hosts.far, ports("egress")) as far:
        send(hosts.far, inward, sources=SOURCES)
        send(hosts.near, ports("egress"), address=IPV4[1])
        came = near.take() | far.take()
    return {hook: _named(hook, {port: len(came[port]) for port in ports(hook)}) for hook in HOOKS}


def _named(hook: Hook, came: Mapping[int, int]) -> str:
    for name, some in (("odd", ODD[hook]), ("even", EVEN[hook]), ("all", ports(hook))):
        if came == {port: 3 * (port in some) for port in ports(hook)}:
            return name
    return str(came)


def on_hooks() -> list[int]:
    """List the programs at the hooks of TC: those of tcx, then those of filters."""
    shown = json.loads(subprocess.check_output(["bpftool", "-j", "net", "show", "dev", IFNAME]))
    filters = [each["id"] for net in shown for each in net["tc"] if each["kind"] != "tcx"]
    return [*_on_tcx(46), *_on_tcx(47), *filters]


# BPF_PROG_QUERY of bpf(2), which bpftool learned for tcx only with Linux 6.7.
def _on_tcx(attach_type: int) -> list[int]:
    ids = (ctypes.c_uint32 * 64)()
    asked = struct.pack("=IIIIQI", Interface.of(IFNAME).index, attach_type, 0, 0,
                        ctypes.addressof(ids), len(ids))  # fmt: skip
    attr = ctypes.create_string_buffer(asked, 64)
    assert ctypes.CDLL(None, use_errno=True).syscall(321, 16, attr, 64) == 0
    [count] = struct.unpack_from("=I", attr, 24)
    return list(ids[:count])


def qdiscs() -> str:
    return subprocess.check_output(["tc", "qdisc", "show", "dev", IFNAME], text=True)


def end(bpffs: Any) -> None:
    """Take the datapath down, and check that nothing of it is left."""
    with Datapath.open(IFNAME) as datapath:
        hooks = datapath.status().hooks
        with datapath.reading() as handles:
            maps = [each.id for maps in handles.tables.values() for each in maps.values()]
        datapath.down()
    check_nothing(bpffs)
    assert gone("prog", [place["program_id"] for place in hooks.values()])
    assert gone("map", maps)
    assert gone("link", [place["link_id"] for place in hooks.values() if place["link_id"]])


def check_nothing(bpffs: Any) -> None:
    assert not left(bpffs)
    assert not Interface.of(IFNAME).xdp_id
    assert on_hooks() == []
    assert "clsact" not in qdiscs()
