"""Zones of conntrack and untracked packets, compared with nft for the same packets."""

import json
from pathlib import Path

import pytest

from harness.pair import IFNAME, IPV4, IPV6, Pair, python, run
from harness.tracked import ask, count_by_nft, counted_by_nft, settled, talk
from wirepath.datapath import Datapath
from wirepath.errors import NotSupported
from wirepath.kernel import conntrack
from wirepath.net import Hook
from wirepath.policy import Policy

HOOKS: tuple[Hook, ...] = ("ingress", "tc_ingress", "egress")
STATES = ("new", "established")


def raw(hosts: Pair, does: str) -> None:
    """Let the near host do something to all packets, ahead of connection tracking."""
    run(hosts.near, "nft", "-f", "-", input=f"""
        table inet wpraw {{
            chain in {{ type filter hook prerouting priority raw; iifname {IFNAME} {does}; }}
            chain out {{ type filter hook output priority raw; oifname {IFNAME} {does}; }}
        }}
    """)  # fmt: skip


def counting(hook: str, zone: int | list[int] | None, states: tuple[str, ...] = STATES) -> str:
    """Write rules that count packets by state, in a zone."""
    name = "any" if zone is None else f"in-{str(zone).replace(', ', '-').strip('[]')}"
    where = "" if zone is None else f", ct_zone = {zone}"
    return "".join(
        f'[[rule]]\nname = "{name}-{state}"\nhook = "{hook}"\nmatch = {{ ct = "{state}"{where} }}\n'
        for state in states
    )


def counted(datapath: Datapath, name: str, states: tuple[str, ...] = STATES) -> dict[str, int]:
    rules = datapath.counters().rules
    return {state: rules[f"{name}-{state}"].packets for state in states}


def traffic(hosts: Pair) -> None:
    near, far = hosts.near, hosts.far
    for addresses in (IPV4, IPV6):
        talk(far, near, addresses[0], 8001)
        talk(near, far, addresses[1], 8002)
        ask(far, near, addresses[0], 8003)
        ask(near, far, addresses[1], 8004)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_zone_is_its_own(hosts: Pair, hook: Hook) -> None:
    """Zone 7 as nft counts it; on the way in, a rule without a zone looks in zone 0."""
    raw(hosts, "ct zone set 7")
    with Datapath.up(IFNAME, Policy.parse(counting(hook, None) + counting(hook, 7))) as datapath:
        count_by_nft(hosts.near, "postrouting" if hook == "egress" else "prerouting")
        traffic(hosts)
        ours, theirs = settled(lambda: (counted(datapath, "in-7"), counted_by_nft(hosts.near)))
        assert ours == {state: theirs[state] for state in STATES}
        assert all(ours.values())
        every = counted(datapath, "any")
        assert every["established"] == (ours["established"] if hook == "egress" else 0)
        datapath.down()


@pytest.mark.parametrize("hook", HOOKS)
def test_other_zones(hosts: Pair, hook: Hook) -> None:
    """A zone that no connection is in has none; a list is any of its zones."""
    raw(hosts, "ct zone set 7")
    with Datapath.up(IFNAME, Policy.parse(counting(hook, 8) + counting(hook, [8, 7]))) as datapath:
        traffic(hosts)
        either = settled(lambda: counted(datapath, "in-8-7"))
        assert either["established"] > 0
        assert counted(datapath, "in-8")["established"] == 0
        datapath.apply(Policy.parse(counting(hook, 0) + counting(hook, 7)))
        traffic(hosts)
        settled(lambda: counted(datapath, "in-7"))
        assert counted(datapath, "in-0")["established"] == 0
        assert counted(datapath, "in-7")["established"] > 0
        datapath.down()


def test_untracked(hosts: Pair) -> None:
    """What `notrack` leaves out is untracked at egress, and nothing else."""
    raw(hosts, "meta l4proto tcp notrack")
    states = ("untracked", *STATES)
    policy = Policy.parse(counting("egress", None, states))
    with Datapath.up(IFNAME, policy) as datapath:
        assert datapath.status().warnings == ()
        count_by_nft(hosts.near, "postrouting")
        traffic(hosts)
        ours, theirs = settled(
            lambda: (counted(datapath, "any", states), counted_by_nft(hosts.near))
        )
        assert (ours["new"], ours["established"]) == (theirs["new"], theirs["established"])
        assert ours["untracked"] >= theirs["untracked"] > 20  # it also has neighbour discovery
        datapath.down()


@pytest.mark.parametrize(
    ("does", "word", "cure"),
    [
        ("notrack", "notrack", "takes such packets for new (match them at egress"),
        ("ct zone set 7", "ct zone set", "looks in zone 0 alone (write ct_zone)"),
    ],
)
def test_warned_of(hosts: Pair, tmp_path: Path, does: str, word: str, cure: str) -> None:
    def wirepath(*words: str, code: int = 0) -> tuple[str, str]:
        done = hosts.near.run(
            python("-m", "wirepath", *words), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, done.stderr
        return done.stdout, done.stderr

    file = tmp_path / "p.toml"
    file.write_text(counting("ingress", None))
    raw(hosts, does)
    _, told = wirepath("up", IFNAME, str(file))
    assert told.startswith(f"warning: {IFNAME}: conntrack: rule ")
    assert f"of nft chain inet wpraw in has {word}, and rule.any-new at ingress {cure}" in told
    assert "warning" in wirepath("status")[0]
    wirepath("status", "--check", code=1)
    applied = json.loads(wirepath("apply", str(file), "--json")[0])
    assert [cure in warning for warning in applied["warnings"]] == [True]
    assert f"of nft chain inet wpraw in has {word}" in wirepath("doctor", IFNAME)[0]
    # At egress netfilter has judged the packet; a rule that names the zone knows of it.
    file.write_text(counting("egress", None) + (counting("ingress", 7) if "zone" in does else ""))
    assert wirepath("apply", str(file))[1] == ""
    wirepath("status", "--check")
    wirepath("down")


@pytest.mark.parametrize(
    ("missing", "policy", "refused"),
    [
        (
            "_ZONES",
            counting("ingress", 7),
            r"^rule.in-7-new: look connections up in a zone: not .* \(needs Linux 6.11\)$",
        ),
        (
            "_OF_PACKETS",
            counting("egress", None, ("untracked",)),
            r"^rule.any-untracked: tell what is untracked: not .* \(needs Linux 6.2\)$",
        ),
    ],
)
def test_older_kernels(
    hosts: Pair, monkeypatch: pytest.MonkeyPatch, missing: str, policy: str, refused: str
) -> None:
    monkeypatch.setattr(conntrack, missing, "no such name")
    with pytest.raises(NotSupported, match=refused):
        Datapath.up(IFNAME, Policy.parse(policy))
    assert Datapath.names() == []
    assert run(hosts.near, "nft", "list", "ruleset") == ""


def test_states_are_looked_up_where_packets_have_none(
    hosts: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As before Linux 6.2: the same states of what has a connection."""
    monkeypatch.setattr(conntrack, "_OF_PACKETS", "no such name")
    with Datapath.up(IFNAME, Policy.parse(counting("egress", None))) as datapath:
        count_by_nft(hosts.near, "postrouting")
        traffic(hosts)
        ours, theirs = settled(lambda: (counted(datapath, "any"), counted_by_nft(hosts.near)))
        assert ours == {state: theirs[state] for state in STATES}
        datapath.down()
