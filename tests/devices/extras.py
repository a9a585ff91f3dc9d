"""What only some cells show: VLAN tags, frames for other hosts, packets that pass by a device."""

import json
import re
import time
from collections.abc import Callable

from devices.cells import Filtered, PassedBy
from devices.datagrams import inbox, send
from devices.making import CARD_MAC, V4, V6, Hosts, Made, sh
from devices.policies import FIRST, LIMIT, PASS, REJECT
from wirepath.datapath import Datapath
from wirepath.kernel import devices as stacked
from wirepath.kernel.interface import Interface
from wirepath.kernel.links import Mode
from wirepath.net import HOOKS, Hook
from wirepath.policy import Policy

Fault = tuple[str, str]
_OTHER_MAC = CARD_MAC.format(0x99)


def passed_by(
    hosts: Hosts, made: Made, mode: Mode, expected: PassedBy, patience_s: float
) -> list[Fault]:
    """Drop packets at every hook: those from the far host arrive all the same, as is noted."""
    faults: list[Fault] = []
    port = FIRST["ingress"] + PASS
    text = ""
    for hook in HOOKS:
        text += f'[[rule]]\nname = "{hook}"\nhook = "{hook}"\n'
        text += f'match = {{ proto = "udp", dport = {port} }}\naction = "drop"\n'
    with hosts.near.entered():
        note = stacked.passed_by(Interface.of(made.name).index, stacked.devices())
        if not re.search(expected.why, note):
            faults.append(("all", f"the note is otherwise: {note}"))
        with (
            inbox(made.through or hosts.near, [port]) as box,
            Datapath.up(made.name, Policy.parse(text), mode=mode).temporarily() as datapath,
        ):
            for version in made.versions:
                own, other = (V4, V6)[version == 6]
                send(hosts.far, version, other, own, port)
            came = len(box.take(len(made.versions), patience_s)[port])
            rules = datapath.counters().rules
    if came != len(made.versions):
        faults.append(("all", f"{came} packets came"))
    return faults + [(hook, "met packets") for hook in HOOKS if rules[hook].packets]


def tags(
    hosts: Hosts, made: Made, expected: Filtered, datapath: Datapath, patience_s: float
) -> list[Fault]:
    """Compare how many packets had the tag; where ingress does not see it, follow the advice."""
    faults: list[Fault] = []
    rules = datapath.counters().rules
    for hook in HOOKS:
        seen = rules[f"{hook}-tag"].packets
        wanted = rules[f"{hook}-port"].packets if hook != "ingress" or expected.tags else 0
        if seen != wanted:
            faults.append((hook, f"tagged: {seen}, not {wanted}"))
    if expected.tags or not datapath.status().warnings:
        return faults
    advice = re.findall("`(ethtool .*?)`", datapath.status().warnings[0])
    if not advice:
        return faults
    names = [each.split()[2] for each in advice]
    # The peer of a veth has its name, which comes next.
    commands = [
        (hosts[name == "PEER"], each.replace("PEER", after) if name == "PEER" else each)
        for each, name, after in zip(advice, names, (*names[1:], ""), strict=True)
    ]
    try:
        for host, command in commands:
            sh(host, command)
        version = made.versions[0]
        own, other = (V4, V6)[version == 6]
        send(hosts.far, version, other, own, FIRST["ingress"] + PASS)
        wanted = rules["ingress-port"].packets + 1
        _wait(lambda: datapath.counters().rules["ingress-port"].packets >= wanted, patience_s)
        if datapath.counters().rules["ingress-tag"].packets != 1:
            faults.append(("ingress", f"a tag is not seen after {advice}"))
        faults += [("all", f"after {advice}: {each}") for each in datapath.status().warnings]
    finally:
        for host, command in commands:
            sh(host, command.replace(" off", " on"))
    return faults


def foreign(
    hosts: Hosts, made: Made, datapath: Datapath, patience_s: float, *, judged: bool, answers: bool
) -> list[Fault]:
    """Send packets to the MAC of another host: whether rules limit and answer them."""
    version = made.versions[0]
    own, other = (V4, V6)[version == 6]
    [entry] = json.loads(sh(hosts.far, f"ip -j neigh show to {own}"))
    sh(hosts.near, f"ip link set {made.name} promisc on")
    sh(hosts.far, f"ip neigh replace {own} dev {entry['dev']} lladdr {_OTHER_MAC}")
    faults: list[Fault] = []

    def dropped(hook: Hook, rule: str, kind: int) -> int:
        """Send one, and count what the rule has dropped of it."""
        before = datapath.counters().rules[f"{hook}-{rule}"]
        send(hosts.far, version, other, own, FIRST[hook] + kind)
        name = f"{hook}-{rule}"
        _wait(lambda: datapath.counters().rules[name].packets > before.packets, patience_s)
        after = datapath.counters().rules[name]
        if after.packets != before.packets + 1:
            faults.append((hook, f"{rule} met {after.packets - before.packets} foreign packets"))
        return after.dropped - before.dropped

    faults += [
        (hook, f"foreign packets are {'not ' * judged}limited")
        for hook in HOOKS[:2]
        if dropped(hook, "limit", LIMIT) != judged  # its burst is used up
    ]
    if answers:
        before = datapath.counters().hooks["ingress"].verdicts["tx"].packets
        dropped("ingress", "reject", REJECT)
        sent = datapath.counters().hooks["ingress"].verdicts["tx"].packets - before
        if sent != judged:
            faults.append(("ingress", f"{sent} answers to a foreign packet"))
    sh(hosts.far, f"ip neigh replace {own} dev {entry['dev']} lladdr {entry['lladdr']}")
    sh(hosts.near, f"ip link set {made.name} promisc off")
    return faults


def _wait(until: Callable[[], bool], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not until() and time.monotonic() < deadline:
        time.sleep(0.02)
